"""What can be asked of recordings: `create`, `list`, `show`, `stop`, `seal`, `delete`. Rows are plain values.

The recorder answers, or, where nothing runs, the command line itself on the files, under the lock of the data folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from engine import clock
from engine.errors import RemoraError, StorageError
from engine.recording.batch_state import Totals
from engine.recording.expiry import expire, is_local, remove_recording
from engine.recording.job import Job, checked_name, read_job
from engine.recording.jobs import JobRefused, Jobs, Notice
from engine.recording.journal import Change
from engine.recording.plan import NEVER_NS, next_run, over, run_at

OPERATIONS = ("create", "list", "show", "stop", "seal", "delete")
CONFIGURATION = "configuration"
LATE_BATCHES_NS = 3600 * clock.NS_PER_S
"""How long batches of a deleted recording that were on their way may still arrive, and are removed."""
PART_BYTES = 32 * 1024
"""Of an answer; a message between processes takes twice as much."""
RUNS_SHOWN = 100
"""The newest."""
KEPT_BY_SCRIPTS = "kept by scripts"
"""State of a recording that is no job: ``pcap.record`` names it."""
Answer = tuple[list[dict[str, Any]], dict[str, Any]]


class Service:
    """Operations on the jobs of one data folder; times are arguments."""

    def __init__(
        self,
        data: Path,
        run_id: str,
        now_ns: int,
        notice: Notice,
        *,
        dialect: str = "auto",
        macros: Mapping[str, str] | None = None,
        check_destination: Callable[[str, str], str] = lambda _, destination: destination,
        default_destination: str = "recordings",
        dissects: bool = True,
    ) -> None:
        """Open the jobs.

        Args:
            data: the data folder.
            run_id: of the running instance; empty: none runs.
            now_ns: wall clock.
            notice: told what the console is to say.
            dialect: of filters that do not say.
            macros: of filters.
            check_destination: raises ``ConfigError``.
            default_destination: of jobs that name none.
            dissects: items are made when somebody wants them.

        Raises:
            StorageError: the store cannot be opened.
        """
        self._data, self._runs, self._dissects, self._default = data, bool(run_id), dissects, default_destination
        self._read = partial(read_job, dialect=dialect, macros=macros or {}, check_destination=check_destination)
        self.notice = notice
        self.jobs = Jobs(data, run_id, now_ns, notice)
        self.totals: Callable[[], Mapping[str, Totals]] = dict
        """What each recording has got so far."""
        self.to_seal: set[str] = set()
        """Recordings whose open batches somebody wants sealed now."""
        self._complained_ns: dict[str, int] = {}
        self.released = self.jobs.store.to_release()
        """Recordings that were deleted and that the recorder has yet to let go of."""

    def answer(self, operation: str, given: Mapping[str, Any], now_ns: int) -> Answer:
        """Rows and closing of one request.

        Raises:
            RemoraError: it is refused.
        """
        verbs: dict[str, Callable[[Mapping[str, Any], int], Answer]] = {
            "create": self._create,
            "list": self._list,
            "show": self._show,
            "stop": self._stop,
            "seal": self._seal,
            "delete": self._delete,
        }
        if operation not in verbs:
            raise RemoraError(f"recordings: expected one of {', '.join(OPERATIONS)}, got {operation!r}")
        return verbs[operation](given, now_ns)

    # -- operations ----------------------------------------------------------------------------------------------------

    def _create(self, given: Mapping[str, Any], now_ns: int) -> Answer:
        by = str(given.get("by") or "command")
        job, notes = self._read(dict(given.get("job") or {}), now_ns, by)
        self.jobs.create(job, now_ns)
        if job.wants_items and not self._dissects:
            notes.append("nothing will match: tap.capture.dissection.enabled is false")
        if not job.kfl.strip() and not is_local(job.destination or self._default):
            notes.append("everything includes its own uploads, where they are captured: see docs/recordings.md")
        if not self._runs:
            notes.append("nothing runs on this data folder: it is recorded when an instance does")
        return [self._row(job, now_ns)], {"notes": notes}

    def _list(self, given: Mapping[str, Any], now_ns: int) -> Answer:
        words = str(given.get("text") or "").lower()
        rows = [self._row(job, now_ns) for job in self.jobs.all]
        rows += [self._without_job(name) for name in self._others()]
        return [row for row in rows if words in _searched(row)], {"running": self._runs}

    def _show(self, given: Mapping[str, Any], now_ns: int) -> Answer:
        name = checked_name("name", given.get("name", ""))
        if name not in self.jobs and name in self._others():
            return [self._without_job(name)], {}
        job = self.jobs.job(name)
        store = self.jobs.store
        runs = [
            {"begin": row.begin_ns, "began": row.began_ns, "seen": row.seen_ns, "ended": row.ended_ns}
            for row in store.runs(name)[-RUNS_SHOWN:]
        ]
        gaps = [{"from": gap.from_ns, "until": gap.until_ns, "why": gap.why} for gap in store.gaps(name)]
        return [{**self._row(job, now_ns), "runs": runs, "gaps": gaps}], {}

    def _stop(self, given: Mapping[str, Any], now_ns: int) -> Answer:
        name = checked_name("name", given.get("name", ""))
        was_on = self.jobs.stop(name, now_ns)
        return [self._row(self.jobs.job(name), now_ns)], {"stopped": was_on}

    def _seal(self, given: Mapping[str, Any], now_ns: int) -> Answer:  # noqa: ARG002 - a verb
        name = checked_name("name", given.get("name", ""))
        if name not in self.jobs and name not in self._others():
            self.jobs.job(name)
        self.to_seal.add(name)
        return [], {}

    def _delete(self, given: Mapping[str, Any], now_ns: int) -> Answer:
        name = checked_name("name", given.get("name", ""))
        job = self.jobs.job(name)
        if run_at(job.plan, now_ns) is not None and not given.get("force"):
            raise JobRefused(name, "expected one that does not record now", "stop it first, or give --force")
        self.jobs.delete(name, now_ns)
        self.released.append(name)
        removed = 0
        destination = job.destination or self._default
        if is_local(destination):
            removed = remove_recording(self._data / destination, name)
        return [], {"removed_bytes": removed, "destination": destination, "local": is_local(destination)}

    def expire(self, now_ns: int) -> int:
        """Remove local data that is past its expiration, or of recordings that were deleted; how many batches.

        What cannot be removed is told, and tried again.

        Raises:
            StorageError: the store refuses.
        """
        removed = 0
        for job in self.jobs.all:
            destination = job.destination or self._default
            if job.expiration_ns and is_local(destination):
                removed += self._expire_one(self._data / destination, job.name, now_ns - job.expiration_ns, now_ns)
        for name, deleted_ns in self.jobs.store.gone().items():
            if name not in self.jobs and is_local(self._default):
                folder = self._data / self._default
                removed += self._expire_one(folder, name, deleted_ns + LATE_BATCHES_NS, now_ns)
            if now_ns - deleted_ns > LATE_BATCHES_NS:
                self.jobs.store.forget_gone(name)
        return removed

    def change(self, wish: Change) -> None:
        """What a script wants; told on the console where it cannot be. Harmless when repeated.

        Raises:
            StorageError: not done; say it again.
        """
        name = str(wish.given.get("name"))
        try:
            if wish.operation == "stop":
                if self.jobs.job(name).by == wish.by:
                    self.jobs.stop(name, wish.at_ns)
                return
            job, _ = self._read(wish.given, wish.at_ns, wish.by)
            known = {other.name: other for other in self.jobs.all}.get(name)
            if known is None or known.by != wish.by:
                self.jobs.create(job, wish.at_ns)
            elif known.created_ns < job.created_ns and (known.asked != job.asked or over(known.plan, wish.at_ns)):
                self.jobs.replace(job, wish.at_ns)
        except StorageError:
            raise
        except RemoraError as error:
            self.notice("error", f"Failed recording ({name}) Error: {wish.by}: {error}")

    def _expire_one(self, folder: Path, name: str, before_ns: int, now_ns: int) -> int:
        try:
            return expire(folder, name, before_ns)
        except OSError as error:
            if now_ns - self._complained_ns.get(name, 0) > LATE_BATCHES_NS:
                self._complained_ns[name] = now_ns
                text = f"what has expired of it cannot be deleted: {error}"
                self.notice("error", f"Failed recording ({name}) Error: {text}")
            return 0

    # -- configuration -------------------------------------------------------------------------------------------------

    def configure(self, given: Sequence[Mapping[str, Any]], now_ns: int) -> None:
        """Make the jobs of the configuration what it says: new ones are made, changed ones again, others stopped.

        A job that is as it was goes on, whatever its start: an instance that is started again begins nothing anew.
        """
        wanted = {str(one.get("name")): one for one in given}
        for job in self.jobs.all:
            if job.by == CONFIGURATION and job.name not in wanted:
                self.jobs.stop(job.name, now_ns)
        for name, one in wanted.items():
            try:
                self._configure_one(name, one, now_ns)
            except RemoraError as error:
                self.notice("error", f"Failed recording ({name}) Error: {error}")

    def _configure_one(self, name: str, one: Mapping[str, Any], now_ns: int) -> None:
        job, notes = self._read(one, now_ns, CONFIGURATION)
        known = {other.name: other for other in self.jobs.all}.get(name)
        if known is not None and known.by == CONFIGURATION:
            if known.asked == job.asked and known.plan.stopped_ns == NEVER_NS:
                return
            self.jobs.replace(job, now_ns)
        else:
            self.jobs.create(job, now_ns)
        for note in notes:
            self.notice("warn", f"recording ({name}): {note}")

    # -- rows ----------------------------------------------------------------------------------------------------------

    def _row(self, job: Job, now_ns: int) -> dict[str, Any]:
        plan, run, following = job.plan, run_at(job.plan, now_ns), next_run(job.plan, now_ns)
        return {
            "name": job.name,
            "state": _state(job, now_ns, self._runs),
            "kfl": job.kfl,
            "dialect": job.dialect,
            "start": clock.rfc3339(plan.start_ns),
            "iterations": plan.iterations,
            "duration_s": plan.duration_ns // clock.NS_PER_S,
            "expiration_s": job.expiration_ns // clock.NS_PER_S,
            "destination": job.destination or self._default,
            "redact": job.redact,
            "packets": job.packets,
            "fromStart": job.from_start,
            "format": job.format,
            "withSecrets": job.with_secrets,
            "by": job.by,
            "created": clock.rfc3339(job.created_ns),
            "run": run.number if run is not None else None,
            "ends": clock.rfc3339(run.end_ns) if run is not None and run.end_ns != NEVER_NS else "",
            "next": clock.rfc3339(following.begin_ns) if following is not None else "",
            "gaps": len(self.jobs.store.gaps(job.name)),
            "recorded": _recorded(Totals() if job.name in self.released else self.totals().get(job.name, Totals())),
        }

    def _others(self) -> list[str]:
        """Recordings that scripts keep, without a job."""
        return sorted(name for name in self.totals() if name not in self.jobs and name not in self.released)

    def _without_job(self, name: str) -> dict[str, Any]:
        recorded = _recorded(self.totals()[name])
        return {"name": name, "state": KEPT_BY_SCRIPTS, "kfl": "", "by": "pcap.record", "recorded": recorded}

    def close(self) -> None:
        """Close the store."""
        self.jobs.close()


def _recorded(totals: Totals) -> dict[str, Any]:
    return {
        "streams": totals.streams,
        "packets": totals.packets,
        "bytes": totals.packet_bytes,
        "items": totals.items,
        "batches": totals.batches,
        "refused": totals.refused,
        "last": clock.rfc3339(totals.last_ns) if totals.last_ns else "",
    }


def _state(job: Job, now_ns: int, runs: bool) -> str:
    if over(job.plan, now_ns):
        return "stopped" if job.plan.stopped_ns != NEVER_NS else "over"
    if run_at(job.plan, now_ns) is None:
        return "scheduled"
    return "recording" if runs else "waits for an instance"


def _searched(row: Mapping[str, Any]) -> str:
    return " ".join(str(row.get(key, "")) for key in ("name", "kfl", "state", "by", "destination")).lower()


def job_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Properties that were given at all."""
    return {key: value for key, value in given.items() if value not in (None, "", (), [])}


def parts_of(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows in pieces that fit a message."""
    part: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        length = len(msgspec.msgpack.encode(row))
        if size + length > PART_BYTES and part:
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part
