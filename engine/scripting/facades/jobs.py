"""``jobs``: functions of a script that run by the clock, between its hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from engine.scripting.calls import Calls, HelperError
from engine.scripting.facades.facade import Facade, Remote, fill


class Task(NamedTuple):
    """What a tag stands for."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    cron: str
    limit: int


class Scheduler(Remote):
    """The clock of this script's jobs."""

    __slots__ = ()

    def isRunning(self) -> Any:
        """Whether jobs are started by the clock."""
        return self._calls.call("jobs.scheduler.isRunning")

    def start(self) -> Any:
        """Start jobs by the clock again."""
        return self._calls.call("jobs.scheduler.start")

    def stop(self) -> Any:
        """Start no job by the clock until ``start``; ``jobs.run`` works all the same."""
        return self._calls.call("jobs.scheduler.stop")


class Jobs(Facade):
    """The function stays here; the broker has the schedule and asks for a run by tag."""

    __slots__ = ("_calls", "_tasks", "scheduler")

    _calls: Calls
    _tasks: dict[str, Task]
    scheduler: Scheduler

    def __init__(self, calls: Calls, tasks: dict[str, Task]) -> None:
        fill(self, _calls=calls, _tasks=tasks, scheduler=Scheduler(calls))

    def schedule(self, tag: str, cron: str, task: Callable[..., Any], limit: int = 0, *arguments: Any) -> None:
        """Run ``task(*arguments)`` by ``cron``: second, minute, hour, day, month, weekday; UTC.

        ``limit`` runs, 0 for no end. The same tag again takes the place of the first; tags are the script's own.
        """
        if not callable(task):
            raise HelperError(f"jobs.schedule: expected a function to run, got {type(task).__name__}")
        self._calls.call("jobs.schedule", tag, cron, limit)
        self._tasks[tag] = Task(task, arguments, cron, limit)

    def remove(self, tag: str) -> Any:
        """Forget the job ``tag``."""
        answer = self._calls.call("jobs.remove", tag)
        self._tasks.pop(tag, None)
        return answer

    def removeAll(self) -> Any:
        """Forget every job of this script."""
        answer = self._calls.call("jobs.removeAll")
        self._tasks.clear()
        return answer

    def list(self) -> Any:
        """The tags of this script's jobs."""
        return self._calls.call("jobs.list")

    def run(self, tag: str) -> Any:
        """Run the job ``tag`` once, soon: after the running hook or job."""
        return self._calls.call("jobs.run", tag)

    def runAll(self) -> Any:
        """Run every job of this script once, soon."""
        return self._calls.call("jobs.runAll")
