"""Who reads along gets each item once, whatever becomes of the files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.segments.files import numbers_in
from engine.segments.items import ENDINGS, SEGMENT_AGE_S, ItemShelf
from engine.segments.itemtail import ItemTail
from engine.segments.member import Member
from engine.segments.options import StorageOptions
from tests.support.segments import EPOCH_NS, data_folder


def shelf_in(data: Path, index: int = 0, count: int = 1) -> ItemShelf:
    return ItemShelf(data, StorageOptions(window=False, json_ttl_s=10.0), Counters(), Member(index, count))


def put(shelf: ItemShelf, *blobs: bytes, now_s: float = 0.0) -> None:
    shelf.append([(1, 0, EPOCH_NS, blob) for blob in blobs], now_s)


def test_what_was_there_before_is_passed_over(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    shelf = shelf_in(data)
    put(shelf, b"old")
    put(shelf, b"older", now_s=2 * SEGMENT_AGE_S)
    tail = ItemTail(data)
    assert list(tail.take()) == []
    put(shelf, b"new", now_s=2 * SEGMENT_AGE_S)
    put(shelf, b"newer", now_s=9 * SEGMENT_AGE_S)
    assert list(tail.take()) == [b"new", b"newer"]
    assert list(tail.take()) == []
    assert tail.lost == 0


@pytest.mark.parametrize("seed", range(10))
def test_each_item_of_several_workers_comes_once_and_in_their_order(seed: int, tmp_path: Path) -> None:
    chance, data = random.Random(seed), data_folder(tmp_path)
    shelves = [shelf_in(data, index, 3) for index in range(3)]
    tail, told, found = ItemTail(data), [[], [], []], [[], [], []]  # type: ignore[var-annotated]
    now_s = 0.0
    for number in range(60):
        now_s += chance.random() * SEGMENT_AGE_S
        worker = chance.randrange(3)
        blob = b"%d %d" % (worker, number)
        told[worker].append(blob)
        put(shelves[worker], blob, now_s=now_s)
        if chance.random() < 0.5:
            for item in tail.take():
                found[int(item[:1])].append(item)
    for item in tail.take():
        found[int(item[:1])].append(item)
    assert found == told


def test_a_segment_that_expires_while_it_is_followed_is_read_to_its_end(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    shelf, tail = shelf_in(data), ItemTail(data)
    put(shelf, b"one")
    assert list(tail.take()) == [b"one"]
    put(shelf, b"two")
    shelf.expire(100.0, wall_ns=EPOCH_NS)
    shelf.expire(200.0, wall_ns=EPOCH_NS)
    assert numbers_in(data / "items", "idx") == []
    assert list(tail.take()) == [b"two"]
    put(shelf, b"three", now_s=200.0)
    assert (list(tail.take()), tail.lost) == ([b"three"], 0)


def test_a_segment_that_went_before_it_was_looked_at_is_counted(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    shelf, tail = shelf_in(data), ItemTail(data)
    put(shelf, b"one")
    put(shelf, b"two", now_s=10.0)
    (data / "items" / f"00000001.{ENDINGS[0]}").unlink()
    assert (list(tail.take()), tail.lost) == ([b"two"], 1)
    tail.close()


def test_a_new_segment_whose_items_are_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    tail = ItemTail(data)
    (data / "items/00000001.idx").touch()
    assert list(tail.take()) == []
    put(shelf_in(data), b"one")
    assert (list(tail.take()), tail.lost) == ([b"one"], 0)
