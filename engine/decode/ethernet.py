"""The packets that most captures are made of: Ethernet, IPv4 without options, TCP or UDP. One gather for all headers.

A packet that fails any check goes to ``engine.decode.general``, which knows why.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.capture.batch import RECORD_HEADER_BYTES
from engine.capture.links import ETHERNET
from engine.decode.columns import Columns
from engine.decode.fragments import Fragments
from engine.decode.general import GENERAL_FROM, decode_general
from engine.decode.layout import FRAGMENT_MASK, MAPPED, TCP, TCP_FLAGS_MASK, UDP, WIDE, Offsets, Records, gather
from engine.decode.scalar import decode_scalar
from engine.decode.tunnels import perhaps_tunnels

_KIND, _KIND_MASK = 0x0800_45_00, 0xFFFF_FF_00
_IP_AT, _TRANSPORT_AT = 14, 34


def decode_ethernet(buffer: memoryview, offsets: Offsets, fragments: Fragments | None = None) -> Columns:
    """Total: every record becomes a row with a payload or a row with a ``Drop`` reason."""
    headers = gather(buffer, offsets, WIDE)
    columns, good = _decode_common(headers, offsets)
    rest = np.flatnonzero(~good)
    if rest.size:
        decode = decode_general if rest.size >= GENERAL_FROM else decode_scalar
        columns.put(rest, decode(buffer, offsets[rest], ETHERNET, fragments))
    return columns


def _decode_common(headers: Records, offsets: Offsets) -> tuple[Columns, npt.NDArray[np.bool_]]:
    """All rows as if they were such packets, and which of them are."""
    captured = headers["captured"].astype(np.int64)
    protocol = headers["protocol"].copy()
    tcp = protocol == TCP
    ip_end = headers["total"].astype(np.int64) + _IP_AT
    end = np.where(tcp, ip_end, headers["udp_length"].astype(np.int64) + _TRANSPORT_AT)
    length = np.where(tcp, headers["offset"] >> 4 << 2, 8)
    start = length.astype(np.int64) + _TRANSPORT_AT

    good = (headers["kind"] & _KIND_MASK) == _KIND
    good &= (headers["fragment"] & FRAGMENT_MASK) == 0
    good &= (tcp & (length >= 20)) | (protocol == UDP)
    good &= start <= captured
    good &= start <= end
    good &= end <= ip_end

    source_port, target_port = headers["source_port"].astype(np.uint16), headers["target_port"].astype(np.uint16)
    sequence, acknowledgement = headers["sequence"].astype(np.uint32), headers["acknowledgement"].astype(np.uint32)
    flags = (headers["flags"] & TCP_FLAGS_MASK).astype(np.uint8)
    if not tcp.all():
        sequence *= tcp
        acknowledgement *= tcp
        flags *= tcp
        good &= tcp | ~perhaps_tunnels(source_port, target_port)
    payload = np.minimum(end, captured) - start
    columns = Columns(
        timestamp_ns=headers["seconds"].astype(np.int64) * 1_000_000_000 + headers["ns"],
        captured_length=captured,
        wire_length=headers["wire"].astype(np.int64),
        protocol=protocol,
        source_high=np.zeros(len(offsets), np.uint64),
        source_low=headers["source"].astype(np.uint64) | np.uint64(MAPPED),
        target_high=np.zeros(len(offsets), np.uint64),
        target_low=headers["target"].astype(np.uint64) | np.uint64(MAPPED),
        source_port=source_port,
        target_port=target_port,
        flags=flags,
        sequence=sequence,
        acknowledgement=acknowledgement,
        payload_start=offsets + (start + RECORD_HEADER_BYTES),
        payload_length=payload,
        payload_missing=end - start - payload,
        drop=np.zeros(len(offsets), np.uint8),
    )
    return columns, good
