"""Packets read back from segments: the records of some extents, counted and in time order."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.capture.batch import RECORD_HEADER_BYTES
from engine.clock import NS_PER_S
from engine.errors import StorageError
from engine.segments.records import read_at

IN_MEMORY_BYTES = 8 << 20
"""A stream up to this size is read once; a larger one twice, an extent at a time, so that memory stays bounded."""
_HEAD = struct.Struct("<III")


class Extent(NamedTuple):
    """Where a run of adjacent packets of one stream lies."""

    segment: int
    offset: int
    length: int
    timestamp_ns: int
    """Of the first packet."""


class Stored(NamedTuple):
    """What is on disk of a stream."""

    packets: int
    bytes: int
    """Captured frame bytes."""
    first_ns: int
    last_ns: int


class _Walked(NamedTuple):
    """The records of one run of bytes, in the order in which they lie."""

    starts: list[int]
    times_ns: list[int]


OpenSegment = Callable[[int], int]
"""A descriptor of the packets of a segment; what it raises when the segment is gone goes through."""


def read_extent(descriptor: int, extent: Extent) -> bytes:
    """Its bytes.

    Raises:
        StorageError: the segment is shorter than its index says.
    """
    data = read_at(descriptor, extent.length, extent.offset)
    if len(data) < extent.length:
        raise StorageError(
            f"segment {extent.segment}: expected {extent.length} bytes at {extent.offset}, got {len(data)}"
        )
    return data


def _walk(data: bytes) -> _Walked:
    """Where each record begins, and its time."""
    starts, times_ns, position, end = [], [], 0, len(data)
    while position < end:
        seconds, nanoseconds, captured = _HEAD.unpack_from(data, position)
        starts.append(position)
        times_ns.append(seconds * NS_PER_S + nanoseconds)
        position += RECORD_HEADER_BYTES + captured
    return _Walked(starts, times_ns)


def _in_order(times_ns: Sequence[int]) -> bool:
    return all(map(int.__le__, times_ns, times_ns[1:]))


def copy_packets(extents: Sequence[Extent], open_segment: OpenSegment, target: int, header: bytes) -> int:
    """Write ``header`` and the records of ``extents`` to ``target``, unchanged, by time; how many.

    Raises:
        OSError: ``target`` does not take it.
        StorageError: a segment is damaged.
    """
    if sum(extent.length for extent in extents) <= IN_MEMORY_BYTES:
        data = b"".join([read_extent(open_segment(extent.segment), extent) for extent in extents])
        walked = _walk(data)
        _write_all(target, header + (data if _in_order(walked.times_ns) else _sorted(data, walked)))
        return len(walked.starts)
    return _copy_large(extents, open_segment, target, header)


def _sorted(data: bytes, walked: _Walked) -> bytes:
    stops = [*walked.starts[1:], len(data)]
    order = sorted(range(len(stops)), key=walked.times_ns.__getitem__)
    return b"".join([data[walked.starts[index] : stops[index]] for index in order])


def _copy_large(extents: Sequence[Extent], open_segment: OpenSegment, target: int, header: bytes) -> int:
    """In two passes: is it in order? Then extent by extent, else record by record."""
    records: list[tuple[int, int, int, int]] = []  # time, segment, offset, length
    times_ns: list[int] = []
    for extent in extents:
        walked = _walk(read_extent(open_segment(extent.segment), extent))
        times_ns += walked.times_ns
        stops = [*walked.starts[1:], extent.length]
        records += [
            (time_ns, extent.segment, extent.offset + start, stop - start)
            for time_ns, start, stop in zip(walked.times_ns, walked.starts, stops, strict=True)
        ]
    if _in_order(times_ns):
        parts = extents
    else:
        records.sort(key=lambda record: record[0])
        parts = [Extent(segment, offset, length, time_ns) for time_ns, segment, offset, length in records]
    waiting, size = [header], 0
    for part in parts:
        waiting.append(read_extent(open_segment(part.segment), part))
        size += part.length
        if size >= IN_MEMORY_BYTES:
            _write_all(target, b"".join(waiting))
            waiting, size = [], 0
    _write_all(target, b"".join(waiting))
    return len(records)


def measure(extents: Sequence[Extent], open_segment: OpenSegment) -> Stored:
    """Count what lies in ``extents``; errors as of ``copy_packets``."""
    packets, first_ns, last_ns = 0, 0, 0
    for extent in extents:
        times_ns = _walk(read_extent(open_segment(extent.segment), extent)).times_ns
        first_ns = min([*times_ns, first_ns]) if packets else min(times_ns)
        last_ns = max([*times_ns, last_ns])
        packets += len(times_ns)
    total = sum(extent.length for extent in extents)
    return Stored(packets, total - packets * RECORD_HEADER_BYTES, first_ns, last_ns)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
