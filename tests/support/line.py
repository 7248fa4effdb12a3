"""A pipeline with a shelf behind it, as the worker has them, and the account of what went in and came out."""

from __future__ import annotations

import itertools
from pathlib import Path

from engine.capture.batch import Batch
from engine.counters import Counters
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.items.item import LazyItem
from engine.pipeline import Node, Pipeline, Step
from engine.resolve.static import NoNames
from engine.segments.folder import open_folder
from engine.segments.options import StorageOptions
from engine.segments.shelf import Shelf
from engine.streamlog import ends_of, seen_by_id
from engine.streams.options import StreamOptions
from tests.support.packets import EPOCH_NS

STEP_S = 0.1
"""Monotonic time that passes per batch."""


class Line:
    """Everything between a source and the scripts."""

    def __init__(self, data: Path, storage: StorageOptions | None = None, streams: StreamOptions | None = None) -> None:
        """``data`` is made."""
        open_folder(data, "n1", EPOCH_NS)
        self.data, self.counters = data, Counters()
        numbers = itertools.count(1)
        self._pipeline = Pipeline(
            streams or StreamOptions(),
            DissectOptions(),
            load_rows(installed=False),
            NoNames(),
            Node("n1", "10.0.0.9"),
            self.counters,
            lambda: next(numbers),
        )
        self._shelf = Shelf(data, storage or StorageOptions(window=False), self.counters, 0.0)
        self._now_s = 0.0

    def take(self, batch: Batch) -> tuple[Step, list[LazyItem]]:
        """One batch, as the worker takes it."""
        self._now_s += STEP_S
        step = self._pipeline.packets(batch)
        ids, times = step.assigned.stream_ids, step.columns.timestamp_ns
        self._shelf.append(batch, ids, times, seen_by_id(step.assigned.records), self._now_s)
        items = list(itertools.chain.from_iterable(self._pipeline.items(batch, step)))
        self._shelf.log(ends_of(step.assigned.ended.records))
        ended, late = self._pipeline.expire()
        self._shelf.log(ends_of(ended))
        return step, [*items, *late]

    def expire(self) -> None:
        """Let go of what is past its TTL."""
        self._shelf.expire(self._now_s, None, {}, wall_ns=EPOCH_NS)

    def finish(self) -> list[LazyItem]:
        """The end of input."""
        left, items = self._pipeline.finish()
        self._shelf.log(ends_of(left))
        self._shelf.close()
        return items

    def check_balance(self) -> None:
        """In = out + dropped, stage by stage."""
        get, dropped = self.counters.get, self.counters.dropped
        assert get("capture_packets_total") == get("streams_packets_total") + dropped("decode")
        assert get("streams_packets_total") == get("segments_offered_total")
        assert get("segments_offered_total") == get("segments_stored_total") + dropped("segments")
        kept = sum(get(f"streams_{what}_bytes_total") for what in ("delivered", "duplicate", "late", "unwanted"))
        held = get("streams_held_bytes")
        assert get("streams_payload_bytes_total") == kept + held + dropped("reassembly"), self.counters.snapshot()
        assert get("streams_started_total") == get("streams_ended_total") + get("streams_live")
