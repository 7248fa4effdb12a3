"""Batches of made-up records for tests of segments, and what a shelf should hold of them, told slowly."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.capture.batch import PAD_BYTES, Batch
from engine.segments.folder import open_folder
from engine.segments.records import SEEN, STREAM_RECORD, Records, StreamRecord

PACKED_STREAM_RECORD = struct.Struct("<QqQQQ16s16sHHBBBB")
EPOCH_NS = 1_700_000_000_000_000_000
Owned = tuple[int, bytes]
"""A stream and one pcap record of it; stream 0: of none."""


def record(timestamp_ns: int, frame: bytes) -> bytes:
    """A pcap record."""
    seconds, nanoseconds = divmod(timestamp_ns, 10**9)
    return struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)) + frame


def time_of(packet: bytes) -> int:
    """Timestamp of a pcap record."""
    seconds, nanoseconds = struct.unpack_from("<II", packet)
    return int(seconds) * 10**9 + int(nanoseconds)


def packets_for(rng: random.Random, streams: Sequence[int], count: int, start_ns: int) -> list[Owned]:
    """``count`` records of random streams, a microsecond apart."""
    return [
        (rng.choice(streams), record(start_ns + 1000 * index, rng.randbytes(rng.randint(20, 120))))
        for index in range(count)
    ]


def batch_for(packets: Sequence[Owned], *, gap: int = 0, link_type: int = 1) -> Batch:
    """A batch of these records, with ``gap`` bytes of something else between any two."""
    buffer = bytearray()
    offsets = []
    for _, packet in packets:
        offsets.append(len(buffer))
        buffer += packet + b"\xee" * gap
    end = len(buffer) - gap
    view = memoryview(bytes(buffer) + bytes(PAD_BYTES))
    return Batch(view, np.array(offsets, np.int64), end, not gap, link_type, 0, -1)


def streams_of(packets: Sequence[Owned]) -> npt.NDArray[np.uint64]:
    """The column of stream ids."""
    return np.array([stream for stream, _ in packets], np.uint64)


def times_of(packets: Sequence[Owned]) -> npt.NDArray[np.int64]:
    """The column of timestamps."""
    return np.array([time_of(packet) for _, packet in packets], np.int64)


def describe(stream: int) -> StreamRecord:
    """A record of a stream whose facts follow from its number."""
    address = bytes(10) + b"\xff\xff" + (0x0A000000 + stream).to_bytes(4)
    server = bytes(10) + b"\xff\xff\x0a\x00\x00\x02"
    protocol = 6 if stream % 2 else 17
    return StreamRecord(stream, EPOCH_NS, 1, 60, 20, address, server, 40_000, 80, protocol, SEEN, 0)


def described(streams: npt.NDArray[np.uint64]) -> Records:
    """``describe`` of several, as a shelf asks for them."""
    return records_of(describe(stream) for stream in streams.tolist())


def records_of(records: Iterable[StreamRecord]) -> Records:
    """The same as an array."""
    packed = [PACKED_STREAM_RECORD.pack(*one, 0) for one in records]
    return np.frombuffer(b"".join(packed), STREAM_RECORD)


def data_folder(tmp_path: Path) -> Path:
    """A new data folder."""
    data = tmp_path / "data"
    open_folder(data, "n1", EPOCH_NS)
    return data
