"""A recording as a source: the items that were recorded, and packets of runs in which nobody had made any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.archive.catalogue import find, lines, rows, with_items, with_packets
from engine.archive.lines import Kinds, decoded
from engine.archive.packets import Fetched, fetch
from engine.archive.store import Store
from engine.errors import CaptureError
from engine.units import ALWAYS, Span

if TYPE_CHECKING:
    from engine.kfl.needs import Needs

_NULLABLE = (dict, type(None))
ITEM: Kinds = {
    **dict.fromkeys(("stream", "startTime"), str),
    **dict.fromkeys(("index", "timestamp", "elapsedTime", "requestSize", "responseSize"), int),
    **dict.fromkeys(("protocol", "src", "dst"), dict),
    **dict.fromkeys(("request", "response", "error"), _NULLABLE),
}
"""Of every item, whatever its protocol."""


class RecordedItem(NamedTuple):
    """One recorded item."""

    item: dict[str, Any]
    recording: str


class Archive:
    """The batches of one store. Reads no more of them than can hold what is needed."""

    def __init__(self, store: Store, *, dissect: bool = False) -> None:
        """Reads every manifest.

        Args:
            store: where they lie.
            dissect: take packets apart anew, though there are items.

        Raises:
            CaptureError: the store cannot be read, or holds no batch.
        """
        self.where = store.where
        self.batches = find(store)
        if not self.batches:
            raise CaptureError(
                store.where, "a recording with sealed batches", "no manifest in it", "was anything kept?"
            )
        # by run and not by batch: an item may come one batch later than its packets
        dissected = set() if dissect else {batch.run for batch in self.batches if batch.manifest.items}
        self._with_items = [batch for batch in self.batches if batch.run in dissected]
        self._raw = [batch for batch in self.batches if batch.run not in dissected]

    def items(self, needs: Needs) -> Iterator[RecordedItem]:
        """Recorded items, batch by batch: those that are needed, and others of the same batches.

        Raises:
            CaptureError: a file cannot be read, or is damaged.
        """
        for batch in with_items(self._with_items, needs):
            recording = batch.manifest.recording
            where = batch.shown("items")
            for line in lines(batch, "items"):
                item = decoded(where, line, ITEM)
                item["record"] = recording
                yield RecordedItem(item, recording)

    def packets(self, needs: Needs, folder: Path, warn: Callable[[str], None]) -> list[Fetched]:
        """Packets of runs without items, as captures in ``folder``, an empty one; ``warn`` is told what is damaged.

        Raises:
            CaptureError: a file cannot be read.
        """
        return fetch(with_packets(self._raw, needs), Span(needs.since_ms, needs.until_ms), folder, warn)

    def all_packets(self, folder: Path, warn: Callable[[str], None]) -> list[Fetched]:
        """Those of all runs, otherwise as ``packets``.

        Raises:
            CaptureError: a file cannot be read.
        """
        return fetch((batch for batch in self.batches if batch.manifest.packets), ALWAYS, folder, warn)

    def rows(self) -> list[dict[str, Any]]:
        """A row per stream over all batches, by the time at which they began.

        Raises:
            CaptureError: a file cannot be read, or is damaged.
        """
        merged: dict[tuple[str, ...], dict[str, Any]] = {}
        for batch in self.batches:
            for row in rows(batch):
                key = *batch.run, row["stream"]
                merged[key] = _joined(merged[key], row) if key in merged else row
        return sorted(merged.values(), key=lambda row: (row["start"], row["stream"]))


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """One stream in two batches, the later one second."""
    if not other["packets"]:
        return {**one, "state": other["state"]}
    sums = {name: one[name] + other[name] for name in ("packets", "bytes", "payload_bytes")}
    return {**one, **sums, "end": max(one["end"], other["end"]), "state": other["state"]}
