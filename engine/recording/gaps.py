"""Which gaps stand in the manifest of which batch: each in the recording's first batch that is sealed after it."""

from __future__ import annotations

from msgspec.structs import replace

from engine.recording.batch_state import BatchState
from engine.recording.journal import Gap

MAX_KNOWN = 256
"""A recording that seals nothing while more come is told the last of them."""


class Gaps:
    """The last gaps, and how many of all each recording was told."""

    def __init__(
        self,
        known: list[Gap] | None = None,
        before: int = 0,
        told: dict[str, int] | None = None,
        missed: dict[str, int] | None = None,
    ) -> None:
        """``before``: how many came before those that are ``known``; ``missed``: as in ``Pass``."""
        self.known = known or []
        self.before = before
        self.told = told or {}
        self.missed = missed or {}

    def add(self, gap: Gap) -> None:
        """One more; where something is lost again at once, the gap before it grows."""
        at = self._grows(gap)
        if at is not None:
            last = self.known[at]
            sums = {name: getattr(last, name) + getattr(gap, name) for name in ("packets", "items", "streams")}
            self.known[at] = replace(last, to_ns=gap.to_ns, **sums)
            return
        self.known.append(gap)
        excess = len(self.known) - MAX_KNOWN
        if excess > 0:
            del self.known[:excess]
            self.before += excess

    def _grows(self, gap: Gap) -> int | None:
        """The place of the gap that this one goes on, if that stands in no manifest yet."""
        told = max(max(self.told.values(), default=0) - self.before, 0)
        for at in range(len(self.known) - 1, told - 1, -1):
            last = self.known[at]
            same = (last.worker, last.reason, last.recording) == (gap.worker, gap.reason, gap.recording)
            if same and last.to_ns == gap.from_ns:
                return at
        return None

    def take(self, state: BatchState) -> list[Gap]:
        """What the manifest of this batch says; of a recording's first batch, what does not lie before it."""
        told = self.told.get(state.recording)
        new = self.known[max((told or 0) - self.before, 0) :]
        self.told[state.recording] = self.before + len(self.known)
        ours = [gap for gap in new if gap.recording in ("", state.recording)]
        return [gap for gap in ours if told is not None or gap.recording or gap.to_ns >= state.first_ns]

    def take_missed(self, state: BatchState, missed: list[Gap]) -> list[Gap]:
        """Of what the recording's job missed, that which is told in no manifest yet."""
        new = [gap for gap in missed if gap.to_ns > self.missed.get(state.recording, 0)]
        if new:
            self.missed[state.recording] = max(gap.to_ns for gap in new)
        return new
