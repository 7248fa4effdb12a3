"""The table that decode makes of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FRAGMENT, HELD = 0x40, 0x80
"""Bits of ``Columns.flags`` above those of TCP."""

ICMP_REPLIES = {1: {0: 8, 14: 13, 16: 15, 18: 17}, 58: {129: 128}}
"""By IP protocol: the request to each type of reply that repeats its identifier (RFC 792, RFC 950, RFC 4443, 4)."""
ICMP_QUERIES = {protocol: frozenset(replies.values()) for protocol, replies in ICMP_REPLIES.items()}


class Columns(NamedTuple):
    """One row per packet of a batch, in capture order; every array has the same length.

    Where ``drop`` is set, only ``timestamp_ns``, ``captured_length`` and ``wire_length`` mean anything.
    """

    timestamp_ns: npt.NDArray[np.int64]
    """Nanoseconds since the epoch, from the capture source, never from us."""
    captured_length: npt.NDArray[np.int64]
    """Frame bytes that were captured."""
    wire_length: npt.NDArray[np.int64]
    """Frame bytes that were on the wire."""
    protocol: npt.NDArray[np.uint8]
    """IP protocol number of the transport, in a tunnel that of the innermost packet: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6,
    132 SCTP."""
    source_high: npt.NDArray[np.uint64]
    """Upper half of the source address; IPv4 is held as ``::ffff:a.b.c.d``, mapped into IPv6 (RFC 4291, 2.5.5.2)."""
    source_low: npt.NDArray[np.uint64]
    target_high: npt.NDArray[np.uint64]
    target_low: npt.NDArray[np.uint64]
    source_port: npt.NDArray[np.uint16]
    """ICMP has no ports. A query (echo, timestamp, …) takes its identifier for the one who asks and the type of the
    request for the one who answers, so that request and reply are one stream: ``10.0.0.1:4711`` and ``10.0.0.2:8``. Any
    other message has ``type * 256 + code`` and 0: a stream for each pair of addresses, type and code."""
    target_port: npt.NDArray[np.uint16]
    flags: npt.NDArray[np.uint8]
    """TCP flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32; 0 for other transports. With ``FRAGMENT`` (64) the packet
    is a fragment of a datagram; with ``HELD`` (128) besides, this row has no payload: that of the whole datagram stands
    in the row of the fragment that completes it."""
    sequence: npt.NDArray[np.uint32]
    acknowledgement: npt.NDArray[np.uint32]
    payload_start: npt.NDArray[np.int64]
    """Offset of the transport payload in the batch's buffer; in ``Decoded.payloads`` where fragments were put together.
    That of SCTP is its chunks, that of ICMP the whole message."""
    payload_length: npt.NDArray[np.int64]
    """Captured payload bytes."""
    payload_missing: npt.NDArray[np.int64]
    """Payload bytes that the IP packet had and the capture cut off (snap length)."""
    drop: npt.NDArray[np.uint8]
    """A ``Drop`` code, 0 for a packet that goes on."""

    def put(self, rows: npt.NDArray[np.int64] | int, values: Iterable[npt.ArrayLike]) -> None:
        """Write rows; ``values`` has one entry per column."""
        for name, entry in zip(self._fields, values, strict=True):
            getattr(self, name)[rows] = entry


COLUMN_TYPES = ("i8", "i8", "i8", "u1", "u8", "u8", "u8", "u8", "u2", "u2", "u1", "u4", "u4", "i8", "i8", "i8", "u1")
"""NumPy type of each column."""


def blank(rows: int) -> Columns:
    """Columns of zeros, to be filled."""
    return Columns(*(np.zeros(rows, kind) for kind in COLUMN_TYPES))
