"""Reassembly against a dictionary of bytes, wherever the batches are cut."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from engine.counters import Counters
from engine.streams.chunk import Chunk
from engine.streams.options import StreamOptions
from engine.streams.reassembly import Reassembler
from engine.streams.stream import Stream
from engine.streams.table import StreamTable
from tests.support.columns import ACK, SYN, Row, batch_of
from tests.support.traffic import Told, account, cut_anywhere, interleaved, random_conversation

CLIENT = Row(source="10.0.0.1", source_port=40000, target="10.0.0.2", target_port=80, sequence=101)
SERVER = Row(source="10.0.0.2", source_port=80, target="10.0.0.1", target_port=40000, sequence=901)
SHAKE = [
    replace(CLIENT, flags=SYN, sequence=100),
    replace(SERVER, flags=SYN | ACK, sequence=900, acknowledgement=101),
]
PATIENT = 1000.0


def everything(_: Stream) -> bool:
    return True


class Rig:
    """A stream table and a reassembler that are fed rows."""

    def __init__(self, **options: float) -> None:
        settings = StreamOptions(**options)  # type: ignore[arg-type]
        self.counters = Counters()
        self.table = StreamTable(settings, self.counters, itertools.count(1).__next__)
        self.reassembler = Reassembler(settings, self.counters)
        self.streams: list[Stream] = []

    def feed(self, rows: Sequence[Row], wants: Callable[[Stream], bool] = everything) -> list[Chunk]:
        batch, columns = batch_of(rows)
        assigned = self.table.assign(columns)
        self.streams += assigned.started
        return self.reassembler.feed(batch, columns, assigned, wants)

    def close(self) -> list[Chunk]:
        return [chunk for stream in self.streams for chunk in self.reassembler.close(stream)]

    def balance(self) -> tuple[int, int]:
        """Payload bytes in, and what became of them."""
        names = ("delivered_bytes_total", "duplicate_bytes_total", "late_bytes_total", "unwanted_bytes_total")
        out = sum(self.counters.get(f"streams_{name}") for name in (*names, "held_bytes"))
        return self.counters.get("streams_payload_bytes_total"), out + self.counters.dropped("reassembly")


def told(chunks: Sequence[Chunk]) -> dict[tuple[int, bool], Told]:
    """Both directions of each stream byte by byte, gaps included."""
    found: dict[tuple[int, bool], Told] = defaultdict(list)
    for chunk in chunks:
        key = chunk.stream.client_port, chunk.direction == 0
        found[key] += [None] * chunk.missing_bytes + list(chunk.data)
    return {key: list(value) for key, value in found.items() if value}


def packed(chunks: Sequence[Chunk]) -> list[tuple[int, bytes, int]]:
    return [(chunk.direction, chunk.data, chunk.missing_bytes) for chunk in chunks]


@pytest.mark.parametrize("damage", [0.0, 0.03, 0.15])
@pytest.mark.parametrize("seed", range(40))
def test_bytes_are_those_of_the_obvious_account_wherever_batches_are_cut(seed: int, damage: float) -> None:
    chance = random.Random(seed)
    count = chance.randrange(1, 8)
    rows = interleaved(chance, [random_conversation(chance, 40000 + index, damage) for index in range(count)])
    expected = account(rows)
    for pieces in (1, 2, 7, 50):
        rig = Rig(gap_wait_s=PATIENT)
        chunks: list[Chunk] = []
        for part in cut_anywhere(chance, rows, pieces):
            chunks += rig.feed(part)
            assert len(set(rig.balance())) == 1
        chunks += rig.close()
        assert told(chunks) == expected
        assert len(set(rig.balance())) == 1
        assert rig.counters.get("streams_held_bytes") == 0
