"""From the packets of a batch to extents: runs of adjacent records of one stream. One NumPy call per column."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.capture.batch import RECORD_HEADER_BYTES, Batch
from engine.segments.records import EXTENT, Records

_LENGTH_BYTES = np.arange(8, 12)
"""Where the captured length stands in a record header."""


class Packets(NamedTuple):
    """The packets of a batch that belong to a stream, in capture order; every array has the same length."""

    stream: npt.NDArray[np.uint64]
    timestamp_ns: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    """Where the record begins in the batch's buffer."""
    length: npt.NDArray[np.int64]
    """Bytes of the record, header included."""
    stop: npt.NDArray[np.int64]
    """Running total of ``length``."""

    def where(self, kept: npt.NDArray[np.bool_]) -> Packets:
        """Those that ``kept`` marks."""
        length = self.length[kept]
        return Packets(self.stream[kept], self.timestamp_ns[kept], self.start[kept], length, np.cumsum(length))

    def part(self, first: int, last: int) -> Packets:
        """Packets ``first`` to ``last``, the latter not included."""
        cut = slice(first, last)
        return Packets(self.stream[cut], self.timestamp_ns[cut], self.start[cut], self.length[cut], self.stop[cut])


def packets_of(batch: Batch, stream_ids: npt.NDArray[np.uint64], timestamp_ns: npt.NDArray[np.int64]) -> Packets:
    """All packets whose stream is not 0."""
    length = _lengths(batch)
    packets = Packets(stream_ids, timestamp_ns, batch.offsets, length, np.cumsum(length))
    return packets if stream_ids.all() else packets.where(stream_ids != 0)


def _lengths(batch: Batch) -> npt.NDArray[np.int64]:
    if batch.contiguous:
        return np.diff(batch.offsets, append=batch.end)
    octets = np.frombuffer(batch.buffer, np.uint8)
    captured: npt.NDArray[np.int64] = octets[batch.offsets[:, None] + _LENGTH_BYTES].view("<u4")[:, 0].astype(np.int64)
    return captured + RECORD_HEADER_BYTES


def gather(buffer: memoryview, packets: Packets) -> bytes | memoryview:
    """The records end to end: a view where they lie that way already, else a copy."""
    breaks = np.flatnonzero(packets.start[1:] != packets.start[:-1] + packets.length[:-1])
    if not len(breaks):
        return buffer[int(packets.start[0]) : int(packets.start[-1] + packets.length[-1])]
    firsts = packets.start[np.concatenate(([0], breaks + 1))].tolist()
    last = np.concatenate((breaks, [len(packets.start) - 1]))
    stops = (packets.start[last] + packets.length[last]).tolist()
    return b"".join([buffer[first:stop] for first, stop in zip(firsts, stops, strict=True)])


def extents_of(packets: Packets, segment: int, offset: int) -> tuple[Records, npt.NDArray[np.int64]]:
    """Extents of packets that are about to be written at ``offset``, and the index of each one's first packet."""
    stream = packets.stream
    first = np.concatenate(([0], np.flatnonzero(stream[1:] != stream[:-1]) + 1))
    begin = packets.stop[first] - packets.length[first] - (packets.stop[0] - packets.length[0])
    extents = np.empty(len(first), EXTENT)
    extents["stream"] = stream[first]
    extents["segment"] = segment
    extents["length"] = np.diff(begin, append=packets.stop[-1] - packets.stop[0] + packets.length[0])
    extents["offset"] = begin + offset
    extents["timestamp_ns"] = packets.timestamp_ns[first]
    return extents, first
