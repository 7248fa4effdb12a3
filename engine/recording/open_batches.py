"""The batches of ``outbox/open``: which one takes what comes next, and which are to be sealed."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from engine.recording.batch_state import BatchState
from engine.recording.ledger import Ledger
from engine.recording.open_batch import OpenBatch
from engine.recording.options import RecordingOptions
from engine.recording.sealing import due

_log = logging.getLogger(__name__)


class OpenBatches:
    """One batch per recording takes packets; others wait to be sealed."""

    def __init__(self, folder: Path, ledger: Ledger, options: RecordingOptions) -> None:
        """Go on with the batches of the ledger; what no pass committed is removed.

        Raises:
            OSError: the disk is full or failing.
        """
        self._folder, self._ledger, self._options = folder, ledger, options
        self._current: dict[str, OpenBatch] = {}
        self._other: list[OpenBatch] = []
        self._clear()
        for state in sorted(ledger.batches.values(), key=lambda state: state.id):
            batch = OpenBatch(folder / state.id, state)
            if state.sealing is None:
                self._make_current(batch)

    def _clear(self) -> None:
        """Remove folders without an entry in the log; where the log itself is lost, put them aside instead."""
        for path in self._folder.iterdir():
            if not path.is_dir() or path.name in self._ledger.batches:
                continue
            if self._ledger.fresh:
                dead = self._folder.parent / "dead" / path.name
                dead.parent.mkdir(mode=0o700, exist_ok=True)
                path.rename(dead)
                (dead / "reason.txt").write_text(
                    "outbox/open/passes.log was lost, which said how much of this counts\n"
                )
                _log.error("open_batch_put_aside batch=%s reason='passes.log was lost'", path.name)
            else:
                shutil.rmtree(path)

    def current(self, recording: str, now_ns: int) -> OpenBatch:
        """The batch that takes packets now; a new one where the last is full or of another hour.

        Raises:
            OSError: a new one cannot be made.
        """
        batch = self._current.get(recording)
        if batch is None or due(batch.state, self._options, now_ns) in ("hour", "size", "count"):
            state = self._ledger.open_batch(recording, now_ns)
            batch = OpenBatch(self._folder / state.id, state)
            self._make_current(batch)
        self._ledger.batch(batch.state.id)  # who asks, adds
        return batch

    def _make_current(self, batch: OpenBatch) -> None:
        recording = batch.state.recording
        if recording in self._current:
            self._other.append(self._current[recording])
        self._current[recording] = batch

    def describe(self, records: dict[int, bytes]) -> None:
        """Write down what the stream log says of streams, in the batches that hold them.

        Raises:
            OSError: perhaps written in part, and not counted.
        """
        for batch in (*self._current.values(), *self._other):
            if batch.describe(records):
                self._ledger.batch(batch.state.id)

    def ask(self, recordings: set[str]) -> None:
        """Seal the batches of these as soon as the pass is over, those that hold something."""
        for batch in self.filled():
            if batch.recording in recordings:
                self._ledger.batch(batch.id).asked = True

    def due(self, now_ns: int) -> dict[str, str]:
        """Batches to be sealed now and why, as ``sealing.due`` says; empty ones never are."""
        reasons = {state.id: due(state, self._options, now_ns) for state in self.filled()}
        return {batch: reason for batch, reason in reasons.items() if reason}

    def filled(self) -> list[BatchState]:
        """Every batch that holds something and is not fixed yet."""
        return [b.state for b in (*self._current.values(), *self._other) if not b.state.empty]

    def frozen(self) -> list[BatchState]:
        """Batches that are fixed and were not removed yet."""
        return [state for state in self._ledger.batches.values() if state.sealing is not None]

    def get(self, batch: str) -> OpenBatch:
        """One that is not fixed yet."""
        return next(each for each in (*self._current.values(), *self._other) if each.state.id == batch)

    def freeze(self, batches: list[str]) -> None:
        """These take nothing more."""
        self._current = {key: batch for key, batch in self._current.items() if batch.state.id not in batches}
        self._other = [batch for batch in self._other if batch.state.id not in batches]

    def discard(self, recording: str) -> None:
        """Drop what is open of a recording that was deleted; what is fixed already is sealed all the same.

        Raises:
            OSError: something is left, which the next start removes.
        """
        batches = (*self._current.values(), *self._other)
        dropped = [batch.state.id for batch in batches if batch.state.recording == recording]
        self.freeze(dropped)
        for batch in dropped:
            self._ledger.remove_batch(batch)
        self._ledger.commit()
        for batch in dropped:
            self.remove(batch)

    def remove(self, batch: str) -> None:
        """Delete its folder.

        Raises:
            OSError: something is left, which the next start removes.
        """
        shutil.rmtree(self._folder / batch)
