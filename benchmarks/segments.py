"""What it costs to store a stream and to get its PCAP back: ``python -m benchmarks.segments [FOLDER …]``.

20,000 streams of 11 packets, as many at a time as a busy host has, in batches of 2 MB; CPU time of this process.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from engine.capture.batch import PAD_BYTES, Batch
from engine.counters import Counters
from engine.segments.copied import Copied
from engine.segments.folder import open_folder
from engine.segments.options import StorageOptions
from engine.segments.reader import SegmentReader
from engine.segments.records import END, SEEN, STREAM_RECORD
from engine.segments.shelf import Shelf

STREAMS, PACKETS, FRAME_BYTES, AT_A_TIME = 20_000, 11, 275, 100
BATCH_PACKETS = (2 << 20) // (FRAME_BYTES + 16)
EPOCH_S = 1_700_000_000
RECORD = np.dtype(
    [("seconds", "<u4"), ("ns", "<u4"), ("captured", "<u4"), ("wire", "<u4"), ("frame", f"V{FRAME_BYTES}")]
)


def traffic() -> list[tuple[Batch, np.ndarray, np.ndarray]]:
    """Batches, their stream ids and their timestamps; streams take turns within groups of ``AT_A_TIME``."""
    ids = np.arange(1, STREAMS + 1, dtype=np.uint64).reshape(-1, 1, AT_A_TIME)
    streams = np.broadcast_to(ids, (STREAMS // AT_A_TIME, PACKETS, AT_A_TIME)).reshape(-1)
    records = np.zeros(len(streams), RECORD)
    records["seconds"], records["ns"] = EPOCH_S, np.arange(len(streams))
    records["captured"] = records["wire"] = FRAME_BYTES
    batches = []
    for first in range(0, len(streams), BATCH_PACKETS):
        part = records[first : first + BATCH_PACKETS]
        buffer = memoryview(part.tobytes() + bytes(PAD_BYTES))
        offsets = np.arange(len(part), dtype=np.int64) * RECORD.itemsize
        batch = Batch(buffer, offsets, part.nbytes, True, 1, 0, -1)
        times_ns = part["ns"].astype(np.int64) + EPOCH_S * 10**9
        batches.append((batch, streams[first : first + BATCH_PACKETS], times_ns))
    return batches


def describe(streams: np.ndarray) -> np.ndarray:
    """Records that cost as little as one can."""
    records = np.zeros(len(streams), STREAM_RECORD)
    records["stream"], records["timestamp_ns"], records["event"] = streams, EPOCH_S * 10**9, SEEN
    records["packets"], records["bytes"], records["protocol"] = 1, FRAME_BYTES, 6
    return records


def measure(folder: Path) -> None:
    """Print the figures for a file system."""
    data = Path(tempfile.mkdtemp(dir=folder)) / "data"
    open_folder(data, "benchmark", 0)
    try:
        shelf = Shelf(data, StorageOptions(window=False), Counters(), 0.0)
        batches = traffic()
        begin = time.process_time()
        for batch, streams, times_ns in batches:
            shelf.append(batch, streams, times_ns, describe, 0.0)
        stored = time.process_time()
        for first in range(1, STREAMS + 1, AT_A_TIME):
            ends = describe(np.arange(first, first + AT_A_TIME))
            ends["event"] = END
            shelf.log(ends)
        ended = time.process_time()
        report(folder, "store", stored - begin)
        report(folder, "log an end", ended - stored)
        read_back(folder, data)
        begin = time.process_time()
        shelf.expire(100.0, Copied(segments={str(number): 1 << 40 for number in range(100)}), {}, wall_ns=0)
        report(folder, "expire", time.process_time() - begin)
        assert not list((data / "segments").glob("*.pcap"))
    finally:
        shutil.rmtree(data.parent)


def read_back(folder: Path, data: Path) -> None:
    """Materialise each stream into one file that is written again and again, and into a file of its own."""
    begin = time.process_time()
    reader = SegmentReader(data)
    reader.materialise(1, data / "x")
    report(folder, "take in the log", time.process_time() - begin)
    begin, target = time.process_time(), data / "x"
    for stream in range(1, STREAMS + 1):
        assert reader.materialise(stream, target) == PACKETS
    report(folder, "materialise, one target", time.process_time() - begin)
    begin = time.process_time()
    for stream in range(1, 2001):
        reader.materialise(stream, data / f"{stream}.pcap")
    report(folder, "materialise, own file", time.process_time() - begin, 2000)


def report(folder: Path, what: str, cpu_s: float, count: int = STREAMS) -> None:
    """One line."""
    print(f"{folder!s:12} {what:26} {cpu_s / count * 1e6:8.2f} us per stream")


if __name__ == "__main__":
    for name in sys.argv[1:] or ["/dev/shm", "."]:
        measure(Path(name))
