"""What it costs to collect and to seal a batch: ``python -m benchmarks.sealing [FOLDER …]``.

10,000 streams, 100 MB of packets, two thirds of them text; each line has the CPU and wall time of the recorder's work,
and the first ones calibrate: a copy, a checksum and one stream of zlib over the same bytes.
"""

from __future__ import annotations

import gc
import hashlib
import random
import shutil
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.capture.batch import PAD_BYTES, Batch
from engine.counters import Counters
from engine.recording import gzip_members
from engine.recording.collector import Collector
from engine.recording.journal import KeepJournal
from engine.recording.options import RecordingOptions
from engine.recording.profile import Facts
from engine.recording.sealing import Origin, build
from engine.segments.folder import open_folder
from engine.segments.options import StorageOptions
from engine.segments.records import SEEN, STREAM_RECORD
from engine.segments.shelf import Shelf
from engine.shipping.checksum import Crc32c

STREAMS, PACKETS, FRAME_BYTES, BATCH_PACKETS = 10_000, 16, 625, 4_000
EPOCH_S = 1_700_000_000
NOW_NS = 1_795_170_600_000_000_000
LEVELS = (0, 1, 4, 6, 9)


def frames(streams: int = STREAMS) -> np.ndarray:
    """Packets as records: Ethernet, IPv4, TCP, then words of a small vocabulary and some noise."""
    chance = random.Random(1)
    words = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=chance.randrange(3, 12))) for _ in range(2000)]
    header = bytes(12) + b"\x08\x00\x45\x00" + (FRAME_BYTES - 14).to_bytes(2, "big") + b"\0\1\x40\0\x40\x06\0\0"
    header += (
        bytes((10, 0, 0, 1, 10, 0, 0, 2)) + (40_000).to_bytes(2, "big") + b"\0\x50" + bytes(8) + b"\x50\x10" + bytes(6)
    )
    kinds = []
    for _ in range(997):
        text = b" ".join(chance.choices(words, k=100))[: (FRAME_BYTES - 54) * 2 // 3]
        kinds.append(header + text + chance.randbytes(FRAME_BYTES - 54 - len(text)))
    table = np.frombuffer(b"".join(kinds), f"V{FRAME_BYTES}")
    dtype = [("seconds", "<u4"), ("ns", "<u4"), ("captured", "<u4"), ("wire", "<u4"), ("frame", f"V{FRAME_BYTES}")]
    records = np.zeros(streams * PACKETS, dtype)
    records["seconds"], records["ns"] = EPOCH_S, np.arange(len(records))
    records["captured"] = records["wire"] = FRAME_BYTES
    records["frame"] = table[np.arange(len(records)) % len(table)]
    return records


def fill(data: Path, records: np.ndarray) -> None:
    """Segments that hold the packets, and a wish for every stream."""
    open_folder(data, "benchmark", 0)
    shelf = Shelf(data, StorageOptions(window=False, storage_limit_bytes=1 << 30), Counters(), 0.0)
    count = len(records) // PACKETS
    streams = np.arange(len(records), dtype=np.uint64) % count + 1
    for first in range(0, len(records), BATCH_PACKETS):
        part = records[first : first + BATCH_PACKETS]
        offsets = np.arange(len(part), dtype=np.int64) * records.dtype.itemsize
        batch = Batch(memoryview(part.tobytes() + bytes(PAD_BYTES)), offsets, part.nbytes, True, 1, 0, -1)
        times_ns = part["ns"].astype(np.int64) + EPOCH_S * 10**9
        shelf.append(batch, streams[first : first + BATCH_PACKETS], times_ns, describe, 0.0)
    shelf.close()
    with KeepJournal(data / "keep" / "worker-0.log", sync=False) as journal:
        for stream in range(1, count + 1):
            journal.keep(stream, "benchmark", 0, 0)


def describe(streams: np.ndarray) -> np.ndarray:
    """Records that cost as little as one can."""
    records = np.zeros(len(streams), STREAM_RECORD)
    records["stream"], records["timestamp_ns"], records["event"] = streams, EPOCH_S * 10**9, SEEN
    records["packets"], records["bytes"], records["protocol"] = 1, FRAME_BYTES, 6
    return records


def timed(what: str, size_bytes: int, work: Callable[[], object]) -> None:
    """Print the speed of ``work`` over ``size_bytes``."""
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    result = work()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    more = f"  {result}" if isinstance(result, str) else ""
    print(f"  {what:34} {size_bytes / cpu_s / 1e6:7.0f} MB/s of CPU  {size_bytes / wall_s / 1e6:7.0f} MB/s{more}")


def measure(folder: Path) -> None:
    """Print the figures for a file system."""
    data = Path(tempfile.mkdtemp(dir=folder)) / "data"
    records = frames()
    content, size = records.tobytes(), records.nbytes
    print(f"{folder}: {STREAMS} streams, {len(records)} packets, {size / 1e6:.0f} MB")
    try:
        timed("calibration: copy", size, lambda: len(bytearray(content)))
        timed("calibration: sha256", size, lambda: hashlib.sha256(content).digest())
        timed("calibration: zlib level 4", size, lambda: len(zlib.compress(content, 4)))
        fill(data, records)
        options = RecordingOptions(batch_bytes=1 << 30, limit_bytes=1 << 40, batch_packets=0)
        collector = Collector(data, "20261120T103000Z-a1b2c3d4", options, Counters())
        timed("collect: all streams in one pass", size, lambda: collector.collect(NOW_NS))
        collector.freeze([state.id for state in collector.batches.filled()], Facts("0"))
        (state,) = collector.batches.frozen()
        for level in LEVELS:
            gzip_members.LEVEL = level
            target = data.parent / f"level-{level}"
            target.mkdir()

            def seal(target: Path = target) -> str:
                files = build(data / "outbox" / "open" / state.id, target, state, Origin("c", "n"), Crc32c)
                return f"{files[0].bytes / size:.3f} of the size"

            timed(f"seal: zlib level {level}", size, seal)
        collector.close()
    finally:
        shutil.rmtree(data.parent)


def held_while_sealing(streams: int) -> int:
    """Bytes of memory of its own that sealing takes at its peak, beside what was there."""
    data = Path(tempfile.mkdtemp()) / "data"
    try:
        fill(data, frames(streams))
        options = RecordingOptions(batch_bytes=1 << 30, limit_bytes=1 << 40, batch_packets=0)
        collector = Collector(data, "20261120T103000Z-a1b2c3d4", options, Counters())
        collector.collect(NOW_NS)
        collector.freeze([state.id for state in collector.batches.filled()], Facts("0"))
        (state,) = collector.batches.frozen()
        collector.close()
        opened = data / "outbox" / "open" / state.id
        del collector
        gc.collect()
        target = data.parent / "sealed"
        target.mkdir()
        before, peak, over = anonymous_bytes(), [0], threading.Event()

        def watch() -> None:
            while not over.wait(0.005):
                peak.append(anonymous_bytes())

        watcher = threading.Thread(target=watch)
        watcher.start()
        build(opened, target, state, Origin("c", "n"), Crc32c)
        over.set()
        watcher.join()
        return max(peak) - before
    finally:
        shutil.rmtree(data.parent)


def anonymous_bytes() -> int:
    """Memory of this process that is no file's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


if __name__ == "__main__":
    for where in sys.argv[1:] or [tempfile.gettempdir()]:
        measure(Path(where))
