"""Jobs as time passes, over restarts; the clock is an argument."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.clock import NS_PER_S
from engine.errors import KflError, StorageError
from engine.recording.job import Job, read_job
from engine.recording.jobs import LATE_NS, JobRefused, Jobs
from engine.recording.jobstore import Gap
from engine.recording.published import Reading

NOW_NS = 1_795_170_600 * NS_PER_S  # 2026-11-20 10:30 UTC
MINUTE_NS, HOUR_NS, DAY_NS = 60 * NS_PER_S, 3600 * NS_PER_S, 86_400 * NS_PER_S


def job(name: str = "r", now_ns: int = NOW_NS, **given: Any) -> Job:
    return read_job({"name": name, **given}, now_ns, "command").job


class Life:
    """Instances on one data folder, one after the other."""

    def __init__(self, data: Path) -> None:
        (data / "keep").mkdir(parents=True)
        self.data, self.run, self.told = data, 0, list[str]()
        self.jobs: Jobs | None = None

    def start(self, now_ns: int, *, same: bool = False) -> Jobs:
        """An instance; ``same``: only its recorder is another one."""
        self.kill()
        self.run += not same
        self.jobs = Jobs(self.data, f"run-{self.run}", now_ns, lambda _, text: self.told.append(text))
        return self.jobs

    def kill(self) -> None:
        if self.jobs is not None:
            self.jobs.close()
        self.jobs = None

    def pass_time(self, from_ns: int, until_ns: int, step_ns: int = NS_PER_S) -> None:
        assert self.jobs is not None
        for now_ns in range(from_ns, until_ns, step_ns):
            self.jobs.step(now_ns)


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    made = Life(tmp_path / "data")
    yield made
    made.kill()


def test_a_run_begins_and_ends_by_its_plan(life: Life) -> None:
    jobs = life.start(NOW_NS)
    jobs.create(job(start="10:35", duration="5"), NOW_NS)
    life.pass_time(NOW_NS, NOW_NS + 12 * MINUTE_NS)
    (run,) = jobs.store.runs("r")
    assert (run.began_ns, run.ended_ns) == (NOW_NS + 5 * MINUTE_NS, NOW_NS + 10 * MINUTE_NS)
    assert jobs.store.gaps("r") == []
    assert life.told == [
        "Recording (r) started, until 2026-11-20T10:40:00Z: every stream",
        "Recording (r) ended at 2026-11-20T10:40:00Z; its streams are followed to their end",
    ]


def test_a_restart_in_the_middle_goes_on_with_what_is_left_and_says_what_is_missing(life: Life) -> None:
    life.start(NOW_NS).create(job(kfl="http", duration="60"), NOW_NS)
    life.pass_time(NOW_NS, NOW_NS + 20 * MINUTE_NS)
    jobs = life.start(NOW_NS + 30 * MINUTE_NS)
    (gap,) = jobs.store.gaps("r")
    assert gap.until_ns == NOW_NS + 30 * MINUTE_NS
    assert 0 <= NOW_NS + 20 * MINUTE_NS - gap.from_ns <= 6 * NS_PER_S
    assert any(text.startswith("Failed recording (r) Error: nothing ran for a while") for text in life.told)
    life.pass_time(NOW_NS + 30 * MINUTE_NS, NOW_NS + 61 * MINUTE_NS)
    (run,) = jobs.store.runs("r")
    assert (run.began_ns, run.ended_ns) == (NOW_NS, NOW_NS + HOUR_NS)


def test_a_recorder_that_is_replaced_misses_nothing(life: Life) -> None:
    life.start(NOW_NS).create(job(duration="60"), NOW_NS)
    life.pass_time(NOW_NS, NOW_NS + 5 * MINUTE_NS)
    jobs = life.start(NOW_NS + 6 * MINUTE_NS, same=True)
    assert jobs.store.gaps("r") == []


def test_an_orderly_end_counts_to_its_last_moment(life: Life) -> None:
    jobs = life.start(NOW_NS)
    jobs.create(job(), NOW_NS)
    jobs.rest(NOW_NS + 3 * NS_PER_S)
    jobs = life.start(NOW_NS + HOUR_NS)
    assert jobs.store.gaps("r") == [Gap(NOW_NS + 3 * NS_PER_S, NOW_NS + HOUR_NS, "no instance")]


def test_a_start_that_was_missed_records_what_remains(life: Life) -> None:
    life.start(NOW_NS).create(job(start="10:35", duration="60"), NOW_NS)
    later_ns = NOW_NS + 25 * MINUTE_NS
    jobs = life.start(later_ns)
    assert jobs.store.gaps("r") == [Gap(NOW_NS + 5 * MINUTE_NS, later_ns, "missed start")]
    assert jobs.store.runs("r")[0].began_ns == later_ns
    assert (
        "Failed recording (r) Error: its start was missed: nothing was recorded "
        "from 2026-11-20T10:35:00Z to 2026-11-20T10:55:00Z" in life.told
    )


def test_whole_runs_that_were_missed_are_said_once(life: Life) -> None:
    life.start(NOW_NS).create(job(start="11:00", duration="30", iterations="0"), NOW_NS)
    for _ in range(2):
        jobs = life.start(NOW_NS + 3 * DAY_NS)
    gaps = jobs.store.gaps("r")
    assert [gap.why for gap in gaps] == ["missed run"] * 3
    assert gaps[1].from_ns - gaps[0].from_ns == DAY_NS
    assert len(life.told) == 3


def test_a_run_that_ended_while_nothing_ran_ends_at_its_time(life: Life) -> None:
    life.start(NOW_NS).create(job(duration="10"), NOW_NS)
    jobs = life.start(NOW_NS + HOUR_NS)
    (run,) = jobs.store.runs("r")
    assert run.ended_ns == NOW_NS + 10 * MINUTE_NS
    assert jobs.store.gaps("r") == [Gap(NOW_NS, NOW_NS + 10 * MINUTE_NS, "no instance")]


def test_a_recorder_that_was_busy_for_a_whole_run_tells_no_gap(life: Life) -> None:
    jobs = life.start(NOW_NS)
    jobs.create(job(start="10:31", duration="30s"), NOW_NS)
    jobs.step(NOW_NS + 5 * MINUTE_NS)
    (run,) = jobs.store.runs("r")
    assert (run.began_ns, run.ended_ns) == (NOW_NS + MINUTE_NS, NOW_NS + MINUTE_NS + 30 * NS_PER_S)
    assert jobs.store.gaps("r") == []


def test_stop_ends_a_run_and_all_that_would_come(life: Life) -> None:
    jobs = life.start(NOW_NS)
    jobs.create(job(duration="60", iterations="0"), NOW_NS)
    assert jobs.stop("r", NOW_NS + MINUTE_NS)
    assert not jobs.stop("r", NOW_NS + 2 * MINUTE_NS)
    life.pass_time(NOW_NS + MINUTE_NS, NOW_NS + 2 * DAY_NS, HOUR_NS)
    (run,) = jobs.store.runs("r")
    assert run.ended_ns == NOW_NS + MINUTE_NS
    assert life.start(NOW_NS + 3 * DAY_NS).store.gaps("r") == []


def test_names_are_unique_and_the_same_job_twice_is_one(life: Life) -> None:
    jobs = life.start(NOW_NS)
    first = job(kfl="http")
    jobs.create(first, NOW_NS)
    jobs.create(first, NOW_NS + 1)
    with pytest.raises(JobRefused, match=r"recording 'r': expected a name that is free, it was made by command"):
        jobs.create(job(kfl="dns", now_ns=NOW_NS + 5), NOW_NS + 5)
    with pytest.raises(JobRefused, match=r"recording 'q': expected the name of a recording job \(r\)"):
        jobs.stop("q", NOW_NS)


def test_recordings_that_ask_about_each_other_in_a_circle_are_refused(life: Life) -> None:
    jobs = life.start(NOW_NS)
    jobs.create(job("a", kfl='record("c")'), NOW_NS)
    jobs.create(job("b", kfl='http and record("a")'), NOW_NS)
    with pytest.raises(KflError, match="a circle: "):
        jobs.create(job("c", kfl='dns or record("b")'), NOW_NS)
    assert [one.name for one in Reading(life.data).now.jobs] == []
    reading = Reading(life.data)
    assert reading.changed()
    assert [one.name for one in reading.now.jobs] == ["a", "b"]


def test_a_deleted_job_is_gone_for_its_readers_too(life: Life) -> None:
    jobs = life.start(NOW_NS)
    reading = Reading(life.data)
    jobs.create(job(), NOW_NS)
    assert reading.changed()
    jobs.delete("r", NOW_NS + 1)
    assert reading.changed()
    assert reading.now.jobs == []
    assert not reading.changed()
    assert life.start(NOW_NS + HOUR_NS).all == []
    assert life.jobs is not None
    assert life.jobs.store.gone() == {"r": NOW_NS + 1}


def test_a_store_of_another_format_is_left_alone(life: Life) -> None:
    jobs = life.start(NOW_NS)
    jobs.create(job(), NOW_NS)
    database = sqlite3.connect(life.data / "keep" / "recordings.sqlite", isolation_level=None)
    assert database.execute("select name from jobs").fetchall() == [("r",)]
    database.execute("pragma user_version = 9")
    database.close()
    with pytest.raises(StorageError, match="expected format 1, got 9"):
        life.start(NOW_NS)


@pytest.mark.parametrize("seed", range(15))
def test_restarts_at_random_leave_runs_and_gaps_that_add_up_to_the_plan(life: Life, seed: int) -> None:
    """Every second of the plan is in a run that was seen or in a gap, and none of another time is."""
    chance = random.Random(seed)
    now_ns = NOW_NS
    jobs = life.start(now_ns)
    one = job(start="10:40", duration="20", iterations="3")
    jobs.create(one, now_ns)
    planned = [(one.plan.start_ns + k * DAY_NS, one.plan.start_ns + k * DAY_NS + 20 * MINUTE_NS) for k in range(3)]
    up: list[tuple[int, int]] = []
    while now_ns < planned[-1][1] + HOUR_NS:
        edge_ns = min((edge for run in planned for edge in run if edge > now_ns), default=now_ns + 2 * HOUR_NS)
        until_ns = chance.choice([edge_ns - 5 * MINUTE_NS, edge_ns + 7 * MINUTE_NS, edge_ns])
        until_ns = max(until_ns, now_ns + MINUTE_NS)
        life.pass_time(now_ns, until_ns, 2 * NS_PER_S if until_ns - now_ns < HOUR_NS else 30 * NS_PER_S)
        assert life.jobs is not None
        life.jobs.rest(until_ns)
        up.append((now_ns, until_ns))
        now_ns = until_ns + chance.randrange(1, 15) * MINUTE_NS
        jobs = life.start(now_ns)
    expected = sum(
        max(0, min(end, b) - max(begin, a)) for begin, end in planned for (_, a), (b, _) in itertools.pairwise(up)
    )
    missing = sum(gap.until_ns - gap.from_ns for gap in jobs.store.gaps("r"))
    assert abs(missing - expected) <= len(up) * 2 * LATE_NS
    for gap in jobs.store.gaps("r"):
        assert any(begin <= gap.from_ns <= gap.until_ns <= end for begin, end in planned)
