"""How much of ``recording.limit`` is in use: everything in the outbox."""

from __future__ import annotations

import os
from pathlib import Path

ASK_AGAIN_NS = 2_000_000_000
"""How long an answer stands: thousands of waiting batches take some 10 ms to count."""


class Space:
    """Bytes of the outbox, counted when somebody asks, at most every other second."""

    def __init__(self, outbox: Path, limit_bytes: int) -> None:
        self._outbox, self._limit_bytes = outbox, limit_bytes
        self._asked_ns, self.used_bytes = -ASK_AGAIN_NS, 0

    def full(self, now_ns: int) -> bool:
        """Whether new streams are to be refused.

        Args:
            now_ns: of any clock, always the same one.
        """
        if abs(now_ns - self._asked_ns) >= ASK_AGAIN_NS:
            self._asked_ns, self.used_bytes = now_ns, folder_bytes(self._outbox)
        return self.used_bytes >= self._limit_bytes

    def freed(self, size_bytes: int) -> None:
        """Something was deleted since it was counted."""
        self.used_bytes -= size_bytes


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below ``folder``; what goes meanwhile does not count."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    total += folder_bytes(Path(entry.path)) if is_folder else entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue
    except FileNotFoundError:
        return total
    return total
