"""How much a script's work folder holds.

Files and folders are charged in blocks of 4 KiB, so that a million empty files do not come free.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator

from engine.clock import monotonic_s
from engine.errors import QuotaExceeded

BLOCK_BYTES = 4096
RECOUNT_INTERVAL_S = 10.0
"""A full folder is counted again at most this often: somebody else may have made room."""


def charge_of(size_bytes: int) -> int:
    """What a file of this size costs."""
    return BLOCK_BYTES * (1 + size_bytes // BLOCK_BYTES)


def charge(state: os.stat_result | None) -> int:
    """What a file or folder costs; nothing costs nothing."""
    if state is None:
        return 0
    return BLOCK_BYTES if stat.S_ISDIR(state.st_mode) else charge_of(state.st_size)


class Space:
    """The books of one folder; it is counted once, then kept up with what is done there."""

    def __init__(self, limit_bytes: int, count: Callable[[], int]) -> None:
        """``count`` walks through the folder: some 5 us a file."""
        self._limit_bytes, self._count = limit_bytes, count
        self._recount_due_s = 0.0
        self.used_bytes = count()

    @contextlib.contextmanager
    def claimed(self, what: str, more_bytes: int) -> Iterator[None]:
        """Claim space for what the block does; given back where it fails.

        Raises:
            QuotaExceeded: there is none.
        """
        if not self._fits(more_bytes):
            self._recount()
            if not self._fits(more_bytes):
                raise QuotaExceeded(f"work folder, {what!r}", self._limit_bytes, self.used_bytes + more_bytes)
        before = self.used_bytes
        self.used_bytes += more_bytes
        try:
            yield
        except BaseException:
            self.used_bytes = before
            raise

    def _fits(self, more_bytes: int) -> bool:
        return more_bytes <= 0 or self.used_bytes + more_bytes <= self._limit_bytes

    def _recount(self) -> None:
        now_s = monotonic_s()
        if now_s >= self._recount_due_s:
            self._recount_due_s = now_s + RECOUNT_INTERVAL_S
            self.used_bytes = self._count()
