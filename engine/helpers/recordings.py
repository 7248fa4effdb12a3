"""The ``recordings`` helper: a script's own recording jobs.

What a script asks for is an entry in the keep journal, like a stream that it keeps: certain when the call returns, and
done by the recorder at its next pass. What is wrong with it is said at once, because it is read here first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from engine.clock import rfc3339
from engine.helpers.calls import CallRefused, helper
from engine.recording.job import Job, checked_name, read_job
from engine.recording.plan import NEVER_NS, next_run, over, run_at
from engine.recording.published import Reading

FORBIDDEN = ("destination", "withSecrets", "name", "kfl")
"""Properties that a script does not set by name: where recordings go, and whether keys go along, is the operator's."""


class Wishes(Protocol):
    """Where changes are kept (``Keeping``); durable when it returns."""

    def change(self, operation: str, by: str, given: Mapping[str, Any], at_ns: int) -> None:
        """Ask the recorder for a job, or for its end."""


class Recordings:
    """Jobs of one script."""

    def __init__(
        self,
        data: Path,
        script: str,
        wishes: Wishes,
        wall_ns: Callable[[], int],
        dialect: str = "auto",
        macros: Mapping[str, str] | None = None,
    ) -> None:
        """``dialect`` and ``macros``: of filters."""
        self._by, self._wishes, self._wall_ns = f"script {script}", wishes, wall_ns
        self._reading = Reading(data)
        self._read = partial(read_job, by=self._by, dialect=dialect, macros=macros)

    @helper("recordings.create", slow=True)
    def create(self, name: str, kfl: str, properties: dict[str, Any]) -> None:
        """Make a job, or leave it as it is where it is this one; another one of this script is replaced."""
        for key in properties:
            if key in FORBIDDEN:
                raise CallRefused("recordings.create", f"expected no {key!r}: that is configuration")
        given = {"name": name, "kfl": kfl, **{key: value for key, value in properties.items() if value is not None}}
        now_ns = self._wall_ns()
        job, _ = self._read(given, now_ns)
        self._reading.changed()
        there = {one.name: one for one in self._reading.now.jobs}.get(name)
        owner = self._reading.now.by.get(name, self._by)
        if owner != self._by:
            raise CallRefused("recordings.create", f"expected a name that is free, {name!r} was made by {owner}")
        if there is None or there.asked != job.asked or over(there.plan, now_ns):
            self._wishes.change("create", self._by, given, now_ns)

    @helper("recordings.stop", slow=True)
    def stop(self, name: str) -> None:
        """Keep no further streams in a job of this script."""
        checked_name("recordings.stop: name", name)
        self._reading.changed()
        if self._reading.now.by.get(name, self._by) != self._by:
            raise CallRefused("recordings.stop", f"expected a recording of this script, got {name!r}")
        self._wishes.change("stop", self._by, {"name": name}, self._wall_ns())

    @helper("recordings.list")
    def list(self) -> list[dict[str, Any]]:
        """Jobs of this script that are not over, as far as the recorder has heard of them."""
        self._reading.changed()
        now_ns = self._wall_ns()
        own = (job for job in self._reading.now.jobs if job.by == self._by)
        return [_row(job, now_ns) for job in own if not over(job.plan, now_ns)]


def _row(job: Job, now_ns: int) -> dict[str, Any]:
    run, following = run_at(job.plan, now_ns), next_run(job.plan, now_ns)
    return {
        "name": job.name,
        "kfl": job.kfl,
        "state": "recording" if run is not None else "scheduled",
        "ends": rfc3339(run.end_ns) if run is not None and run.end_ns != NEVER_NS else "",
        "next": rfc3339(following.begin_ns) if following is not None else "",
    }
