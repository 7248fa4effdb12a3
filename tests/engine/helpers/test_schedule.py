"""Jobs of a script: when they are due, how often they run, and what a restart remembers."""

from __future__ import annotations

import random
import zoneinfo
from pathlib import Path

import msgspec
import pytest

from engine.cron import CronError, next_after
from engine.helpers.schedule import MAX_JOBS, JobRefused, Schedule

S = 1_000_000_000
NOON = 1_795_176_000 * S
EVERY_5_S = "*/5 * * * * *"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def attached(home: Path, host: int = 1, *, taken_over: bool = False) -> Schedule:
    schedule = Schedule(home)
    schedule.attach(host, taken_over=taken_over)
    return schedule


def run_once(schedule: Schedule, host: int, now_ns: int) -> str | None:
    tag = schedule.due(host, now_ns)
    if tag is not None:
        schedule.begin(host, tag, now_ns)
        schedule.end(host)
    return tag


def test_a_job_is_due_when_its_spec_says(home: Path) -> None:
    schedule = attached(home)
    schedule.schedule(1, "a", EVERY_5_S, 0, NOON + S)
    assert schedule.due(1, NOON + 4 * S) is None
    assert schedule.due(1, NOON + 5 * S) == "a"


def test_missed_runs_are_coalesced_into_one(home: Path) -> None:
    schedule = attached(home)
    schedule.schedule(1, "a", EVERY_5_S, 0, NOON)
    assert run_once(schedule, 1, NOON + 3600 * S + S) == "a"
    assert run_once(schedule, 1, NOON + 3600 * S + S) is None
    assert run_once(schedule, 1, NOON + 3600 * S + 5 * S) == "a"


def test_the_job_that_waits_longest_goes_first(home: Path) -> None:
    schedule = attached(home)
    schedule.schedule(1, "late", "10 * * * * *", 0, NOON)
    schedule.schedule(1, "early", "5 * * * * *", 0, NOON)
    assert [run_once(schedule, 1, NOON + 20 * S) for _ in range(3)] == ["early", "late", None]


def test_a_limit_is_a_limit(home: Path) -> None:
    schedule = attached(home)
    schedule.schedule(1, "a", EVERY_5_S, 2, NOON)
    assert [run_once(schedule, 1, NOON + n * 5 * S) for n in (1, 2, 3)] == ["a", "a", None]
    assert schedule.jobs(1) == {}


def test_a_job_that_is_over_can_be_scheduled_again_by_the_same_host(home: Path) -> None:
    schedule = attached(home)
    for _ in range(2):
        schedule.schedule(1, "once", EVERY_5_S, 1, NOON)
        assert run_once(schedule, 1, NOON + 5 * S) == "once"


def test_a_limit_counts_on_after_a_restart(home: Path) -> None:
    schedule = attached(home, 1)
    schedule.schedule(1, "a", EVERY_5_S, 3, NOON)
    run_once(schedule, 1, NOON + 5 * S)
    again = attached(home, 1)
    again.schedule(1, "a", EVERY_5_S, 3, NOON + 60 * S)
    assert again.job(1, "a").runs == 1
    assert [run_once(again, 1, NOON + 65 * S + n * 5 * S) for n in range(3)] == ["a", "a", None]
    last = attached(home, 1)
    last.schedule(1, "a", EVERY_5_S, 3, NOON + 90 * S)
    assert run_once(last, 1, NOON + 99 * S) is None


def test_a_run_missed_while_nobody_was_there_happens_once(home: Path) -> None:
    schedule = attached(home, 1)
    schedule.schedule(1, "daily", "0 0 3 * * *", 0, NOON)
    again = attached(home, 7)
    again.schedule(7, "daily", "0 0 3 * * *", 0, NOON + 3 * 86_400 * S)
    assert run_once(again, 7, NOON + 3 * 86_400 * S) == "daily"
    assert run_once(again, 7, NOON + 3 * 86_400 * S) is None


@pytest.mark.parametrize(("cron", "limit"), [("*/7 * * * * *", 3), (EVERY_5_S, 4)])
def test_another_spec_or_limit_is_another_job(home: Path, cron: str, limit: int) -> None:
    schedule = attached(home)
    schedule.schedule(1, "a", EVERY_5_S, 3, NOON)
    run_once(schedule, 1, NOON + 5 * S)
    schedule.schedule(1, "a", cron, limit, NOON + 6 * S)
    assert schedule.job(1, "a").runs == 0


def test_the_old_host_keeps_its_jobs_until_the_new_one_is_ready(home: Path) -> None:
    schedule = attached(home, 1)
    schedule.schedule(1, "a", EVERY_5_S, 9, NOON)
    schedule.attach(2, taken_over=False)
    schedule.schedule(2, "a", "0 0 0 * * *", 9, NOON)
    assert schedule.job(1, "a").cron == EVERY_5_S
    schedule.detach(2)
    assert run_once(schedule, 1, NOON + 5 * S) == "a"


def test_a_host_that_takes_over_goes_on_with_the_counts_of_that_moment(home: Path) -> None:
    schedule = attached(home, 1)
    schedule.schedule(1, "a", EVERY_5_S, 9, NOON)
    schedule.attach(2, taken_over=False)
    schedule.schedule(2, "a", EVERY_5_S, 9, NOON)
    run_once(schedule, 1, NOON + 5 * S)
    schedule.activate(2, before=1)
    schedule.detach(1)
    assert schedule.job(2, "a").runs == 1


def test_a_removed_job_is_forgotten(home: Path) -> None:
    schedule = attached(home)
    schedule.schedule(1, "a", EVERY_5_S, 3, NOON)
    run_once(schedule, 1, NOON + 5 * S)
    schedule.remove(1, "a")
    with pytest.raises(JobRefused, match="job 'a': expected one of"):
        schedule.remove(1, "a")
    schedule.schedule(1, "a", EVERY_5_S, 3, NOON)
    assert schedule.job(1, "a").runs == 0


