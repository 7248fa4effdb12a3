"""``keep/jobs``: the recording jobs that are not over, as the recorder tells them to everybody who reads along.

A file and no message: a worker that was started again knows at once what it is to keep, and evaluates the schedules
with its own clock, so that a recorder that is busy with a disk delays no start.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from engine.recording.job import Job

NAME = "jobs"


class Published(msgspec.Struct, frozen=True):
    """What stands in the file."""

    jobs: list[Job] = []
    by: dict[str, str] = {}
    """Every name there is, of jobs that are over too, and who made it."""


def publish(data: Path, published: Published) -> None:
    """Replace the file, whole.

    Raises:
        OSError: not replaced; what was there before stands.
    """
    hidden = data / "keep" / f".{NAME}"
    hidden.write_bytes(msgspec.msgpack.encode(published))
    os.chmod(hidden, 0o600)
    hidden.replace(data / "keep" / NAME)


class Reading:
    """The file as it is now; looked at again only when it was replaced."""

    def __init__(self, data: Path) -> None:
        self._path = data / "keep" / NAME
        self._seen: tuple[int, int] | None = None
        self.now = Published()
        """What it said last."""

    def changed(self) -> bool:
        """Read it if it was replaced since the last call; whether it was. A stat of 2 us where it was not."""
        try:
            status = os.stat(self._path)
            if (status.st_ino, status.st_mtime_ns) == self._seen:
                return False
            self.now = msgspec.msgpack.decode(self._path.read_bytes(), type=Published)
        except FileNotFoundError:
            if self._seen is None:
                return False
            self._seen, self.now = None, Published()
            return True
        self._seen = (status.st_ino, status.st_mtime_ns)
        return True
