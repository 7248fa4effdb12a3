from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.segments import news as module
from engine.segments.items import ItemShelf
from engine.segments.news import new_extents, new_items, new_stream_records
from engine.segments.options import StorageOptions
from engine.segments.shelf import Shelf
from tests.support.segments import EPOCH_NS, batch_for, data_folder, describe, packets_for, streams_of, times_of


@pytest.mark.parametrize("max_bytes", [80, 400, 1 << 20])
@pytest.mark.parametrize("seed", range(5))
def test_everything_is_told_once_and_in_order(
    tmp_path: Path, seed: int, max_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", max_bytes)
    rng = random.Random(seed)
    data, options = data_folder(tmp_path), StorageOptions(storage_limit_bytes=256 << 10)
    shelf, items = Shelf(data, options, Counters(), 0.0), ItemShelf(data, options, Counters())
    told: dict[str, list[object]] = {"extents": [], "records": [], "items": []}
    cursors: dict[str, dict[str, int]] = {"extents": {}, "records": {}, "items": {}}
    written = 0

    def listen() -> bool:
        extents, cursors["extents"] = new_extents(data, cursors["extents"])
        records, cursors["records"] = new_stream_records(data, cursors["records"])
        rows, cursors["items"] = new_items(data, cursors["items"])
        told["extents"] += extents.tolist()
        told["records"] += records
        told["items"] += rows.tolist()
        return bool(len(extents) or records or len(rows))

    for step in range(20):
        packets = packets_for(rng, [1, 2, 3], rng.randint(1, 20), EPOCH_NS)
        shelf.append(batch_for(packets), streams_of(packets), times_of(packets), describe, float(step))
        entries = [(1, written + index, EPOCH_NS, rng.randbytes(20)) for index in range(rng.randint(0, 5))]
        items.append(entries, float(step))
        written += len(entries)
        if rng.random() < 0.5:
            listen()
    while listen():
        pass
    monkeypatch.setattr(module, "MAX_BYTES", 1 << 20)
    assert told["extents"] == new_extents(data, {})[0].tolist()
    assert told["records"] == new_stream_records(data, {})[0]
    assert told["items"] == new_items(data, {})[0].tolist()
    assert len(told["items"]) == written


def test_a_segment_that_is_gone_drops_out_of_the_cursor(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    shelf = Shelf(data, StorageOptions(), Counters(), 0.0)
    packets = packets_for(random.Random(1), [1], 5, EPOCH_NS)
    shelf.append(batch_for(packets), streams_of(packets), times_of(packets), describe, 0.0)
    _, cursor = new_extents(data, {})
    assert cursor == {"1": 32}
    shelf.expire(20.0, None, {}, wall_ns=EPOCH_NS)
    extents, cursor = new_extents(data, cursor)
    assert (len(extents), cursor) == (0, {})
