"""The jobs of one script, on disk: ``<data>/scripts/<script>/jobs.json``, written whole after each change.

Jobs belong to the host that scheduled them, because the function to run lives there; a successor that schedules the
same tag with the same spec and limit goes on where its predecessor stopped. A run is counted before it begins, so that
a job which kills its host does not run for ever.
"""

from __future__ import annotations

import datetime
import logging
from pathlib import Path

import msgspec

from engine.cron import next_after
from engine.errors import ScriptError

MAX_JOBS = 128
MAX_TAG_CHARACTERS = 128
NOW = 0
"""``due_ns`` of a job that somebody asked to run at once."""

_log = logging.getLogger(__name__)


class JobRefused(ScriptError):
    """A job that cannot be scheduled or is not there."""

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(f"job {tag[:MAX_TAG_CHARACTERS]!r}: {reason}")


class Job(msgspec.Struct):
    """One tag of one host."""

    cron: str
    limit: int
    """Runs after which it is over; 0: never."""
    due_ns: int
    """Wall clock of the next run, or ``NOW``."""
    runs: int = 0

    @property
    def over(self) -> bool:
        """Whether its limit is reached."""
        return 0 < self.limit <= self.runs


class Run(msgspec.Struct):
    """A run that was sent to a host."""

    run: int
    tag: str


class _State(msgspec.Struct):
    last_run: int = 0
    hosts: dict[str, dict[str, Job]] = {}
    """By host number, as text because JSON has no other keys."""
    past: dict[str, Job] = {}
    """What hosts that are gone had, by tag."""
    running: dict[str, Run] = {}
    ready: list[str] = []
    """Hosts that were loaded; says a successor of ours which hosts can run jobs."""


