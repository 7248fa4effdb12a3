"""What is kept, how far it is copied, and which batches are open: in memory, and in the commit log pass by pass."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine.recording.batch_state import BatchState, Cursors, Kept, Pass, Totals
from engine.recording.gaps import Gaps
from engine.recording.names import batch_id
from engine.recording.pass_log import PassLog, passes_in


class Standing:
    """What stands in a commit log; for somebody who changes nothing."""

    def __init__(self, passes: Iterable[Pass], run_id: str = "") -> None:
        """``run_id``: whose last batch number is wanted."""
        self.cursors = Cursors()
        self.kept: dict[int, Kept] = {}
        self.batches: dict[str, BatchState] = {}
        self.refused: dict[str, int] = {}
        self.dropped: dict[str, int] = {}
        self.gaps = Gaps()
        self.totals: dict[str, Totals] = {}
        self._run_id, self._sequence = run_id, 0
        for entry in passes:
            self._apply(entry)

    @classmethod
    def read(cls, data: Path) -> Standing:
        """Of a data folder, as it is on the disk; empty where nothing was recorded yet.

        Raises:
            OSError: it cannot be read.
        """
        try:
            return cls(passes_in((data / "outbox" / "open" / "passes.log").read_bytes())[0])
        except FileNotFoundError:
            return cls([])

    def _apply(self, entry: Pass) -> None:
        self.cursors = entry.cursors
        self.kept.update(entry.kept)
        for stream in entry.forgotten:
            self.kept.pop(stream, None)
        self.batches.update(entry.batches)
        for batch in entry.removed:
            self.batches.pop(batch, None)
        self.refused, self.dropped = entry.refused, entry.dropped
        self.gaps = Gaps(entry.gaps, entry.gaps_before, entry.told, entry.missed)
        for recording in entry.deleted:
            self.totals.pop(recording, None)
        self.totals.update(entry.totals)
        if entry.run_id == self._run_id:
            self._sequence = entry.sequence


class Ledger(Standing):
    """Changes count once ``commit`` has returned. After a failed one, throw it away and open it again."""

    def __init__(self, path: Path, run_id: str) -> None:
        """Open the log, or begin one.

        Raises:
            OSError: it cannot be opened.
        """
        self._log = PassLog(path)
        self.fresh = not self._log.existed
        """There was no log before."""
        self._changed_streams: set[int] = set()
        self._forgotten: list[int] = []
        self._changed_batches: set[str] = set()
        self._removed: list[str] = []
        self._changed_totals: set[str] = set()
        self._deleted: list[str] = []
        super().__init__(self._log.take(), run_id)

    def stream(self, stream: int) -> Kept:
        """The entry of a stream, to be changed; a new one where there is none."""
        self._changed_streams.add(stream)
        return self.kept.setdefault(stream, Kept())

    def forget(self, streams: list[int]) -> None:
        """Nothing of these streams will come any more."""
        for stream in streams:
            del self.kept[stream]
        self._changed_streams.difference_update(streams)
        self._forgotten += streams

    def open_batch(self, recording: str, opened_ns: int) -> BatchState:
        """A new batch with the next number of this run."""
        self._sequence += 1
        state = BatchState(batch_id(self._run_id, self._sequence), recording, opened_ns)
        self.batches[state.id] = state
        return state

    def batch(self, batch: str) -> BatchState:
        """The state of a batch, to be changed."""
        self._changed_batches.add(batch)
        return self.batches[batch]

    def remove_batch(self, batch: str) -> None:
        """It is sealed and published."""
        del self.batches[batch]
        self._changed_batches.discard(batch)
        self._removed.append(batch)

    def refuse(self, recording: str) -> None:
        """Count a stream that found no room."""
        self.refused[recording] = self.refused.get(recording, 0) + 1
        self.total(recording).refused += 1

    def total(self, recording: str) -> Totals:
        """What a recording has got so far, to be changed."""
        self._changed_totals.add(recording)
        return self.totals.setdefault(recording, Totals())

    def drop_total(self, recording: str) -> None:
        """The recording was deleted."""
        self.totals.pop(recording, None)
        self.refused.pop(recording, None)
        self._changed_totals.discard(recording)
        self._deleted.append(recording)

    def commit(self) -> None:
        """Write down what changed.

        Raises:
            OSError: not written.
        """
        entry = self._entry({stream: self.kept[stream] for stream in self._changed_streams})
        entry.forgotten, entry.removed = self._forgotten, self._removed
        entry.batches = {batch: self.batches[batch] for batch in self._changed_batches}
        entry.totals, entry.deleted = {name: self.totals[name] for name in self._changed_totals}, self._deleted
        self._log.append(entry)
        self._changed_streams, self._forgotten = set(), []
        self._changed_batches, self._removed = set(), []
        self._changed_totals, self._deleted = set(), []
        if self._log.grown:
            whole = self._entry(self.kept)
            whole.batches, whole.totals = self.batches, self.totals
            self._log.compact(whole)

    def _entry(self, kept: dict[int, Kept]) -> Pass:
        return Pass(
            self.cursors,
            kept,
            refused=self.refused,
            dropped=self.dropped,
            run_id=self._run_id,
            sequence=self._sequence,
            gaps=self.gaps.known,
            gaps_before=self.gaps.before,
            told=self.gaps.told,
            missed=self.gaps.missed,
        )

    def close(self) -> None:
        """Give the descriptor back."""
        self._log.close()
