"""A stream table whose rows are followed as objects: one per stream for as long as the test lasts."""

from __future__ import annotations

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.counters import Counters
from engine.decode.columns import Columns
from engine.streams.options import StreamOptions
from engine.streams.register import Records, streams_of
from engine.streams.stored import Stored
from engine.streams.stream import Stream
from engine.streams.table import StreamTable


class Followed(NamedTuple):
    """``Assigned``, with the streams themselves."""

    stream_ids: npt.NDArray[np.uint64]
    order: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    from_client: npt.NDArray[np.bool_]
    streams: list[Stream]
    started: list[Stream]
    ended: list[Stream]


class Table:
    """Keeps every stream up to date with what the table says of it."""

    def __init__(
        self, options: StreamOptions, counters: Counters, hash_words: npt.NDArray[np.uint64] | None = None
    ) -> None:
        self.table = StreamTable(options, counters, itertools.count(1).__next__, hash_words)
        self._streams: dict[int, Stream] = {}

    @staticmethod
    def rows_of(columns: Columns) -> Records:
        """The rows of the streams of some packets."""
        return StreamTable(StreamOptions(), Counters(), itertools.count(1).__next__).assign(columns).records

    @property
    def live(self) -> int:
        return self.table.live

    def assign(self, columns: Columns, stored: Stored | None = None) -> Followed:
        assigned = self.table.assign(columns, stored)
        streams = self._known(assigned.records)
        started = [stream for stream, begun in zip(streams, assigned.begun.tolist(), strict=True) if begun]
        ended = self._known(assigned.ended.records)
        return Followed(
            assigned.stream_ids, assigned.order, assigned.starts, assigned.from_client, streams, started, ended
        )

    def expire(self, capture_ns: int) -> list[Stream]:
        return self._known(self.table.expire(capture_ns).records)

    def finish(self) -> list[Stream]:
        return self._known(self.table.finish().records)

    def _known(self, records: Records) -> list[Stream]:
        found = []
        for now in streams_of(records):
            stream = self._streams.setdefault(now.id, now)
            for field in dataclasses.fields(Stream):
                setattr(stream, field.name, getattr(now, field.name))
            found.append(stream)
        return found