class Schedule:
    """All jobs of one script. Times are wall clock, nanoseconds since the epoch."""

    def __init__(self, home: Path, zone: datetime.tzinfo = datetime.UTC) -> None:
        """``home`` is ``<data>/scripts/<script>``; cron specs mean the clock of ``zone``."""
        self._path, self._hidden = home / "jobs.json", home / ".jobs.json"
        self._state, self._zone = _load(self._path), zone
        self._attached: set[str] = set()
        self._stopped: set[str] = set()
        self._unsaved = False

    # -- hosts ---------------------------------------------------------------------------------------------------------

    def attach(self, host: int, *, taken_over: bool) -> Run | None:
        """A host of this script is there; the run it was at, if it was there before us."""
        key = str(host)
        self._attached.add(key)
        if taken_over:
            self._state.hosts.setdefault(key, {})
            return self._state.running.get(key)
        for gone in set(self._state.hosts) - (self._attached - {key}):
            self._retire(gone)
        self._state.hosts[key] = {}
        self._save()
        return None

    def detach(self, host: int) -> None:
        """The host is gone; its counts stay for a successor."""
        self._attached.discard(str(host))
        self._stopped.discard(str(host))
        self._retire(str(host))
        self._save()

    def _retire(self, key: str) -> None:
        self._state.past.update(self._state.hosts.pop(key, {}))
        self._state.running.pop(key, None)
        self._state.ready = [other for other in self._state.ready if other != key]
        for tag in list(self._state.past)[: -8 * MAX_JOBS]:
            del self._state.past[tag]

    def activate(self, host: int, before: int | None) -> None:
        """``host`` was loaded and takes over from ``before``, if that is still there, with the counts of now."""
        mine = self._state.hosts[str(host)]
        if str(host) not in self._state.ready:
            self._state.ready.append(str(host))
        for tag, job in self._state.hosts.get(str(before), {}).items():
            if tag in mine and (mine[tag].cron, mine[tag].limit) == (job.cron, job.limit):
                mine[tag].runs = max(mine[tag].runs, job.runs)
        self._save()

    def was_ready(self, host: int) -> bool:
        """Whether the host was loaded, as far as a predecessor of ours knew."""
        return str(host) in self._state.ready

    # -- what scripts ask for ------------------------------------------------------------------------------------------

    def schedule(self, host: int, tag: str, cron: str, limit: int, now_ns: int) -> None:
        """Add a job, or change it.

        Raises:
            CronError, JobRefused: it cannot be.
        """
        jobs = self._state.hosts[str(host)]
        if not 0 < len(tag) <= MAX_TAG_CHARACTERS or not 0 <= limit < 1 << 53:
            reason = f"expected a tag of 1 to {MAX_TAG_CHARACTERS} characters and a limit of at least 0"
            raise JobRefused(tag, f"{reason}, got {len(tag)} characters and {limit}")
        if tag not in jobs and len(jobs) >= MAX_JOBS:
            raise JobRefused(tag, f"expected at most {MAX_JOBS} jobs, remove one first")
        fresh = Job(cron, limit, next_after(cron, now_ns, self._zone))
        known = jobs.get(tag) or self._predecessor(str(host), tag)
        same = known is not None and (known.cron, known.limit) == (cron, limit)
        if known is not None and same and not (tag in jobs and known.over):
            fresh.runs = known.runs
            fresh.due_ns = min(fresh.due_ns, known.due_ns)  # missed while nobody was there: once, at once
        jobs[tag] = fresh
        self._save()

    def _predecessor(self, key: str, tag: str) -> Job | None:
        """The job of this tag that a host before this one had."""
        for host in sorted((int(other) for other in self._state.hosts if int(other) < int(key)), reverse=True):
            if tag in self._state.hosts[str(host)]:
                return self._state.hosts[str(host)][tag]
        return self._state.past.get(tag)

    def remove(self, host: int, tag: str) -> None:
        """Forget a job and how often it ran.

        Raises:
            JobRefused: there is none.
        """
        self.job(host, tag)
        del self._state.hosts[str(host)][tag]
        self._state.past.pop(tag, None)
        self._save()

    def jobs(self, host: int) -> dict[str, Job]:
        """The jobs of a host that are not over, by tag."""
        return {tag: job for tag, job in self._state.hosts[str(host)].items() if not job.over}

    def job(self, host: int, tag: str) -> Job:
        """One of them.

        Raises:
            JobRefused: there is none.
        """
        jobs = self.jobs(host)
        if tag not in jobs:
            raise JobRefused(tag, f"expected one of {sorted(jobs)[:10]}")
        return jobs[tag]

    def make_due(self, host: int, tag: str) -> None:
        """Run a job as soon as no other runs.

        Raises:
            JobRefused: there is none.
        """
        self.job(host, tag).due_ns = NOW
        self._save()

    def stop(self, host: int) -> None:
        """Start no job by the clock any more."""
        self._stopped.add(str(host))

    def start(self, host: int) -> None:
        """Start jobs by the clock again."""
        self._stopped.discard(str(host))

    def is_running(self, host: int) -> bool:
        """Whether jobs are started by the clock."""
        return str(host) not in self._stopped

    # -- runs ----------------------------------------------------------------------------------------------------------

    def due(self, host: int, now_ns: int) -> str | None:
        """The tag that should run now, the one that waits longest first."""
        limit_ns = now_ns if self.is_running(host) else NOW
        waiting = [(job.due_ns, tag) for tag, job in self.jobs(host).items() if job.due_ns <= limit_ns]
        return min(waiting)[1] if waiting else None

    def begin(self, host: int, tag: str, now_ns: int) -> Run:
        """Count a run and say which; missed ones are coalesced into it."""
        job = self.job(host, tag)
        job.runs += 1
        job.due_ns = next_after(job.cron, now_ns, self._zone)
        return self.begin_timer(host, tag)

    def begin_timer(self, host: int, tag: str) -> Run:
        """Say which run this is, of something that has no place in the schedule."""
        self._state.last_run += 1
        run = Run(self._state.last_run, tag)
        self._state.running[str(host)] = run
        self._save()
        return run

    def end(self, host: int) -> None:
        """The run of this host is over."""
        if self._state.running.pop(str(host), None) is not None:
            self._save()

    @property
    def last_run(self) -> int:
        """The number of the newest run there ever was."""
        return self._state.last_run

    def _save(self) -> None:
        """Write everything. Without a flush: this survives our death, and after the machine's the file is old or new.

        On a full disk jobs go on, and what could not be written is written with the next change.
        """
        try:
            self._hidden.write_bytes(msgspec.json.encode(self._state))
            self._hidden.replace(self._path)
            self._unsaved = False
        except OSError as error:
            if not self._unsaved:
                _log.error("jobs_not_saved path=%s reason=%s", self._path, error)
            self._unsaved = True


def _load(path: Path) -> _State:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_State)
    except FileNotFoundError:
        return _State()
    except msgspec.DecodeError as error:
        _log.error("jobs_unreadable path=%s reason=%s; their counts begin again", path, error)
        path.replace(path.with_suffix(".damaged"))
        return _State()
