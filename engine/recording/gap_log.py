"""What a worker missed, told to the recorder: the kernel or the disk had no room, or nobody read for a while."""

from __future__ import annotations

import contextlib
from pathlib import Path

from msgspec.structs import replace

from engine.recording.journal import Gap, KeepJournal


class GapLog:
    """Owned by the worker; times are the capture's clock."""

    def __init__(self, keep: Path, worker: int, last_ns: int, *, live: bool = True) -> None:
        """Open it; a predecessor that did not say goodbye leaves a gap.

        Args:
            keep: the folder of the journals.
            worker: which one.
            last_ns: the last packet that a predecessor stored; 0: none.
            live: false: nothing is missed while nobody reads.

        Raises:
            OSError: the disk is full or failing.
        """
        self._worker = worker
        self._journal = KeepJournal(keep / f"gaps-{worker}.log", sync=False)
        self._alive = keep / f"worker-{worker}.alive"
        self._since_ns = last_ns if live and self._alive.exists() else 0
        if live:
            self._alive.touch()
        self._last_ns, self._counted_ns = 0, self._since_ns
        self._lost = 0
        self._waiting: list[Gap] = []
        self._closed = False
        self._refused: dict[tuple[str, str], Gap] = {}
        """What found no room since the last ``tell_refused``, by reason and recording."""
        self._until_ns: dict[tuple[str, str], int] = {}
        """Up to when it was told last time: what goes on is one gap."""

    def saw(self, first_ns: int, last_ns: int) -> None:
        """A batch was read."""
        if self._since_ns:
            self._tell(Gap(self._worker, "worker_died", self._since_ns, max(first_ns, self._since_ns)))
            self._since_ns = 0
        self._last_ns = max(self._last_ns, last_ns)
        self._counted_ns = self._counted_ns or first_ns

    def lost(self, total: int, now_ns: int) -> None:
        """The kernel's count at ``now_ns``; call some times a second. Before the first packet nobody knows since when.

        What was read last does not tell: where nobody read for a while, packets that wait are older than the loss.
        """
        if not self._last_ns or self._closed:
            return
        if total > self._lost:
            to_ns = max(now_ns, self._counted_ns)
            self._tell(Gap(self._worker, "ring_full", self._counted_ns, to_ns, total - self._lost))
        else:
            self._tell(None)
        self._lost, self._counted_ns = total, max(now_ns, self._counted_ns)

    def refused(self, reason: str, first_ns: int, last_ns: int, of: str = "", **counts: int) -> None:
        """Something found no room on the disk.

        Args:
            reason: which, as ``Gap`` has it.
            first_ns: capture time of the first.
            last_ns: that of the last.
            of: the recording that it concerns, where it is one.
            counts: ``packets``, ``items`` or ``streams``.
        """
        known = self._refused.get((reason, of)) or Gap(self._worker, reason, first_ns, last_ns, recording=of)
        sums = {name: getattr(known, name) + count for name, count in counts.items()}
        ends = {"from_ns": min(known.from_ns, first_ns), "to_ns": max(known.to_ns, last_ns)}
        self._refused[reason, of] = replace(known, **ends, **sums)

    def tell_refused(self) -> None:
        """Tell what found no room; call some times a second."""
        if self._closed:
            return
        for key, gap in self._refused.items():
            self._tell(replace(gap, from_ns=self._until_ns.get(key, gap.from_ns)))
        self._until_ns = {key: gap.to_ns for key, gap in self._refused.items()}
        self._refused = {}

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
        self.tell_refused()
        self._tell(None)
        self._journal.close()
        self._closed = True
        self._alive.unlink(missing_ok=True)
