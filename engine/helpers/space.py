"""How much a script's work folder holds, in bytes and in files.

Files and folders are charged in blocks of 4 KiB, so that a million empty files do not come free; their number has a
limit of its own, because inodes and the time of a walk run out before bytes do.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from engine.clock import monotonic_s
from engine.errors import QuotaExceeded

BLOCK_BYTES = 4096
RECOUNT_INTERVAL_S = 10.0
"""A full folder is counted again at most this often: somebody else may have made room."""


class Room(NamedTuple):
    """What something takes, or may take."""

    bytes: int
    files: int

    def plus(self, other: Room) -> Room:
        """Both together."""
        return Room(self.bytes + other.bytes, self.files + other.files)

    def minus(self, other: Room) -> Room:
        """Without ``other``."""
        return Room(self.bytes - other.bytes, self.files - other.files)


NOTHING, FOLDER = Room(0, 0), Room(BLOCK_BYTES, 1)


def charge_of(size_bytes: int) -> Room:
    """What a file of this size costs."""
    return Room(BLOCK_BYTES * (1 + size_bytes // BLOCK_BYTES), 1)


def charge(state: os.stat_result | None) -> Room:
    """What a file or folder costs; nothing costs nothing."""
    if state is None:
        return NOTHING
    return FOLDER if stat.S_ISDIR(state.st_mode) else charge_of(state.st_size)


class Space:
    """The books of one folder; it is counted once, then kept up with what is done there."""

    def __init__(self, limit: Room, count: Callable[[], Room]) -> None:
        """``count`` walks through the folder: some 5 us a file."""
        self._limit, self._count = limit, count
        self._recount_due_s = 0.0
        self.used = count()

    @contextlib.contextmanager
    def claimed(self, what: str, more: Room) -> Iterator[None]:
        """Claim space for what the block does; given back where it fails.

        Raises:
            QuotaExceeded: there is none.
        """
        wanted = self.used.plus(more)
        if not self._fits(more):
            self._recount()
            wanted = self.used.plus(more)
            if not self._fits(more):
                where = f"work folder, {what!r}"
                if more.bytes > 0 and wanted.bytes > self._limit.bytes:
                    raise QuotaExceeded(where, self._limit.bytes, wanted.bytes)
                raise QuotaExceeded(where, self._limit.files, wanted.files, "files and folders")
        before, self.used = self.used, wanted
        try:
            yield
        except BaseException:
            self.used = before
            raise

    def free(self, room: Room) -> None:
        """Something is gone."""
        self.used = self.used.minus(room)

    def _fits(self, more: Room) -> bool:
        wanted = self.used.plus(more)
        enough = more.bytes <= 0 or wanted.bytes <= self._limit.bytes
        return enough and (more.files <= 0 or wanted.files <= self._limit.files)

    def _recount(self) -> None:
        now_s = monotonic_s()
        if now_s >= self._recount_due_s:
            self._recount_due_s = now_s + RECOUNT_INTERVAL_S
            self.used = self._count()
