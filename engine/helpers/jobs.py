"""The ``jobs`` helper: what a script may ask of its schedule. The functions to run stay in the host."""

from __future__ import annotations

from collections.abc import Callable

from engine.helpers.calls import helper
from engine.helpers.schedule import Schedule


class Jobs:
    """One host's part of its script's schedule."""

    def __init__(self, schedule: Schedule, host: int, wall_ns: Callable[[], int]) -> None:
        self._schedule, self._host, self._wall_ns = schedule, host, wall_ns

    @helper("jobs.schedule")
    def schedule(self, tag: str, cron: str, limit: int = 0) -> None:
        """Run ``tag`` by a cron spec with seconds, in UTC; ``limit`` runs at most, 0 without end."""
        self._schedule.schedule(self._host, tag, cron, limit, self._wall_ns())

    @helper("jobs.remove")
    def remove(self, tag: str) -> None:
        """Forget a job."""
        self._schedule.remove(self._host, tag)

    @helper("jobs.removeAll")
    def remove_all(self) -> None:
        """Forget all jobs."""
        for tag in self._schedule.jobs(self._host):
            self._schedule.remove(self._host, tag)

    @helper("jobs.list")
    def list(self) -> list[str]:
        """The tags."""
        return sorted(self._schedule.jobs(self._host))

    @helper("jobs.run")
    def run(self, tag: str) -> None:
        """Run a job now, as soon as no other job of this script runs; it counts as a run."""
        self._schedule.make_due(self._host, tag)

    @helper("jobs.runAll")
    def run_all(self) -> None:
        """Run all jobs now, one after the other."""
        for tag in self._schedule.jobs(self._host):
            self._schedule.make_due(self._host, tag)

    @helper("jobs.scheduler.isRunning")
    def is_running(self) -> bool:
        """Whether jobs are started by the clock."""
        return self._schedule.is_running(self._host)

    @helper("jobs.scheduler.start")
    def start(self) -> None:
        """Start jobs by the clock again."""
        self._schedule.start(self._host)

    @helper("jobs.scheduler.stop")
    def stop(self) -> None:
        """Start no job by the clock until ``start``; ``run`` works all the same."""
        self._schedule.stop(self._host)
