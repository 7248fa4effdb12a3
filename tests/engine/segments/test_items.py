from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.errors import StorageError
from engine.segments.copied import Copied
from engine.segments.expired import JSON_TTL, read_expired
from engine.segments.files import numbers_in, size_of
from engine.segments.items import ENDINGS, ItemShelf
from engine.segments.options import StorageOptions
from engine.segments.reader import SegmentReader
from tests.support.disk import file_size_limit
from tests.support.segments import EPOCH_NS, data_folder

OPTIONS = StorageOptions(window=False, storage_limit_bytes=256 << 10)
Entry = tuple[int, int, int, bytes]


def entries_for(rng: random.Random, stream: int, first: int, count: int) -> list[Entry]:
    return [(stream, first + index, EPOCH_NS, rng.randbytes(rng.randint(0, 60))) for index in range(count)]


def expire(items: ItemShelf, now_s: float, copied: Copied | None = None, **keep_bytes: int) -> None:
    items.expire(now_s, copied, keep_bytes, wall_ns=EPOCH_NS)


@pytest.mark.parametrize("seed", range(10))
def test_items_are_found_by_stream_and_index(tmp_path: Path, seed: int) -> None:
    rng, data = random.Random(seed), data_folder(tmp_path)
    items, reader = ItemShelf(data, OPTIONS, Counters()), SegmentReader(data)
    written: dict[int, dict[int, bytes]] = {}
    for step in range(40):
        stream = rng.randint(1, 5)
        mine = written.setdefault(stream, {})
        entries = entries_for(rng, stream, len(mine), rng.randint(0, 8))
        items.append(entries, float(step))
        mine |= {index: blob for _, index, _, blob in entries}
        asked = rng.randint(1, 6)
        assert reader.items_of(asked) == list(written.get(asked, {}).values())
        index = rng.randint(0, 9)
        assert reader.item(asked, index) == written.get(asked, {}).get(index)
    assert items.size_bytes == sum(path.stat().st_size for path in (data / "items").iterdir())
    assert len(numbers_in(data / "items", "idx")) == 8


def test_an_item_that_was_stored_twice_counts_once(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    items = ItemShelf(data, OPTIONS, Counters())
    items.append([(1, 0, EPOCH_NS, b"first")], 0.0)
    items.append([(1, 0, EPOCH_NS, b"second")], 6.0)
    reader = SegmentReader(data)
    assert (reader.items_of(1), reader.item(1, 0)) == ([b"second"], b"second")


def test_items_go_after_their_ttl_and_numbers_go_on(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    items, reader = ItemShelf(data, OPTIONS, Counters()), SegmentReader(data)
    items.append([(1, 0, EPOCH_NS, b"x")], 0.0)
    expire(items, 299.0)
    assert reader.item(1, 0) == b"x"
    expire(items, 300.0)
    assert reader.item(1, 0) is None
    assert [row["reason"] for row in read_expired(data / "items")] == [JSON_TTL]
    items.close()
    again = ItemShelf(data, OPTIONS, Counters())
    again.append([(2, 0, EPOCH_NS, b"y")], 0.0)
    assert numbers_in(data / "items", "idx") == [2]


@pytest.mark.parametrize(
    ("copied", "keep_bytes", "goes"),
    [
        (None, 100, True),
        (Copied(), 0, False),
        (Copied(items={"1": 39}), 0, False),
        (Copied(items={"1": 40}), 0, True),
        (Copied(items={"1": 40}, journals={"broker.log": 99}), 100, False),
        (Copied(items={"1": 40}, journals={"broker.log": 100}), 100, True),
    ],
)
def test_an_item_that_is_not_copied_stays(tmp_path: Path, copied: Copied | None, keep_bytes: int, goes: bool) -> None:
    data = data_folder(tmp_path)
    items = ItemShelf(data, OPTIONS, Counters())
    items.append([(1, 0, EPOCH_NS, b"x")], 0.0)
    items.expire(1000.0, copied, {"broker.log": keep_bytes}, wall_ns=EPOCH_NS)
    assert (SegmentReader(data).item(1, 0) is None) == goes


def test_items_of_an_earlier_process_have_their_ttl_again(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    ItemShelf(data, OPTIONS, Counters()).append([(1, 0, EPOCH_NS, b"x")], 0.0)
    items = ItemShelf(data, OPTIONS, Counters())
    expire(items, 10_000.0)
    expire(items, 10_299.0)
    assert SegmentReader(data).item(1, 0) == b"x"
    expire(items, 10_300.0)
    assert SegmentReader(data).item(1, 0) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_kill_anywhere_leaves_whole_items(tmp_path: Path, seed: int) -> None:
    rng, data = random.Random(seed), data_folder(tmp_path)
    entries = entries_for(rng, 1, 0, 12)
    items = ItemShelf(data, OPTIONS, Counters())
    items.append(entries, 0.0)
    items.close()
    sizes = {}
    for ending in ENDINGS:
        path = data / "items" / f"00000001.{ending}"
        os.truncate(path, rng.randint(0, size_of(path)))
        sizes[ending] = size_of(path)
    whole = 0
    while (
        whole < 12
        and 40 * (whole + 1) <= sizes["idx"]
        and sum(len(e[3]) for e in entries[: whole + 1]) <= sizes["items"]
    ):
        whole += 1
    again = ItemShelf(data, OPTIONS, Counters())
    again.append(entries_for(rng, 2, 0, 3), 0.0)
    assert SegmentReader(data).items_of(1) == [blob for *_, blob in entries[:whole]]
    assert len(SegmentReader(data).items_of(2)) == 3


@pytest.mark.parametrize("seed", range(20))
def test_a_full_disk_leaves_whole_items_and_is_counted(tmp_path: Path, seed: int) -> None:
    rng, data, counters = random.Random(seed), data_folder(tmp_path), Counters()
    items = ItemShelf(data, OPTIONS, counters)
    entries = entries_for(rng, 1, 0, 20)
    with file_size_limit(rng.randint(1, 900)):
        items.append(entries, 0.0)
    stored = counters.get("item_segments_stored_total")
    assert stored + counters.dropped("item_segments") == 20
    assert SegmentReader(data).items_of(1) == [blob for *_, blob in entries[:stored]]
    items.append(entries_for(rng, 2, 0, 5), 1.0)
    assert len(SegmentReader(data).items_of(2)) == 5


def test_the_budget_holds_and_what_is_refused_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rng, data, counters = random.Random(1), data_folder(tmp_path), Counters()
    items = ItemShelf(data, OPTIONS, counters)
    expire_extra = OPTIONS.storage_limit_bytes - 10_000
    items.expire(0.0, wall_ns=EPOCH_NS, extra_bytes=expire_extra)
    for step in range(30):
        items.append(entries_for(rng, 1, 20 * step, 20), step / 10)
        assert items.size_bytes + expire_extra <= OPTIONS.storage_limit_bytes
    assert counters.get("item_segments_stored_total") + counters.dropped("item_segments") == 600
    assert counters.dropped("item_segments") > 0
    assert ["storage_limit" in message for message in caplog.messages] == [True]


def test_a_folder_that_is_missing_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="expected a folder to write items to"):
        ItemShelf(tmp_path / "nowhere", OPTIONS, Counters())
