"""Several shelves on one data folder, as several workers have them, and the readers beside them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from engine.counters import Counters
from engine.recording.index_tail import IndexTail
from engine.segments.files import numbers_in
from engine.segments.items import ItemShelf
from engine.segments.member import NUMBERS, Member, newest_of_each, range_of
from engine.segments.options import StorageOptions
from engine.segments.reader import SegmentReader
from engine.segments.records import EXTENT
from engine.segments.shelf import Shelf
from tests.support.segments import EPOCH_NS, Owned, batch_for, data_folder, described, packets_for, streams_of, times_of

OPTIONS = StorageOptions(window=False, storage_limit_bytes=64 << 10)


def put(shelf: Shelf, packets: list[Owned], now_s: float) -> None:
    shelf.append(batch_for(packets), streams_of(packets), times_of(packets), described, now_s)


@pytest.mark.parametrize("seed", range(10))
def test_readers_find_every_packet_and_item_of_every_worker(tmp_path: Path, seed: int) -> None:
    rng, data, count = random.Random(seed), data_folder(tmp_path), random.Random(seed).randint(2, 4)
    members = [Member(index, count) for index in range(count)]
    shelves = [Shelf(data, OPTIONS, Counters(), 0.0, member) for member in members]
    items = [ItemShelf(data, OPTIONS, Counters(), member) for member in members]
    reader, tail = SegmentReader(data), IndexTail(data / "segments", "idx", EXTENT, {})
    stored: dict[int, int] = {}
    tailed, written = 0, dict[int, list[bytes]]()
    for step in range(60):
        index = rng.randrange(count)
        streams = range(index + count, index + 8 * count, count)
        packets = packets_for(rng, streams, rng.randint(1, 20), EPOCH_NS + step)
        put(shelves[index], packets, step / 10)
        for stream, _ in packets:
            stored[stream] = stored.get(stream, 0) + 1
        mine = written.setdefault(streams[0], [])
        mine.append(b"item %d" % step)
        items[index].append([(streams[0], len(mine) - 1, EPOCH_NS, mine[-1])], step / 10)
        asked = rng.choice(packets)[0]
        assert reader.stored(asked).packets == stored[asked]
        assert reader.items_of(streams[0]) == mine
        tailed += sum(int(rows["length"].astype(np.int64).sum()) for _, rows in tail.new()) if step % 3 == 0 else 0
    tailed += sum(int(rows["length"].astype(np.int64).sum()) for _, rows in tail.new())
    numbers = numbers_in(data / "segments", "pcap")
    assert {range_of(number) for number in numbers} == set(range(count))
    assert tailed == sum(path.stat().st_size - 24 for path in (data / "segments").glob("*.pcap"))


def test_what_workers_left_that_are_no_more_is_expired_by_the_others_and_its_numbers_are_not_used_again(
    tmp_path: Path,
) -> None:
    data = data_folder(tmp_path)
    for index in range(3):
        shelf = Shelf(data, OPTIONS, Counters(), 0.0, Member(index, 3))
        put(shelf, packets_for(random.Random(index), [index + 3], 5, EPOCH_NS), 0.0)
        shelf.close()
    assert numbers_in(data / "segments", "pcap") == [1, NUMBERS + 1, 2 * NUMBERS + 1]
    for index, left in ((0, [NUMBERS + 1]), (1, [])):
        shelf = Shelf(data, OPTIONS, Counters(), 0.0, Member(index, 2))
        shelf.expire(1000.0, None, {}, wall_ns=EPOCH_NS)
        shelf.close()
        assert numbers_in(data / "segments", "pcap") == left
    shelf = Shelf(data, OPTIONS, Counters(), 0.0, Member(2, 3))
    put(shelf, packets_for(random.Random(9), [5], 5, EPOCH_NS), 0.0)
    assert numbers_in(data / "segments", "pcap") == [2 * NUMBERS + 2]


def test_a_worker_that_starts_leaves_the_unfinished_files_of_another_alone(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    for number in (5, NUMBERS + 5):
        (data / "segments" / f"{number:08d}.streams").touch()
    Shelf(data, OPTIONS, Counters(), 0.0, Member(0, 2))
    assert numbers_in(data / "segments", "streams") == [NUMBERS + 5]


def test_a_worker_out_of_numbers_refuses_to_use_those_of_the_next(tmp_path: Path) -> None:
    data, counters = data_folder(tmp_path), Counters()
    (data / "segments" / f"{NUMBERS - 1}.pcap").touch()
    shelf = Shelf(data, OPTIONS, counters, 0.0)
    put(shelf, packets_for(random.Random(1), [1], 5, EPOCH_NS), 0.0)
    assert counters.get("segments_dropped_total{reason=storage_full}") == 5
    assert numbers_in(data / "segments", "pcap") == []


def test_the_newest_of_each_worker_is_its_highest() -> None:
    assert newest_of_each([1, 2, NUMBERS, 3 * NUMBERS + 1, 3 * NUMBERS]) == {2, NUMBERS, 3 * NUMBERS + 1}
