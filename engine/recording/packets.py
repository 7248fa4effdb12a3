"""From extents back to packets, and packets end to end. NumPy where extents hold one packet, which most do."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from engine.clock import NS_PER_S

PACKET = np.dtype(
    [("timestamp_ns", "<i8"), ("stream", "<u8"), ("offset", "<u8"), ("length", "<u4"), ("link_type", "<u4")]
)
"""32 bytes: where the record of a packet, header included, lies in some buffer or file."""
RECORD_HEADER_BYTES = 16

Packets = npt.NDArray[np.void]
"""An array of ``PACKET``."""
Buffer = bytes | memoryview

_HEADER = struct.Struct("<IIII")


def packets_in(data: Buffer, streams: npt.ArrayLike, lengths: npt.ArrayLike) -> Packets:
    """The packets of extents that lie end to end in ``data``, in that order.

    Bytes at the end of an extent that make no whole record (the disk lost them) are no packet.

    Args:
        data: whole extents, one after the other.
        streams: the stream of each extent.
        lengths: the bytes of each extent.
    """
    length = np.asarray(lengths, np.int64)
    stop = np.cumsum(length)
    start = stop - length
    octets = np.frombuffer(data, np.uint8)
    whole = length >= RECORD_HEADER_BYTES
    captured = np.zeros(len(length), np.int64)
    captured[whole] = octets[start[whole, None] + np.arange(8, 12)].view("<u4")[:, 0]
    runs = np.flatnonzero(whole & (captured + RECORD_HEADER_BYTES < length))
    single = np.flatnonzero(whole & (captured + RECORD_HEADER_BYTES == length))
    owners, starts = [single], [start[single]]
    for run in runs.tolist():
        found = _starts_in(data, int(start[run]), int(stop[run]))
        owners.append(np.full(len(found), run))
        starts.append(np.asarray(found, np.int64))
    return _table(octets, np.asarray(streams, np.uint64), np.concatenate(owners), np.concatenate(starts))


def _starts_in(data: Buffer, at: int, stop: int) -> list[int]:
    starts = []
    while at + RECORD_HEADER_BYTES <= stop:
        end = at + RECORD_HEADER_BYTES + _HEADER.unpack_from(data, at)[2]
        if end > stop:
            break
        starts.append(at)
        at = end
    return starts


def _table(
    octets: npt.NDArray[np.uint8],
    streams: npt.NDArray[np.uint64],
    owner: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
) -> Packets:
    order = np.argsort(start, kind="stable")
    owner, start = owner[order], start[order]
    headers = octets[start[:, None] + np.arange(12)].view("<u4").astype(np.int64)
    packets = np.zeros(len(start), PACKET)
    packets["timestamp_ns"] = headers[:, 0] * NS_PER_S + headers[:, 1]
    packets["stream"] = streams[owner]
    packets["offset"] = start
    packets["length"] = headers[:, 2] + RECORD_HEADER_BYTES
    return packets


def joined(data: Buffer, packets: Packets) -> Buffer:
    """The records of ``packets`` end to end, in their order: a view where they lie so already, else a copy."""
    if not len(packets):
        return b""
    start = packets["offset"].astype(np.int64)
    stop = start + packets["length"]
    breaks = np.flatnonzero(start[1:] != stop[:-1])
    firsts = start[np.concatenate(([0], breaks + 1))].tolist()
    stops = stop[np.concatenate((breaks, [len(start) - 1]))].tolist()
    view = memoryview(data)
    if len(firsts) == 1:
        return view[firsts[0] : stops[0]]
    return b"".join([view[first:last] for first, last in zip(firsts, stops, strict=True)])


def placed(packets: Packets, offset: int) -> Packets:
    """The same packets as they lie end to end from ``offset`` on."""
    moved = packets.copy()
    lengths = packets["length"].astype(np.uint64)
    moved["offset"] = np.cumsum(lengths) - lengths + np.uint64(offset)
    return moved
