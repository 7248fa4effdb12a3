"""When a recording records: its start, the days it comes again, how long each time. Pure: times are arguments.

A day is 24 hours: the schedule is UTC, which knows no summer time.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from engine.clock import NS_PER_S

DAY_NS = 86_400 * NS_PER_S
NEVER_NS = 2**63 - 1
"""Later than anything: the end of what has none."""


class Plan(msgspec.Struct, frozen=True):
    """Run ``k`` begins ``k`` days after ``start_ns``."""

    start_ns: int
    iterations: int = 1
    """How many days; 0: every day for ever."""
    duration_ns: int = 0
    """Of a run; 0: until it is stopped, and then there is one run only. At most a day where there are several."""
    stopped_ns: int = NEVER_NS
    """When somebody stopped it: what lies behind is not recorded."""


class Run(NamedTuple):
    """``begin_ns <= t < end_ns``; the first has number 0."""

    number: int
    begin_ns: int
    end_ns: int


def run_at(plan: Plan, now_ns: int) -> Run | None:
    """The run that is on at this moment."""
    if not plan.start_ns <= now_ns < plan.stopped_ns:
        return None
    number = (now_ns - plan.start_ns) // DAY_NS if plan.duration_ns else 0
    if plan.iterations:
        number = min(number, plan.iterations - 1)
    run = run_of(plan, number)
    return run if now_ns < run.end_ns else None


def run_of(plan: Plan, number: int) -> Run:
    """The run with this number, whether or not the plan has so many."""
    begin_ns = plan.start_ns + number * DAY_NS
    end_ns = begin_ns + plan.duration_ns if plan.duration_ns else NEVER_NS
    return Run(number, begin_ns, min(end_ns, plan.stopped_ns))


def next_run(plan: Plan, now_ns: int) -> Run | None:
    """The first run that begins after this moment."""
    number = max((now_ns - plan.start_ns) // DAY_NS + 1, 0)
    last = plan.iterations - 1 if plan.duration_ns else 0
    run = run_of(plan, number)
    if (number > last and (plan.iterations or not plan.duration_ns)) or run.begin_ns >= plan.stopped_ns:
        return None
    return run


def next_change_ns(plan: Plan, now_ns: int) -> int:
    """When a run begins or ends next; ``NEVER_NS`` where nothing will."""
    current, following = run_at(plan, now_ns), next_run(plan, now_ns)
    ends = [] if current is None else [current.end_ns]
    begins = [] if following is None else [following.begin_ns]
    return min([*ends, *begins], default=NEVER_NS)


def over(plan: Plan, now_ns: int) -> bool:
    """No run is on and none will come."""
    return run_at(plan, now_ns) is None and next_run(plan, now_ns) is None


def runs_between(plan: Plan, after_ns: int, until_ns: int) -> list[Run]:
    """The runs that begin after the one moment and end before or at the other, a thousand at most."""
    found: list[Run] = []
    run = next_run(plan, after_ns)
    while run is not None and run.end_ns <= until_ns and len(found) < 1000:
        found.append(run)
        run = next_run(plan, run.begin_ns)
    return found
