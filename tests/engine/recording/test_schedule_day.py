"""A day with fifty jobs: every process that follows the plans, on one clock that the test winds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.clock import NS_PER_S
from engine.counters import Counters
from engine.recording.job import Job, read_job, stopped
from engine.recording.jobs import Jobs
from engine.recording.matching import Matching

MIDNIGHT_NS = 1_795_132_800 * NS_PER_S  # 2026-11-20 00:00 UTC
DAY_S = 86_400
PASS_NS = NS_PER_S // 2
"""Between two passes of the recorder; a worker looks ten times as often."""
JOBS = 50


def fifty(chance: random.Random) -> list[Job]:
    jobs = []
    for number in range(JOBS):
        second = chance.randrange(DAY_S)
        start = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        duration = chance.choice([f"{chance.randrange(2, 90)}s", f"{chance.randrange(1, 300)}", "23h", "24h", ""])
        iterations = chance.choice(["0", "1", "2"]) if duration else "1"
        given = {"name": f"job-{number}", "kfl": chance.choice(["", "http", "dns"]), "start": start}
        given |= {"duration": duration, "iterations": iterations}
        jobs.append(read_job(given, MIDNIGHT_NS, "").job)
    return jobs


def planned(job: Job) -> set[int]:
    """The seconds of the day in which it records, one by one."""
    begin, duration = job.plan.start_ns // NS_PER_S, job.plan.duration_ns // NS_PER_S
    days = range(1 if job.plan.iterations == 1 or not duration else 2)
    seconds: set[int] = set()
    for day in days:
        first = begin - MIDNIGHT_NS // NS_PER_S + day * DAY_S
        last = first + duration if duration else DAY_S
        seconds.update(range(max(first, 0), min(last, DAY_S)))
    return seconds


@pytest.mark.slow
def test_fifty_jobs_keep_their_schedule_to_the_second_for_a_day(tmp_path: Path) -> None:
    """What a worker keeps, and what the recorder writes down, is the plan: no second more, none less."""
    chance = random.Random(7)
    (tmp_path / "keep").mkdir()
    jobs = Jobs(tmp_path, "run", MIDNIGHT_NS, lambda *_: None)
    wanted = fifty(chance)
    for job in wanted:
        jobs.create(job, MIDNIGHT_NS)
    worker = Matching(tmp_path, "worker-0.log", Counters())
    victim = next(job for job in wanted if not job.plan.duration_ns)
    stop_second = victim.plan.start_ns // NS_PER_S - MIDNIGHT_NS // NS_PER_S + 600
    seen: dict[str, list[int]] = {job.name: [] for job in wanted}
    for second in range(DAY_S):
        now_ns = MIDNIGHT_NS + second * NS_PER_S
        if second == stop_second:
            jobs.stop(victim.name, now_ns)
        worker.refresh(now_ns)
        for name in worker.names:
            seen[name].append(second)
        for late in range(2):
            jobs.step(now_ns + late * PASS_NS)
    jobs.close()
    for job in wanted:
        expected = planned(job)
        if job is victim:
            expected = {second for second in expected if second < stop_second}
        assert set(seen[job.name]) == expected, job


@pytest.mark.slow
def test_what_is_written_down_of_a_day_is_the_plan_to_the_second(tmp_path: Path) -> None:
    (tmp_path / "keep").mkdir()
    told: list[str] = []
    jobs = Jobs(tmp_path, "run", MIDNIGHT_NS, lambda _, text: told.append(text))
    wanted = fifty(random.Random(8))
    for job in wanted:
        jobs.create(job, MIDNIGHT_NS)
    for step in range(2 * DAY_S):
        jobs.step(MIDNIGHT_NS + step * PASS_NS)
    end_ns = MIDNIGHT_NS + DAY_S * NS_PER_S
    for job in wanted:
        written: set[int] = set()
        for run in jobs.store.runs(job.name):
            first, last = run.began_ns - MIDNIGHT_NS, (run.ended_ns or end_ns) - MIDNIGHT_NS
            assert first % NS_PER_S == last % NS_PER_S == 0
            written.update(range(first // NS_PER_S, last // NS_PER_S))
        assert written == planned(job), job
        assert jobs.store.gaps(job.name) == []
    assert not any("Failed" in text for text in told)
    jobs.close()
    assert stopped(wanted[0], end_ns).plan.stopped_ns == end_ns
