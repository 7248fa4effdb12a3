"""Recording jobs that scripts make: from the call to the recorder's store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.clock import NS_PER_S
from engine.counters import Counters
from engine.errors import ConfigError, KflError
from engine.helpers.calls import CallRefused
from engine.helpers.pcap import Keeping
from engine.helpers.recordings import Recordings
from engine.recorder import Recorder
from engine.recording.journal import Change, KeepJournal, read_journal
from engine.recording.options import RecordingOptions
from engine.recording.plan import over
from engine.recording.sealing import Origin
from engine.recording.service import Service

NOW_NS = 1_795_170_600 * NS_PER_S
MINUTE_NS = 60 * NS_PER_S


class Place:
    """A data folder, a script's helper and the recorder."""

    def __init__(self, data: Path) -> None:
        for name in ("keep", "outbox", "segments", "items"):
            (data / name).mkdir()
        self.data, self.now_ns = data, NOW_NS
        self.journal = data / "keep" / "broker.log"
        self._keeping = Keeping(KeepJournal(self.journal, sync=False), Counters())
        self.told: list[str] = []
        self.service = Service(data, "run", NOW_NS, lambda _, text: self.told.append(text))
        self.recorder = self.open_recorder()

    def open_recorder(self) -> Recorder:
        origin = Origin("local", "n1")
        return Recorder(self.data, "run", origin, "recordings", RecordingOptions(), Counters(), service=self.service)

    def script(self, name: str = "a.py") -> Recordings:
        return Recordings(self.data, name, self._keeping, lambda: self.now_ns)

    def record(self) -> None:
        self.recorder.step(self.now_ns, self.now_ns / NS_PER_S)

    def changes(self) -> list[Any]:
        return [entry for entry in read_journal(self.journal, 0)[0] if isinstance(entry, Change)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.service.close()


def test_a_job_is_certain_when_the_call_returns_and_made_at_the_next_pass(place: Place) -> None:
    script = place.script()
    script.create("errors", "http and response.status >= 500", {"duration": "2h", "packets": None})
    assert [change.operation for change in place.changes()] == ["create"]
    assert script.list() == []
    place.record()
    (row,) = script.list()
    assert (row["name"], row["state"], row["ends"]) == ("errors", "recording", "2026-11-20T12:30:00.000000000Z")
    assert place.script("b.py").list() == []
    (job,) = place.service.jobs.all
    assert (job.by, job.created_ns) == ("script a.py", NOW_NS)


def test_the_same_job_again_changes_nothing_and_another_takes_its_place(place: Place) -> None:
    script = place.script()
    script.create("r", "http", {})
    place.record()
    place.now_ns += MINUTE_NS
    script.create("r", "http", {})
    assert len(place.changes()) == 1
    script.create("r", "dns", {})
    place.record()
    assert [job.kfl for job in place.service.jobs.all] == ["dns"]
    assert len(place.service.jobs.store.runs("r")) == 2


def test_a_job_that_is_over_begins_again(place: Place) -> None:
    script = place.script()
    script.create("r", "http", {"duration": 1})
    place.record()
    place.now_ns += 5 * MINUTE_NS
    place.record()
    assert script.list() == []
    script.create("r", "http", {"duration": 1})
    place.record()
    assert [row["state"] for row in script.list()] == ["recording"]


@pytest.mark.parametrize(
    ("name", "kfl", "properties", "error"),
    [
        ("../r", "http", {}, ConfigError),
        ("r", "htp", {}, KflError),
        ("r", "http", {"duration": "long"}, ConfigError),
        ("r", "http", {"destination": "gs://elsewhere"}, CallRefused),
        ("r", "http", {"withSecrets": True}, CallRefused),
        ("r", "http", {"format": "text"}, ConfigError),
        ("r", "http", {"name": "other"}, CallRefused),
        ("mine", "http", {}, CallRefused),
    ],
)
def test_what_cannot_be_is_said_at_once_and_wished_by_nobody(
    place: Place, name: str, kfl: str, properties: dict[str, Any], error: type[Exception]
) -> None:
    place.service.answer("create", {"job": {"name": "mine"}}, NOW_NS)
    with pytest.raises(error):
        place.script().create(name, kfl, properties)
    assert not place.journal.exists() or place.changes() == []


def test_a_script_stops_its_own_jobs_and_no_others(place: Place) -> None:
    place.service.answer("create", {"job": {"name": "operators"}}, NOW_NS)
    place.script("a.py").create("r", "http", {})
    place.record()
    for name in ("operators", "r"):
        with pytest.raises(CallRefused, match="expected a recording of this script"):
            place.script("b.py").stop(name)
    place.script("a.py").stop("r")
    place.now_ns += 1
    place.record()
    states = {job.name: over(job.plan, place.now_ns) for job in place.service.jobs.all}
    assert states == {"operators": False, "r": True}


def test_two_scripts_that_want_one_name_at_once_are_told(place: Place) -> None:
    place.script("a.py").create("r", "http", {})
    place.script("b.py").create("r", "dns", {})
    place.record()
    assert [job.by for job in place.service.jobs.all] == ["script a.py"]
    assert place.told[-1].startswith(
        "Failed recording (r) Error: script b.py: recording 'r': expected a name that is free"
    )


def test_a_wish_that_is_read_twice_is_one(place: Place) -> None:
    """The recorder died after it made the job and before the pass was committed."""
    place.script().create("r", "http", {})
    place.record()
    place.recorder.close()
    (place.data / "outbox" / "open" / "passes.log").unlink()
    place.recorder = place.open_recorder()
    place.record()
    assert len(place.service.jobs.all) == 1
    assert len(place.service.jobs.store.runs("r")) == 1
    assert not any("Failed" in text for text in place.told)
