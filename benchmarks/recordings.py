"""What recording jobs cost a worker per item: ``python -m benchmarks.recordings``.

Items of the shop's capture, dissected before; nothing of them is built, as in a worker. CPU time, the fastest of three.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from engine.config import Settings
from engine.counters import Counters
from engine.items.item import LazyItem
from engine.query import Query
from engine.recording.job import read_job
from engine.recording.matching import Matching
from engine.recording.published import Published, publish

SHOP = Path(__file__).resolve().parents[1] / "examples/gcs-recorder/captures/shop.pcap.gz"
ROUNDS, AT_ONCE = 3, 32
CASES = {
    "none": [],
    "1 of a protocol, misses": ["http and response.status == 599"],
    "50 of a protocol, miss": [f"http and response.status == {600 + n}" for n in range(50)],
    "50 of another protocol": [f"redis and elapsedTime > {n}" for n in range(50)],
    "1 of any protocol, misses": ["elapsedTime > 99999999"],
    "50 of any protocol, miss": [f"elapsedTime > {99_999_999 + n}" for n in range(50)],
    "1 that matches": ["http"],
    "50 that match": [f"http or elapsedTime > {n}" for n in range(50)],
}


def items() -> list[LazyItem]:
    """Fresh ones: what a filter looks at is built at its first touch."""
    found = Query([str(SHOP)], Settings(), print).items(None)
    return [item for item in found if isinstance(item, LazyItem)]


def cost_ns(filters: list[str]) -> tuple[float, int]:
    """``(nanoseconds an item, wishes)``."""
    best, keeps = float("inf"), 0
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder)
            (data / "keep").mkdir()
            now_ns = time.time_ns()
            jobs = [read_job({"name": f"r{n}", "kfl": kfl}, now_ns, "").job for n, kfl in enumerate(filters)]
            publish(data, Published(jobs))
            counters = Counters()
            matching = Matching(data, "worker-0.log", counters)
            matching.refresh(now_ns)
            fresh = items()
            begin = time.process_time_ns()
            for at in range(0, len(fresh), AT_ONCE):
                matching.keep_items(fresh[at : at + AT_ONCE], now_ns)
            best = min(best, (time.process_time_ns() - begin) / len(fresh))
            keeps = counters.get("recordings_keeps_total")
    return best, keeps


def encode_ns() -> float:
    """To compare: what each item costs anyway."""
    fresh = items()
    begin = time.process_time_ns()
    for item in fresh:
        item.encode()
    return (time.process_time_ns() - begin) / len(fresh)


def main() -> None:
    """One line a case."""
    print(f"encoding an item: {encode_ns():.0f} ns")
    for name, filters in CASES.items():
        each, keeps = cost_ns(filters)
        share = each / max(len(filters), 1)
        print(f"{name:28} {each:8.0f} ns an item, {share:6.0f} ns an item and recording, {keeps} wishes")


if __name__ == "__main__":
    main()
