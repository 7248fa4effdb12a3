from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import msgspec
import pytest

from engine.recording.batch_state import BatchState
from engine.recording.open_batch import OpenBatch, read_index, read_items, read_stream_records
from engine.recording.packets import packets_in
from engine.segments.records import SEEN, StreamRecord
from tests.support.segments import records_of

STATE = BatchState("b-00000001", "r", 0)


def record(stream: int, packets: int) -> bytes:
    return records_of([StreamRecord(stream, 1, packets, 0, 0, bytes(16), bytes(16), 1, 2, 6, SEEN, 0)]).tobytes()


def fill(batch: OpenBatch, chance: random.Random, rounds: int) -> None:
    for _ in range(rounds):
        stream = chance.randrange(1, 9)
        frames = [chance.randbytes(chance.randrange(50)) for _ in range(chance.randrange(1, 4))]
        run = b"".join(struct.pack("<IIII", 1, 2, len(frame), len(frame)) + frame for frame in frames)
        batch.add_packets(run, packets_in(run, [stream], [len(run)]))
        batch.add_items([(stream, chance.randbytes(chance.randrange(30)))])
        batch.describe({stream: record(stream, chance.randrange(1000)), 99: record(99, 1)})


def content(folder: Path, state: BatchState) -> tuple[object, ...]:
    index = read_index(folder, state.packets)
    packets = (folder / "packets").read_bytes()[: state.packet_bytes] if state.packets else b""
    items = list(read_items(folder, state.item_bytes))
    return index.tolist(), packets, items, read_stream_records(folder, state.stream_records)


@pytest.mark.parametrize("seed", range(20))
def test_what_was_not_committed_is_cut_off_and_the_rest_goes_on(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    batch = OpenBatch(tmp_path / "b", msgspec.structs.replace(STATE))
    fill(batch, chance, chance.randrange(4))
    committed, before = msgspec.structs.replace(batch.state), content(batch.folder, batch.state)
    streams, described = set(batch.streams), dict(batch.described)
    fill(batch, chance, chance.randrange(1, 4))
    again = OpenBatch(tmp_path / "b", msgspec.structs.replace(committed))
    assert again.state == committed
    assert content(again.folder, again.state) == before
    assert (again.streams, again.described) == (streams, described)
    for name, size in (("packets", committed.packet_bytes), ("items", committed.item_bytes)):
        assert not (tmp_path / "b" / name).exists() or (tmp_path / "b" / name).stat().st_size == size


@pytest.mark.parametrize("seed", range(30))
def test_where_a_power_cut_took_what_was_committed_the_whole_packets_and_items_stay(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    batch = OpenBatch(tmp_path / "b", msgspec.structs.replace(STATE))
    fill(batch, chance, 4)
    index, packets, items, _ = content(batch.folder, batch.state)
    name = chance.choice(["packets", "index", "items", "streams"])
    size = (tmp_path / "b" / name).stat().st_size
    os.truncate(tmp_path / "b" / name, chance.randrange(size))
    again = OpenBatch(tmp_path / "b", msgspec.structs.replace(batch.state))
    left_index, left_packets, left_items, _ = content(again.folder, again.state)
    assert isinstance(index, list)
    assert isinstance(items, list)
    assert left_index == index[: again.state.packets]
    assert left_items == items[: again.state.items]
    assert isinstance(packets, bytes)
    assert left_packets == packets[: again.state.packet_bytes]
    assert again.state.packet_bytes == sum(row[3] for row in index[: again.state.packets])
    fill(again, chance, 1)


def test_only_streams_of_the_batch_are_described_and_only_when_there_is_news(tmp_path: Path) -> None:
    batch = OpenBatch(tmp_path / "b", msgspec.structs.replace(STATE))
    batch.add_items([(1, b"x")])
    assert batch.describe({1: record(1, 1), 2: record(2, 1)})
    assert not batch.describe({1: record(1, 1), 2: record(2, 2)})
    assert batch.describe({1: record(1, 2)})
    assert read_stream_records(batch.folder, batch.state.stream_records) == {1: record(1, 2)}
