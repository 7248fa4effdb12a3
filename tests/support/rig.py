"""A stream table and a reassembler that are fed rows."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.counters import Counters
from engine.streams.chunk import Chunk
from engine.streams.options import StreamOptions
from engine.streams.reassembly import Reassembler
from engine.streams.stream import Stream
from engine.streams.table import StreamTable
from tests.support.columns import ACK, MS, START_NS, SYN, Row, batch_of
from tests.support.traffic import Told

CLIENT = Row(source="10.0.0.1", source_port=40000, target="10.0.0.2", target_port=80, sequence=101)
SERVER = Row(source="10.0.0.2", source_port=80, target="10.0.0.1", target_port=40000, sequence=901)
SHAKE = [
    replace(CLIENT, flags=SYN, sequence=100),
    replace(SERVER, flags=SYN | ACK, sequence=900, acknowledgement=101),
]
PATIENT = 1000.0
"""Seconds: longer than any test's capture."""

Packed = list[tuple[int, bytes, int]]
"""Direction, data and missing bytes of chunks."""


def everything(_: Stream) -> bool:
    return True


def says(side: Row, position: int, payload: bytes, after_ms: int = 0, **changes: Any) -> Row:
    """Payload at ``position`` behind the first byte of its side."""
    row = replace(side, sequence=side.sequence + position, payload=payload, timestamp_ns=START_NS + after_ms * MS)
    return replace(row, **changes)


class Rig:
    """The streams stage, everything wanted unless told otherwise."""

    def __init__(self, **options: float) -> None:
        settings = StreamOptions(**options)  # type: ignore[arg-type]
        self.counters = Counters()
        self.table = StreamTable(settings, self.counters, itertools.count(1).__next__)
        self.reassembler = Reassembler(settings, self.counters, self.table.register)
        self.streams: list[Stream] = []

    def feed(self, rows: Sequence[Row], wants: Callable[[Stream], bool] = everything) -> list[Chunk]:
        batch, columns = batch_of(rows)
        assigned = self.table.assign(columns)
        streams = self.table.register.streams_at(assigned.rows.tolist())
        self.streams += [stream for stream, begun in zip(streams, assigned.begun.tolist(), strict=True) if begun]
        wanted = np.array([wants(stream) for stream in streams], np.bool_)
        return self.reassembler.feed(batch, columns, assigned, wanted)

    def close(self) -> list[Chunk]:
        return [chunk for stream in self.streams for chunk in self.reassembler.close(stream)]

    def balance(self) -> tuple[int, int]:
        """Payload bytes in, and what became of them."""
        names = ("delivered_bytes_total", "duplicate_bytes_total", "late_bytes_total", "unwanted_bytes_total")
        out = sum(self.counters.get(f"streams_{name}") for name in (*names, "held_bytes"))
        return self.counters.get("streams_payload_bytes_total"), out + self.counters.dropped("reassembly")


def told(chunks: Sequence[Chunk]) -> dict[tuple[int, bool], Told]:
    """Both directions of each stream byte by byte, gaps included; one stream per client port."""
    found: dict[tuple[int, bool], Told] = defaultdict(list)
    for chunk in chunks:
        key = chunk.stream.client_port, chunk.direction == 0
        found[key] += [None] * chunk.missing_bytes + list(chunk.data)
    return {key: value for key, value in found.items() if value}


def packed(chunks: Sequence[Chunk]) -> Packed:
    return [(chunk.direction, chunk.data, chunk.missing_bytes) for chunk in chunks]


def joined(chunks: Sequence[Chunk]) -> Packed:
    """As ``packed``, without the cuts that batches made."""
    found: Packed = []
    for direction, data, missing in packed(chunks):
        if found and found[-1][0] == direction and not missing:
            found[-1] = (direction, found[-1][1] + data, found[-1][2])
        else:
            found.append((direction, data, missing))
    return found
