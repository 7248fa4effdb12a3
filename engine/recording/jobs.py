"""All recording jobs of a data folder and what becomes of them as time passes. Owned by the recorder.

``step`` is called with the time, as often as somebody likes: what begins or ends between two calls begins or ends at
the moment of the plan all the same, because the worker keeps by the plan. Here it is said, and written down.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine import kfl
from engine.clock import NS_PER_S, rfc3339
from engine.errors import KflError, RemoraError
from engine.kfl.recordings import in_order
from engine.recording.job import Job, stopped
from engine.recording.jobstore import Gap, JobStore, RunRow
from engine.recording.plan import NEVER_NS, next_change_ns, over, run_at, runs_between
from engine.recording.published import Published, publish

LATE_NS = 2 * NS_PER_S
"""What is missing of a run counts as a gap from here on."""
SEEN_NS = 5 * NS_PER_S
"""How often it is written down that a run is on: what a crash makes of it is a gap so much too long at most."""
MAX_JOBS = 1000
Notice = Callable[[str, str], None]
"""``(level, text)``: something the operator is told."""


class JobRefused(RemoraError):
    """A recording job that cannot be made, or is not there."""

    def __init__(self, name: str, expected: str, hint: str = "") -> None:
        super().__init__(f"recording {name!r}: {expected}" + (f"; {hint}" if hint else ""))


class Jobs:
    """Times are wall clock, nanoseconds."""

    def __init__(self, data: Path, run_id: str, now_ns: int, notice: Notice) -> None:
        """Open the store, and say what was missed while nobody looked.

        Args:
            data: the data folder.
            run_id: of the instance that records what is due; empty: none runs.
            now_ns: wall clock.
            notice: told what begins, ends and was missed.

        Raises:
            StorageError: the store cannot be opened.
        """
        self._data, self._notice, self._runs = data, notice, bool(run_id)
        self.store = JobStore(data)
        self._since_ns = self.store.since(run_id, now_ns) if run_id else NEVER_NS
        """Since when everything that is due is recorded."""
        self._jobs = self.store.jobs()
        self._on: dict[str, RunRow] = {}
        self._checked_ns: dict[str, int] = {}
        """Up to when each job's plan was followed."""
        self._due_ns = self._seen_ns = 0
        for name, job in self._jobs.items():
            rows = self.store.runs(name)
            missed = [gap.from_ns for gap in self.store.gaps(name) if gap.why == "missed run"]
            self._checked_ns[name] = max([job.created_ns - 1, *(row.begin_ns for row in rows), *missed])
            if rows and not rows[-1].ended_ns:
                self._on[name] = rows[-1]
                self._resume(job, rows[-1], now_ns)
        self.step(now_ns)
        self._publish()

    def __contains__(self, name: object) -> bool:
        return name in self._jobs

    @property
    def all(self) -> list[Job]:
        """Every job, oldest first."""
        return list(self._jobs.values())

    def job(self, name: str) -> Job:
        """One of them.

        Raises:
            JobRefused: there is none.
        """
        if name not in self._jobs:
            some = ", ".join(list(self._jobs)[-5:]) or "none is there"
            raise JobRefused(name, f"expected the name of a recording job ({some})", "remora recordings list shows all")
        return self._jobs[name]

    # -- changes -------------------------------------------------------------------------------------------------------

    def create(self, job: Job, now_ns: int) -> None:
        """Add a job; the same one again changes nothing.

        Raises:
            JobRefused: the name is taken, or there are too many.
            KflError: recordings would ask about each other in a circle.
        """
        known = self._jobs.get(job.name)
        if known is not None and (known.by, known.created_ns, known.asked) == (job.by, job.created_ns, job.asked):
            return
        if known is not None:
            hint = f"choose another, or: remora recordings delete {job.name}"
            raise JobRefused(job.name, f"expected a name that is free, it was made by {known.by or 'somebody'}", hint)
        if len(self._jobs) >= MAX_JOBS:
            raise JobRefused(job.name, f"expected at most {MAX_JOBS} jobs", "delete some that are over")
        in_order({name: other.compiled for name, other in [*self._jobs.items(), (job.name, job)]})
        self._put(job)
        self._checked_ns[job.name] = job.created_ns - 1
        self._changed(now_ns)

    def replace(self, job: Job, now_ns: int) -> None:
        """Put a job in the place of the one of its name, whose runs are over.

        Raises:
            KflError: recordings would ask about each other in a circle.
        """
        in_order({other.name: other.compiled for other in (*self._jobs.values(), job)})
        if job.name in self._on:
            self._put(stopped(self._jobs[job.name], now_ns))
            self._follow(self._jobs[job.name], now_ns)
        self._put(job)
        self._checked_ns[job.name] = job.created_ns - 1
        self._changed(now_ns)

    def stop(self, name: str, now_ns: int) -> bool:
        """Keep no further streams and begin no further run; whether it was not over before.

        Raises:
            JobRefused: there is none.
        """
        job = self.job(name)
        if over(job.plan, now_ns):
            return False
        self._put(stopped(job, now_ns))
        self._changed(now_ns)
        return True

    def delete(self, name: str, now_ns: int) -> None:
        """Forget a job and its runs.

        Raises:
            JobRefused: there is none.
        """
        self.job(name)
        self.store.delete(name, now_ns)
        for known in (self._jobs, self._on, self._checked_ns):
            known.pop(name, None)
        self._changed(now_ns)

    def _put(self, job: Job) -> None:
        self.store.put(job)
        self._jobs[job.name] = job

    def _changed(self, now_ns: int) -> None:
        self._due_ns = 0
        self.step(now_ns)
        self._publish()

    def _publish(self) -> None:
        """Jobs that are over by now are told as well, for a moment: who is late reads their last run."""
        alive = [job for job in self._jobs.values() if not over(job.plan, self._seen_ns) and self._readable(job)]
        publish(self._data, Published(_ordered(alive), {job.name: job.by for job in self._jobs.values()}))

    def _readable(self, job: Job) -> bool:
        try:
            job.compiled  # noqa: B018 # compiled, or not
        except KflError as error:
            self._notice("error", f"Failed recording ({job.name}) Error: its filter cannot be read: {error.reason}")
            return False
        return True

    # -- time ----------------------------------------------------------------------------------------------------------

    def step(self, now_ns: int) -> None:
        """Say and write down what has begun and ended by now; costs nothing as long as nothing has.

        Raises:
            StorageError: not written down; call again.
        """
        if not self._runs:
            self._seen_ns = now_ns
            return
        if now_ns >= self._due_ns or now_ns < self._seen_ns - LATE_NS:  # the clock may be set back
            for job in list(self._jobs.values()):
                self._follow(job, now_ns)
            self._due_ns = min((next_change_ns(job.plan, now_ns) for job in self._jobs.values()), default=NEVER_NS)
            self._seen_ns = 0
        if abs(now_ns - self._seen_ns) >= SEEN_NS:
            self._see(now_ns)

    def _see(self, now_ns: int) -> None:
        """Write down that what is on is on."""
        self._seen_ns = now_ns
        self._on = {name: row._replace(seen_ns=max(now_ns, row.seen_ns)) for name, row in self._on.items()}
        if self._on:
            self.store.put_runs(self._on.items())

    def rest(self, now_ns: int) -> None:
        """The instance ends: what is missing until the next one counts from now."""
        if self._runs:
            self._see(now_ns)

    def _follow(self, job: Job, now_ns: int) -> None:
        """One job: the end of its run, runs that nobody saw, the begin of the next."""
        on, run = self._on.get(job.name), run_at(job.plan, now_ns)
        if on is not None and (run is None or run.begin_ns != on.begin_ns) and now_ns >= on.began_ns:
            self._end(job, on, now_ns)
        for passed in runs_between(job.plan, self._checked_ns[job.name], now_ns):
            self._passed(job, passed.begin_ns, passed.end_ns)
        if run is not None and run.begin_ns > self._checked_ns[job.name]:
            self._begin(job, run.begin_ns, now_ns)
            self._checked_ns[job.name] = run.begin_ns

    def _begin(self, job: Job, begin_ns: int, now_ns: int) -> None:
        row = self._on[job.name] = RunRow(begin_ns, max(self._since_ns, begin_ns, job.created_ns), now_ns, 0)
        self.store.put_run(job.name, row)
        run = run_at(job.plan, now_ns)
        until = f"until {_clock(run.end_ns)}" if run and run.end_ns != NEVER_NS else "until it is stopped"
        self._notice("log", f"Recording ({job.name}) started, {until}: {job.kfl or 'every stream'}")
        if self._since_ns - begin_ns > LATE_NS:
            self._gap(job.name, Gap(begin_ns, self._since_ns, "missed start"), "its start was missed")

    def _end(self, job: Job, row: RunRow, now_ns: int) -> None:
        """It may have ended by the plan some time ago, while nobody looked."""
        planned = run_at(job.plan, row.begin_ns)
        end_ns = min(planned.end_ns if planned else job.plan.stopped_ns, now_ns)
        if min(end_ns, self._since_ns) - row.seen_ns > LATE_NS:
            gap = Gap(row.seen_ns, min(end_ns, self._since_ns), "no instance")
            self._gap(job.name, gap, "nothing ran to its end")
        self.store.put_run(job.name, row._replace(ended_ns=max(end_ns, row.began_ns)))
        del self._on[job.name]
        lasted = "its streams are followed to their end"
        self._notice("log", f"Recording ({job.name}) ended at {_clock(end_ns)}; {lasted}")

    def _resume(self, job: Job, row: RunRow, now_ns: int) -> None:
        """A run that an earlier process began."""
        run = run_at(job.plan, now_ns)
        if run is None or run.begin_ns != row.begin_ns:
            return  # over meanwhile
        if self._runs and self._since_ns - row.seen_ns > LATE_NS:
            self._gap(job.name, Gap(row.seen_ns, self._since_ns, "no instance"), "nothing ran for a while")
            self._on[job.name] = row._replace(seen_ns=now_ns)
            until = f"until {_clock(run.end_ns)}" if run.end_ns != NEVER_NS else "until it is stopped"
            self._notice("log", f"Recording ({job.name}) goes on {until}")

    def _passed(self, job: Job, begin_ns: int, end_ns: int) -> None:
        """A run of which we saw neither begin nor end: we were busy, or nothing ran."""
        self._checked_ns[job.name] = begin_ns
        if end_ns <= self._since_ns:
            self._gap(job.name, Gap(begin_ns, end_ns, "missed run"), "a whole run was missed")
        else:
            self._begin(job, begin_ns, end_ns - 1)
            self._end(job, self._on[job.name], end_ns)

    def _gap(self, name: str, gap: Gap, what: str) -> None:
        self.store.put_gap(name, gap)
        lost = f"{what}: nothing was recorded from {_clock(gap.from_ns)} to {_clock(gap.until_ns)}"
        self._notice("error", f"Failed recording ({name}) Error: {lost}")

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def _ordered(jobs: list[Job]) -> list[Job]:
    """Each behind those that its filter asks about."""
    by_name = {job.name: job for job in jobs}
    filters: dict[str, kfl.Filter] = {job.name: job.compiled for job in jobs}
    return [by_name[name] for name in in_order(filters)]


def _clock(timestamp_ns: int) -> str:
    return rfc3339(timestamp_ns)[:19] + "Z"
