"""Recording jobs and their runs on disk: ``keep/recordings.sqlite``. One owner, the recorder.

SQLite and not the commit log of the passes, because jobs are few, change seldom, and are looked at by people: the
`sqlite3` of any machine opens them. The database is in memory, and written whole under a new name after each change:
SQLite itself opens files by absolute paths, which lead through folders that the recorder may not enter.

```
jobs  name text, job json                                    one row a job
runs  name text, begin_ns, began_ns, seen_ns, ended_ns       each time it recorded; ended_ns 0: it is on
gaps  name text, from_ns, until_ns, why text                 when it should have recorded and nothing did
gone  name text, deleted_ns                                  deleted; local data that still arrives is removed
release  name text                                           deleted, and the recorder has yet to let go of it
instance  run_id text, since_ns                              who wrote here last, and since when
```
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.errors import StorageError
from engine.recording.job import Job

FORMAT = 1
NAME = "recordings.sqlite"
GAPS_KEPT = 100
"""Of each job, the newest."""
_TABLES = """
create table if not exists jobs (name text primary key, job text not null);
create table if not exists runs (name text, begin_ns integer, began_ns integer not null, seen_ns integer not null,
  ended_ns integer not null, primary key (name, begin_ns));
create table if not exists gaps (name text, from_ns integer, until_ns integer not null, why text not null,
  primary key (name, from_ns));
create table if not exists gone (name text primary key, deleted_ns integer not null);
create table if not exists release (name text primary key);
create table if not exists instance (run_id text primary key, since_ns integer not null);
"""


class RunRow(NamedTuple):
    """A run as it was."""

    begin_ns: int
    """When it was to begin: its place in the plan."""
    began_ns: int
    """When it did."""
    seen_ns: int
    """When it was known to be on last."""
    ended_ns: int
    """0: it is on, as far as anybody knows."""


class Gap(NamedTuple):
    """A time in which a job should have recorded and nothing did."""

    from_ns: int
    until_ns: int
    why: str


class JobStore:
    """Every change is on the disk when the method returns; one that raises may be there with the next."""

    def __init__(self, data: Path) -> None:
        """Open or create; belongs to the owner of the data folder, whoever we are.

        Raises:
            StorageError: it cannot be opened, or is of another format.
        """
        self._data, self._path = data, data / "keep" / NAME
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            if self._path.exists():
                self._database.deserialize(self._path.read_bytes())
            (found,) = self._database.execute("pragma user_version").fetchone()
            if found not in (0, FORMAT):
                hint = "use the version that wrote it"
                raise StorageError(f"{self._path}: expected format {FORMAT}, got {found}; {hint}")
            self._database.executescript(f"{_TABLES} pragma user_version = {FORMAT};")
        except (sqlite3.Error, OSError) as error:
            self._database.close()
            raise StorageError(f"{self._path}: expected the jobs of recordings, got {error}") from error
        except StorageError:
            self._database.close()
            raise

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def jobs(self) -> dict[str, Job]:
        """All jobs, by name, oldest first."""
        rows = self._all("select job from jobs")
        jobs = [msgspec.json.decode(text, type=Job) for (text,) in rows]
        return {job.name: job for job in sorted(jobs, key=lambda job: (job.created_ns, job.name))}

    def put(self, job: Job) -> None:
        """Store a job, in the place of the last of its name."""
        self._do("insert or replace into jobs values (?, ?)", job.name, msgspec.json.encode(job).decode())

    def delete(self, name: str, now_ns: int) -> None:
        """Forget a job with its runs and gaps, and remember that there was one."""
        self._transact(
            [
                *((f"delete from {table} where name = ?", (name,)) for table in ("jobs", "runs", "gaps")),
                ("insert or replace into gone values (?, ?)", (name, now_ns)),
                ("insert or replace into release values (?)", (name,)),
            ]
        )

    def gone(self) -> dict[str, int]:
        """Deleted jobs, and when."""
        return dict(self._all("select name, deleted_ns from gone"))

    def forget_gone(self, name: str) -> None:
        """Nothing of it will arrive any more."""
        self._do("delete from gone where name = ?", name)

    def to_release(self) -> list[str]:
        """Recordings that were deleted, of which the recorder still follows streams and holds batches."""
        return [name for (name,) in self._all("select name from release")]

    def released(self, name: str) -> None:
        """It does not any more."""
        self._do("delete from release where name = ?", name)

    def since(self, run_id: str, now_ns: int) -> int:
        """Since when this instance runs: what its processes did that died meanwhile is its own."""
        known: dict[str, int] = dict(self._all("select run_id, since_ns from instance"))
        if run_id not in known:
            insert = ("insert into instance values (?, ?)", (run_id, now_ns))
            self._transact([("delete from instance", ()), insert])
        return known.get(run_id, now_ns)

    # -- runs ----------------------------------------------------------------------------------------------------------

    def runs(self, name: str) -> list[RunRow]:
        """The runs there were, oldest first."""
        fields = "begin_ns, began_ns, seen_ns, ended_ns"
        return [RunRow(*row) for row in self._all(f"select {fields} from runs where name = ? order by begin_ns", name)]

    def put_run(self, name: str, run: RunRow) -> None:
        """Store a run, or how it goes on."""
        self._do("insert or replace into runs values (?, ?, ?, ?, ?)", name, *run)

    def put_runs(self, runs: Iterable[tuple[str, RunRow]]) -> None:
        """Several at once."""
        self._transact([("insert or replace into runs values (?, ?, ?, ?, ?)", (name, *run)) for name, run in runs])

    def gaps(self, name: str) -> list[Gap]:
        """What is missing of a job, oldest first."""
        return [
            Gap(*row) for row in self._all("select from_ns, until_ns, why from gaps where name = ? order by 1", name)
        ]

    def put_gap(self, name: str, gap: Gap) -> None:
        """Remember what is missing."""
        oldest = "select from_ns from gaps where name = ? order by 1 desc limit -1 offset ?"
        self._transact(
            [
                ("insert or replace into gaps values (?, ?, ?, ?)", (name, *gap)),
                (f"delete from gaps where name = ? and from_ns in ({oldest})", (name, name, GAPS_KEPT)),
            ]
        )

    # -- the file ------------------------------------------------------------------------------------------------------

    def _all(self, statement: str, *values: object) -> list[Any]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: {error}") from error

    def _do(self, statement: str, *values: object) -> None:
        self._transact([(statement, values)])

    def _transact(self, statements: list[tuple[str, tuple[object, ...]]]) -> None:
        try:
            self._database.execute("begin")
            for statement, values in statements:
                self._database.execute(statement, values)
            self._database.execute("commit")
            self._write()
        except (sqlite3.Error, OSError) as error:
            if self._database.in_transaction:
                self._database.execute("rollback")
            raise StorageError(f"{self._path}: {error}") from error

    def _write(self) -> None:
        """The file, whole and durable; it belongs to the owner of the data folder, whoever we are."""
        hidden = self._path.with_name(f".{NAME}")
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._database.serialize())
            file.flush()
            os.fsync(file.fileno())
            if os.getuid() == 0:
                owner = self._data.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        hidden.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Let go of it."""
        self._database.close()