def test_a_stopped_scheduler_runs_only_what_it_is_told_to(home: Path) -> None:
    schedule = attached(home)
    schedule.schedule(1, "a", EVERY_5_S, 0, NOON)
    schedule.stop(1)
    assert schedule.due(1, NOON + 60 * S) is None
    schedule.make_due(1, "a")
    assert run_once(schedule, 1, NOON) == "a"
    schedule.start(1)
    assert schedule.due(1, NOON + 60 * S) == "a"


def test_a_successor_of_the_broker_knows_the_run_and_who_was_ready(home: Path) -> None:
    schedule = attached(home, 4)
    schedule.schedule(4, "a", EVERY_5_S, 0, NOON)
    schedule.activate(4, None)
    run = schedule.begin(4, "a", NOON + 5 * S)
    again = Schedule(home)
    assert again.attach(4, taken_over=True) == run
    assert again.was_ready(4)
    assert again.jobs(4) == schedule.jobs(4)
    again.end(4)
    assert Schedule(home).attach(4, taken_over=True) is None


def test_hosts_of_an_earlier_instance_are_gone(home: Path) -> None:
    schedule = attached(home, 1)
    schedule.schedule(1, "a", EVERY_5_S, 0, NOON)
    schedule.activate(1, None)
    schedule.begin(1, "a", NOON)
    again = attached(home, 1)
    assert again.jobs(1) == {}
    assert not again.was_ready(1)


def test_a_damaged_file_is_set_aside_and_said(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    (home / "jobs.json").write_text('{"last_run": "no"')
    schedule = attached(home)
    schedule.schedule(1, "a", EVERY_5_S, 0, NOON)
    assert (home / "jobs.damaged").read_text() == '{"last_run": "no"'
    assert "jobs_unreadable" in caplog.text
    assert "a" in msgspec.json.decode((home / "jobs.json").read_bytes())["hosts"]["1"]


def test_jobs_go_on_when_nothing_can_be_written(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    schedule = attached(home)
    (home / ".jobs.json").mkdir()
    schedule.schedule(1, "a", EVERY_5_S, 0, NOON)
    assert run_once(schedule, 1, NOON + 5 * S) == "a"
    assert caplog.text.count("jobs_not_saved") == 1
    (home / ".jobs.json").rmdir()
    schedule.schedule(1, "b", EVERY_5_S, 0, NOON)
    assert Schedule(home).attach(1, taken_over=True) is None
    assert sorted(Schedule(home).jobs(1)) == ["a", "b"]


@pytest.mark.parametrize(
    ("tag", "cron", "limit", "error"),
    [
        ("", EVERY_5_S, 0, JobRefused),
        ("x" * 129, EVERY_5_S, 0, JobRefused),
        ("a", EVERY_5_S, -1, JobRefused),
        ("a", EVERY_5_S, 1 << 60, JobRefused),
        ("a", "* * * * *", 0, CronError),
        ("a", "0 0 0 31 2 *", 0, CronError),
    ],
)
def test_a_job_that_cannot_be_is_refused(home: Path, tag: str, cron: str, limit: int, error: type[Exception]) -> None:
    schedule = attached(home)
    with pytest.raises(error):
        schedule.schedule(1, tag, cron, limit, NOON)
    assert schedule.jobs(1) == {}


def test_there_is_an_end_to_the_number_of_jobs(home: Path) -> None:
    schedule = attached(home)
    for number in range(MAX_JOBS):
        schedule.schedule(1, f"job {number}", EVERY_5_S, 0, NOON)
    with pytest.raises(JobRefused, match="at most 128 jobs"):
        schedule.schedule(1, "one more", EVERY_5_S, 0, NOON)
    schedule.schedule(1, "job 0", "*/7 * * * * *", 0, NOON)


@pytest.mark.parametrize("seed", range(20))
def test_runs_are_those_of_an_obvious_model_wherever_the_broker_dies(home: Path, seed: int) -> None:
    rng = random.Random(seed)
    specs = {"a": EVERY_5_S, "b": "*/7 * * * * *", "c": "0,30 * * * * *"}
    limits = {tag: rng.choice([0, 0, 5, 12]) for tag in specs}
    schedule = attached(home, 3)
    for tag, cron in specs.items():
        schedule.schedule(3, tag, cron, limits[tag], NOON)
    due = {tag: next_after(cron, NOON) for tag, cron in specs.items()}
    counts = dict.fromkeys(specs, 0)
    now = NOON
    for _ in range(200):
        now += rng.randrange(4 * S)
        if rng.random() < 0.1:
            schedule = attached(home, 3, taken_over=True)
        ready = [tag for tag in specs if due[tag] <= now and not 0 < limits[tag] <= counts[tag]]
        ran = run_once(schedule, 3, now)
        assert ran == min(ready, key=lambda tag: (due[tag], tag), default=None)
        if ran is not None:
            counts[ran] += 1
            due[ran] = next_after(specs[ran], now)


def test_jobs_follow_the_clock_of_the_zone(tmp_path: Path) -> None:
    schedule = Schedule(tmp_path, zoneinfo.ZoneInfo("Asia/Kathmandu"))  # five hours and three quarters ahead
    schedule.attach(1, taken_over=False)
    schedule.schedule(1, "daily", "0 0 18 * * *", 0, NOON)
    assert schedule.job(1, "daily").due_ns == NOON + 15 * 60 * S
    schedule.begin(1, "daily", NOON + 15 * 60 * S)
    assert schedule.job(1, "daily").due_ns == NOON + (24 * 3600 + 15 * 60) * S
