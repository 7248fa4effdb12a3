"""Which gaps stand in the manifest of which batch: each in the recording's first batch that is sealed after it."""

from __future__ import annotations

from engine.recording.batch_state import BatchState
from engine.recording.journal import Gap

MAX_KNOWN = 256
"""A recording that seals nothing while more come is told the last of them."""


class Gaps:
    """The last gaps, and how many of all each recording was told."""

    def __init__(self, known: list[Gap] | None = None, before: int = 0, told: dict[str, int] | None = None) -> None:
        """``before``: how many came before those that are ``known``."""
        self.known = known or []
        self.before = before
        self.told = told or {}

    def add(self, gap: Gap) -> None:
        """One more; where packets are lost again at once, the gap before it grows."""
        last = self.known[-1] if self.known else None
        if (
            last
            and (last.worker, last.reason, last.to_ns) == (gap.worker, gap.reason, gap.from_ns)
            and not self._told()
        ):
            packets = last.packets + gap.packets
            self.known[-1] = Gap(gap.worker, gap.reason, last.from_ns, gap.to_ns, packets)
            return
        self.known.append(gap)
        excess = len(self.known) - MAX_KNOWN
        if excess > 0:
            del self.known[:excess]
            self.before += excess

    def _told(self) -> bool:
        """Whether the last one stands in a manifest."""
        return max(self.told.values(), default=0) == self.before + len(self.known)

    def take(self, state: BatchState) -> list[Gap]:
        """What the manifest of this batch says; of a recording's first batch, what does not lie before it."""
        told = self.told.get(state.recording)
        new = self.known[max((told or 0) - self.before, 0) :]
        self.told[state.recording] = self.before + len(self.known)
        return [gap for gap in new if told is not None or gap.to_ns >= state.first_ns]
