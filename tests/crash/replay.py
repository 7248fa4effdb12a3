"""A replay whose processes are killed with SIGKILL at random moments; at the end the destination is read.

A script keeps every stream, slowly; batches are small, so that recorder and shipper are at work all the time; the
bucket fails now and then. Everything stays in the segments, so that what must have arrived can be read there.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter as Bag
from dataclasses import dataclass
from pathlib import Path

from engine.recording.journal import Keep, journals, read_journal
from engine.segments.records import EXTENT, read_records
from tests.support.audit import Recorded, audit, records_in
from tests.support.gcs_server import Store, serve
from tests.support.instance import SHOP, Instance

SCRIPT = """
def onItemCaptured(data):
    time.sleep(0.002)
    pcap.record(data.stream, "all")

def onStreamClosed(stream):
    pcap.record(stream, "all")
"""
SETS = (
    "recording.batchInterval=300ms",
    "scripting.queue=64",
    "scripting.quarantineAfter=100",
    "tap.misc.pcapTTL=1h",
    "tap.misc.jsonTTL=1h",
    "tap.storageLimit=2Gi",
)
VICTIMS = ("hosts", "zygote", "broker", "recorder", "shipper", "worker")
LONGEST_S = 120.0

Frames = Bag[tuple[int, bytes]]
"""Timestamp and frame, and how often."""


@dataclass(frozen=True)
class Ran:
    """One run and what it left."""

    victim: str
    kills: int
    exit_code: int
    wanted: Frames
    """Packets in segments, of streams that were kept."""
    stored: Frames
    """Packets in segments."""
    recorded: Frames
    """Packets at the destination."""
    batches: int
    gaps: int
    output: str
    doubled_objects: int
    """Objects that came into being twice."""
    left: int
    """Entries that are still in the outbox."""

    @property
    def lost(self) -> int:
        """Packets that should be there."""
        return (self.wanted - self.recorded).total()

    @property
    def doubled(self) -> int:
        """Packets that are there more often than they should."""
        return (self.recorded - self.wanted).total()


def run(folder: Path, victim: str, kills: int, seed: int) -> Ran:
    """Replay once and kill ``victim`` up to ``kills`` times."""
    chance = random.Random(seed)
    with serve("forensics") as (address, store):
        environment = {"STORAGE_EMULATOR_HOST": address, "GCS_BUCKET": "forensics"}
        scripts = {"keep.py": SCRIPT}
        instance = Instance(folder, str(SHOP), scripts=scripts, sets=SETS, environment=environment, grace="60s")
        try:
            done = _kill(instance, victim, kills, chance, store)
            exit_code, output = instance.wait(), instance.output()
        finally:
            instance.close()
        found = audit(store.objects("forensics")).get("all", Recorded())
        doubled = sum(times > 1 for times in store.created.values())
    return Ran(
        victim,
        done,
        exit_code,
        in_segments(instance.data, kept_streams(instance.data)),
        in_segments(instance.data, None),
        Bag(found.packets),
        len(found.manifests),
        sum(len(manifest["gaps"]) for manifest in found.manifests),
        output,
        doubled,
        len(list((instance.data / "outbox/ready").iterdir())) + len(list((instance.data / "outbox/dead").iterdir())),
    )


def _kill(instance: Instance, victim: str, kills: int, chance: random.Random, store: Store) -> int:
    """How many there were before the run was over."""
    done, last_pid, until_s = 0, 0, time.monotonic() + LONGEST_S
    while done < kills and instance.process.poll() is None and time.monotonic() < until_s:
        pid = pid_of(instance, victim)
        if not pid or pid == last_pid:
            time.sleep(0.01)
            continue
        time.sleep(chance.random() * 0.6)
        if chance.random() < 0.5:
            store.fault(chance.choice(["status", "lose_answer", "reset"]), times=chance.randrange(1, 3))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            done, last_pid = done + 1, pid
    return done


def pid_of(instance: Instance, victim: str) -> int:
    """The process to kill next; 0 where it is not there or has nothing to do yet."""
    with contextlib.suppress(OSError, KeyError, ValueError):
        status = instance.status()
        if status.get("phase") == "starting" or not status.get("counters", {}).get("items_total"):
            return 0
        if victim == "worker" and not status["counters"].get("recorder_batches_total"):
            return 0  # its death may take most streams along: the first batch is there before, others come after
        if victim == "hosts":
            zygote = status["processes"]["zygote"]["pid"]
            children = Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()
            return int(children[-1]) if children else 0
        return int(status["processes"][victim]["pid"])
    return 0


def kept_streams(data: Path) -> set[int]:
    """Every stream that somebody asked for."""
    streams: set[int] = set()
    for path in journals(data / "keep"):
        offset, moved = 0, True
        while moved:
            entries, end = read_journal(path, offset)
            streams.update(entry.stream for entry in entries if isinstance(entry, Keep))
            moved, offset = end > offset, end
    return streams


def in_segments(data: Path, streams: set[int] | None) -> Frames:
    """Packets of these streams, or of all, as the segments hold them."""
    found: Frames = Bag()
    for index in sorted((data / "segments").glob("*.idx")):
        content = index.with_suffix(".pcap").read_bytes()
        for extent in read_records(index, EXTENT):
            if streams is None or int(extent["stream"]) in streams:
                start = int(extent["offset"])
                found.update(records_in(content[start : start + int(extent["length"])]))
    return found
