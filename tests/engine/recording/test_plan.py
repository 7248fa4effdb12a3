"""The arithmetic of schedules, against a slow twin that lists every run."""

from __future__ import annotations

import random

import pytest

from engine.clock import NS_PER_S
from engine.recording.plan import DAY_NS, NEVER_NS, Plan, Run, next_change_ns, next_run, over, run_at, runs_between

DAYS = 12
START_NS = 1_795_170_600 * NS_PER_S


def all_runs(plan: Plan) -> list[Run]:
    """Every run of the first days, one by one."""
    runs = []
    for number in range(DAYS):
        if number and (not plan.duration_ns or 0 < plan.iterations <= number):
            break
        begin_ns = plan.start_ns
        for _ in range(number):
            begin_ns += DAY_NS
        end_ns = min(begin_ns + plan.duration_ns if plan.duration_ns else NEVER_NS, plan.stopped_ns)
        if begin_ns < plan.stopped_ns:
            runs.append(Run(number, begin_ns, end_ns))
    return runs


def random_plan(chance: random.Random) -> Plan:
    duration_ns = chance.choice([0, 1, NS_PER_S, 3600 * NS_PER_S, DAY_NS - 1, DAY_NS])
    iterations = chance.choice([0, 1, 2, 7]) if duration_ns else 1
    stopped_ns = chance.choice([NEVER_NS, START_NS + chance.randrange(4 * DAY_NS)])
    return Plan(START_NS + chance.randrange(-DAY_NS, DAY_NS), iterations, duration_ns, stopped_ns)


def moments(plan: Plan, chance: random.Random) -> list[int]:
    """Around every edge, and anywhere."""
    edges = [edge for run in all_runs(plan) for edge in run[1:] if edge != NEVER_NS]
    near = [edge + step for edge in edges for step in (-1, 0, 1) if edge + step < START_NS + 8 * DAY_NS]
    return [*near, *(START_NS + chance.randrange(-2 * DAY_NS, 8 * DAY_NS) for _ in range(20))]


@pytest.mark.parametrize("seed", range(60))
def test_runs_are_those_of_the_list(seed: int) -> None:
    chance = random.Random(seed)
    plan = random_plan(chance)
    runs = all_runs(plan)
    for now_ns in moments(plan, chance):
        on = [run for run in runs if run.begin_ns <= now_ns < run.end_ns]
        to_come = [run for run in runs if run.begin_ns > now_ns]
        assert run_at(plan, now_ns) == (on[0] if on else None)
        assert next_run(plan, now_ns) == (to_come[0] if to_come else None)
        assert over(plan, now_ns) == (not on and not to_come)


@pytest.mark.parametrize("seed", range(60))
def test_nothing_changes_before_the_next_change(seed: int) -> None:
    chance = random.Random(seed)
    plan = random_plan(chance)
    for now_ns in moments(plan, chance):
        change_ns = next_change_ns(plan, now_ns)
        assert change_ns > now_ns
        last_ns = min(change_ns - 1, now_ns + 9 * DAY_NS)
        for later_ns in (last_ns, chance.randint(now_ns, last_ns)):
            assert run_at(plan, later_ns) == run_at(plan, now_ns)
        if change_ns != NEVER_NS:
            assert run_at(plan, change_ns) != run_at(plan, change_ns - 1)


@pytest.mark.parametrize("seed", range(20))
def test_runs_between_two_moments_are_those_of_the_list(seed: int) -> None:
    chance = random.Random(seed)
    plan = random_plan(chance)
    after_ns, until_ns = sorted(START_NS + chance.randrange(-DAY_NS, 8 * DAY_NS) for _ in range(2))
    wanted = [run for run in all_runs(plan) if run.begin_ns > after_ns and run.end_ns <= until_ns]
    assert runs_between(plan, after_ns, until_ns) == wanted


def test_days_that_touch_are_runs_of_their_own() -> None:
    plan = Plan(0, 0, DAY_NS)
    assert run_at(plan, DAY_NS - 1) == Run(0, 0, DAY_NS)
    assert run_at(plan, DAY_NS) == Run(1, DAY_NS, 2 * DAY_NS)
    assert next_change_ns(plan, 5) == DAY_NS
