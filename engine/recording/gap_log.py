"""What a worker of live capture missed, told to the recorder: the kernel had no room, or nobody read for a while."""

from __future__ import annotations

import contextlib
from pathlib import Path

from engine.recording.journal import Gap, KeepJournal


class GapLog:
    """Owned by the worker; times are the capture's clock."""

    def __init__(self, keep: Path, worker: int, last_ns: int) -> None:
        """Open it; a predecessor that did not say goodbye leaves a gap.

        Args:
            keep: the folder of the journals.
            worker: which one.
            last_ns: the last packet that a predecessor stored; 0: none.

        Raises:
            OSError: the disk is full or failing.
        """
        self._worker = worker
        self._journal = KeepJournal(keep / f"gaps-{worker}.log", sync=False)
        self._alive = keep / f"worker-{worker}.alive"
        self._since_ns = last_ns if self._alive.exists() else 0
        self._alive.touch()
        self._last_ns, self._counted_ns = 0, self._since_ns
        self._lost = 0
        self._waiting: list[Gap] = []

    def saw(self, first_ns: int, last_ns: int) -> None:
        """A batch was read."""
        if self._since_ns:
            self._tell(Gap(self._worker, "worker_died", self._since_ns, max(first_ns, self._since_ns)))
            self._since_ns = 0
        self._last_ns = max(self._last_ns, last_ns)
        self._counted_ns = self._counted_ns or first_ns

    def lost(self, total: int) -> None:
        """The kernel's count; call some times a second. Before the first packet nobody knows when that was."""
        if not self._last_ns:
            return
        if total > self._lost:
            self._tell(Gap(self._worker, "ring_full", self._counted_ns, self._last_ns, total - self._lost))
        else:
            self._tell(None)
        self._lost, self._counted_ns = total, self._last_ns

    def _tell(self, gap: Gap | None) -> None:
        """Now, or as soon as the disk takes it."""
        if gap is not None:
            self._waiting.append(gap)
        with contextlib.suppress(OSError):
            while self._waiting:
                self._journal.gap(self._waiting[0])
                del self._waiting[0]

    def close(self, now_ns: int) -> None:
        """Capture ends in order, at ``now_ns``."""
        if self._since_ns:
            self.saw(now_ns, now_ns)
        self._tell(None)
        self._journal.close()
        self._alive.unlink(missing_ok=True)
