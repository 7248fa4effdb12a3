"""Payload as items, where it is asked for (``tcp``, ``udp``, ``sctp`` in ``tap.enabledDissectors``)."""

from __future__ import annotations

from engine.dissect.options import DissectOptions
from engine.dissect.raw import RAW, RawPayload, message_of
from engine.items.dataitem import DataItem
from engine.items.item import Place
from engine.streams.chunk import Chunk


class RawItems:
    """Makes them."""

    __slots__ = ("_limit_bytes", "_place", "rows")

    def __init__(self, options: DissectOptions, place: Place) -> None:
        self.rows = {number: row for number, row in RAW.items() if row.dissector in options.dissectors}
        """By IP protocol number; empty where nobody asks for any."""
        self._limit_bytes = options.max_raw_bytes
        self._place = place

    def of(self, chunk: Chunk, wanted: frozenset[str] | None) -> list[DataItem]:
        """``chunk`` itself, if its protocol is among those ``wanted``; None: all are."""
        stream, row = chunk.stream, self.rows.get(chunk.stream.protocol)
        if row is None or not (wanted is None or row.name in wanted):
            return []
        payload = RawPayload(chunk, self._limit_bytes)
        index, stream.items = stream.items, stream.items + 1
        return [DataItem(stream, index, row, self._place, message_of(chunk, payload), payload)]
