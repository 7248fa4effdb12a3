"""Kept streams are whole and no packet is in a recording twice: against a model, over restarts and several workers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.clock import NS_PER_S
from engine.counters import Counters
from engine.recorder import Recorder
from engine.recording.matching import Matching
from engine.recording.options import RecordingOptions
from engine.recording.sealing import Origin
from engine.recording.service import Service
from engine.segments.member import Member
from tests.support.audit import audit, objects_ready
from tests.support.data_folder import START_NS, DataFolder

WORKERS = 2
NOW_NS = 1_795_170_600 * NS_PER_S
JOBS: list[dict[str, Any]] = [
    {"name": "all"},
    {"name": "minute", "start": "10:31", "duration": "1"},
    {"name": "days", "start": "10:30:20", "duration": "20s", "iterations": 2},
    {"name": "items", "kfl": "http"},
]


class Scene:
    """Two workers, a recorder, what each of them was told, and what a recording must hold in the end."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self.root, self.chance, self.now_ns, self.at_ns = root, chance, NOW_NS, START_NS
        self.folders = [DataFolder(root, member=Member(index, WORKERS)) for index in range(WORKERS)]
        self.service = self._open_service(1)
        self.service.configure(JOBS, NOW_NS)
        self.workers = [self._open_worker(index) for index in range(WORKERS)]
        self.lives = 1
        self.recorder = self._open_recorder()
        self.kept: dict[str, dict[int, int]] = {str(job["name"]): {} for job in JOBS}
        self.begun: set[int] = set()

    def _open_service(self, life: int) -> Service:
        return Service(self.root, f"run-{life}", self.now_ns, lambda *_: None)

    def _open_worker(self, index: int) -> Matching:
        made = Matching(self.root, f"worker-{index}.log", Counters())
        made.refresh(self.now_ns)
        return made

    def _open_recorder(self) -> Recorder:
        options = RecordingOptions(batch_bytes=4000)
        run_id = f"20261120T103000Z-{self.lives:08d}"
        idle_s = 1e7  # longer than the days that pass here in one step: no stream of this test times out
        return Recorder(self.root, run_id, Origin("l", "n"), "r", options, Counters(), idle_s, service=self.service)

    def capture(self) -> None:
        """A batch of one worker; streams of everybody's recordings are kept as they come."""
        index = self.chance.randrange(WORKERS)
        own = [number * WORKERS + index for number in range(1, 12)]
        streams = sorted(self.chance.choices(own, k=self.chance.randrange(1, 9)))
        times = sorted(self.at_ns + self.chance.randrange(1000) for _ in streams)
        self.at_ns += 1000
        self.folders[index].capture([(s, t, 60) for s, t in zip(streams, times, strict=True)])
        ids, starts = np.unique(np.array(streams, np.uint64), return_index=True)
        begun = np.array([stream not in self.begun for stream in ids.tolist()])
        self.begun |= set(ids.tolist())
        self.workers[index].keep_streams(ids, np.array(times), starts, begun, self.now_ns)
        firsts = dict(zip(ids.tolist(), np.where(begun, 0, np.array(times)[starts]).tolist(), strict=True))
        for name in ("all", "minute", "days"):
            if self._due(name):
                self._note(name, firsts)
        if self.chance.random() < 0.5:
            at = self.chance.randrange(len(streams))
            self._match(index, streams[at], times[at])

    def _due(self, name: str) -> bool:
        """By hand: seconds since 10:30 of the first day."""
        second = (self.now_ns - NOW_NS) / NS_PER_S
        spans: dict[str, list[tuple[float, float]]] = {
            "all": [(0, 1e9)],
            "minute": [(60, 120)],
            "days": [(20, 40), (86_420, 86_440)],
        }
        return any(begin <= second < end for begin, end in spans[name])

    def _note(self, name: str, firsts: dict[int, int]) -> None:
        for stream, from_ns in firsts.items():
            self.kept[name][stream] = min(from_ns, self.kept[name].get(stream, from_ns))

    def _match(self, index: int, stream: int, from_ns: int) -> None:
        """An item matched that began with a packet of this batch: the wish that ``keep_items`` writes."""
        self.folders[index].worker.keep(stream, "items", from_ns, self.now_ns)
        self._note("items", {stream: from_ns})

    def pass_time(self) -> None:
        self.now_ns += self.chance.choice([0, NS_PER_S // 3, NS_PER_S, 7 * NS_PER_S])
        if self.chance.random() < 0.02:
            self.now_ns += 86_000 * NS_PER_S
        for worker in self.workers:
            worker.refresh(self.now_ns)

    def record(self) -> None:
        self.recorder.step(self.now_ns, self.now_ns / NS_PER_S)

    def expire(self) -> None:
        for folder in self.folders:
            folder.now_s += self.chance.choice([0, 4, 20])
            folder.expire(self.now_ns)

    def kill_recorder(self) -> None:
        """Killed anywhere between two passes; sometimes the whole instance."""
        self.recorder.close()
        if self.chance.random() < 0.5:
            self.lives += 1
            self.service.close()
            self.service = self._open_service(self.lives)
            self.service.configure(JOBS, self.now_ns)
        self.recorder = self._open_recorder()

    def replace_worker(self) -> None:
        index = self.chance.randrange(WORKERS)
        self.workers[index] = self._open_worker(index)

    def finish(self) -> None:
        now_s = self.now_ns / NS_PER_S
        self.recorder.step(self.now_ns, now_s + 10, everything=True)
        while self.recorder.unsealed:
            self.recorder.step(self.now_ns, now_s + 20, everything=True)
        self.recorder.close()


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    made = Scene(tmp_path / "data", random.Random(request.param))
    yield made
    made.service.close()
    for folder in made.folders:
        folder.close()


@pytest.mark.parametrize("scene", range(25), indirect=True)
def test_every_packet_of_a_kept_stream_is_recorded_once(scene: Scene) -> None:
    actions = [scene.capture] * 8 + [scene.pass_time] * 3 + [scene.record] * 4
    actions += [scene.expire, scene.kill_recorder, scene.replace_worker]
    for _ in range(250):
        scene.chance.choice(actions)()
    scene.finish()
    found = audit(objects_ready(scene.root / "outbox"))
    for name, kept in scene.kept.items():
        wanted = sorted(packet for folder in scene.folders for packet in folder.wanted(kept))
        assert (found[name].packets if name in found else []) == wanted, name
