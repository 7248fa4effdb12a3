"""Recorder and shipper killed in the middle of what they do to the disk, again and again; then the destination is read.

``REMORA_KILLS=300`` makes it the long run.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.audit import Recorded, audit, objects_in
from tests.support.data_folder import START_NS, DataFolder
from tests.support.gcs_server import serve

ROOT = Path(__file__).resolve().parents[3]
KILLS = int(os.environ.get("REMORA_KILLS", "24"))
KILLS_PER_SEED = 8


def run(at: int, process: str, data: Path, argument: str = "", **environment: str) -> bool:
    """Run a process until it is killed at its ``at``-th change of the disk; whether it was."""
    command = [sys.executable, "-m", "tests.support.kill_at", str(at), process, str(data), argument]
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    result = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode in (0, -signal.SIGKILL), result.stderr
    return result.returncode != 0


def some_traffic(data: DataFolder, chance: random.Random, kept: dict[int, int], time_ns: int) -> None:
    """A few packets, items and wishes; what was copied before may go first."""
    data.now_s += 6.0
    data.expire()
    for _ in range(chance.randrange(2, 6)):
        data.now_s += chance.choice([0.1, 6.0])
        time_ns += 100_000
        streams = [chance.randrange(1, 8) for _ in range(chance.randrange(1, 30))]
        for stream in set(streams) - data.packets.keys():
            data.lease(stream)  # nothing of it goes before it is kept whole
        data.capture([(s, time_ns + chance.randrange(90_000), chance.randrange(16, 900)) for s in streams])
        data.item(streams[0], time_ns)
        whole = {stream for stream, from_ns in kept.items() if not from_ns}
        stream, from_ns = chance.choice(sorted(set(streams) - whole) or streams), chance.choice([0, 0, time_ns])
        chance.choice([data.worker, data.broker]).keep(stream, "r", from_ns, 0)
        if from_ns == 0 and kept.get(stream) != 0:
            data.release(stream)
        kept[stream] = min(from_ns, kept.get(stream, from_ns))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(-(-KILLS // KILLS_PER_SEED)))
def test_every_kept_packet_arrives_once_whatever_is_killed_and_when(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    data = DataFolder(tmp_path / "data", segment_bytes=1 << 20, pcap_ttl_s=0.0, json_ttl_s=1e9)
    kept: dict[int, int] = {}
    with serve("forensics") as (address, store):
        remote = seed % 3 == 2
        destination = "gs://forensics/deep" if remote else "recordings"
        environment = {"STORAGE_EMULATOR_HOST": address} if remote else {}
        killed = 0
        while killed < KILLS_PER_SEED:
            some_traffic(data, chance, kept, START_NS + killed * 1_000_000)
            action = chance.random()
            if action < 0.45:
                killed += run(chance.randrange(1, 60), "recorder", data.root, destination)
            elif action < 0.7:
                killed += run(chance.randrange(1, 160), "sealer", data.root, destination)
            else:
                if remote:
                    store.fault(chance.choice(["status", "lose_answer", "reset"]), times=chance.randrange(3))
                killed += run(chance.randrange(1, 60), "shipper", data.root, **environment)
        run(0, "sealer", data.root, destination)
        run(0, "shipper", data.root, **environment)
        objects = objects_in(data.root / "recordings") if not remote else without_prefix(store.objects("forensics"))
        assert set(store.created.values()) <= {1}
    found = audit(objects).get("r", Recorded())
    assert found.packets == data.wanted(kept)
    assert sorted(item["id"] for item in found.items) == data.wanted_items(kept)
    left = {path.name for path in (data.root / "outbox").rglob("*")}
    assert left == {"open", "passes.log", "ready", "tmp", "lock"}
    data.now_s += 6.0
    data.expire()
    assert data.segments() == 0 or data.leased(), "what was copied may go"
    data.close()


def without_prefix(objects: dict[str, bytes]) -> dict[str, bytes]:
    return {name.removeprefix("deep/"): content for name, content in objects.items()}
