"""A pipeline with a shelf behind it, as the worker has them, and the account of what went in and came out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
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
from engine.segments.records import END, ERROR, SEEN, STATES, StreamRecord
from engine.segments.shelf import Shelf
from engine.streams.options import StreamOptions
from engine.streams.stream import Stream
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
        self._shelf = Shelf(data, storage or StorageOptions(), self.counters, 0.0)
        self._now_s = 0.0

    def take(self, batch: Batch) -> tuple[Step, list[LazyItem]]:
        """One batch, as the worker takes it."""
        self._now_s += STEP_S
        step = self._pipeline.packets(batch)
        streams = {stream.id: stream for stream in step.assigned.streams}
        ids, times = step.assigned.stream_ids, step.columns.timestamp_ns
        self._shelf.append(batch, ids, times, lambda number: _record(streams[number], SEEN), self._now_s)
        items = list(itertools.chain.from_iterable(self._pipeline.items(batch, step)))
        self._log(step.assigned.ended)
        ended, late = self._pipeline.expire()
        self._log(ended)
        return step, [*items, *late]

    def expire(self) -> None:
        """Let go of what is past its TTL."""
        self._shelf.expire(self._now_s, None, {}, wall_ns=EPOCH_NS)

    def finish(self) -> list[LazyItem]:
        """The end of input."""
        left, items = self._pipeline.finish()
        self._log(left)
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

    def _log(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            event = ERROR if stream.error else END
            self._shelf.log(event, _record(stream, event))


def _record(stream: Stream, event: int) -> StreamRecord:
    return StreamRecord(
        stream.id,
        stream.start_ns if event == SEEN else stream.end_ns,
        stream.packets,
        stream.bytes,
        stream.payload_bytes,
        stream.client_ip,
        stream.server_ip,
        stream.client_port,
        stream.server_port,
        stream.protocol,
        event,
        STATES.index(stream.state),
    )
