"""Under pressure leased packets move; nobody who reads may notice."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.counters import Counters
from engine.segments.files import numbered, numbers_in
from engine.segments.options import StorageOptions
from engine.segments.reader import SegmentReader
from engine.segments.records import END, EXTENT, pcap_header, read_records
from engine.segments.rescue import HIDDEN, newest
from engine.segments.shelf import Shelf
from tests.support.disk import file_size_limit
from tests.support.segments import (
    EPOCH_NS,
    Owned,
    batch_for,
    data_folder,
    describe,
    described,
    packets_for,
    record,
    records_of,
    streams_of,
    times_of,
)

LIMIT_BYTES = 128 << 10
OPTIONS = StorageOptions(window=False, storage_limit_bytes=LIMIT_BYTES, pcap_ttl_s=10.0)


class Scene:
    """A shelf, and all that was stored on it."""

    def __init__(self, tmp_path: Path) -> None:
        self.data, self.counters, self.now_s = data_folder(tmp_path), Counters(), 0.0
        self.shelf = Shelf(self.data, OPTIONS, self.counters, 0.0)
        self.stored: dict[int, bytes] = {}
        self.leased: list[int] = []

    def put(self, packets: list[Owned]) -> None:
        self.shelf.append(batch_for(packets), streams_of(packets), times_of(packets), described, self.now_s)
        assert not self.counters.dropped("segments")
        for stream, packet in packets:
            self.stored[stream] = self.stored.get(stream, b"") + packet

    def expire(self) -> None:
        self.shelf.expire(self.now_s, None, {}, wall_ns=EPOCH_NS)

    def rescued(self) -> int:
        return self.counters.get("segments_rescued_total")

    def has(self, reader: SegmentReader, stream: int, target: Path) -> bool:
        reader.materialise(stream, target)
        return target.read_bytes() == pcap_header(1) + self.stored[stream]


def crowded(tmp_path: Path) -> Scene:
    """Little room is left; each segment holds a leased stream, and much that nobody wants."""
    scene, rng, number = Scene(tmp_path), random.Random(1), 0
    while scene.shelf.size_bytes < LIMIT_BYTES * 7 // 8 + 2048:
        leased = 1 + number // 84
        if leased not in scene.leased:
            scene.shelf.lease(leased)
            scene.leased.append(leased)
        packets = packets_for(rng, [leased], 4, EPOCH_NS + number * 1000) + [
            (1000 + number + index, record(EPOCH_NS + number, rng.randbytes(60))) for index in range(28)
        ]
        number += 28
        scene.put(packets)
    scene.now_s = 100.0
    return scene


def test_what_is_leased_moves_and_the_rest_goes(tmp_path: Path) -> None:
    scene = crowded(tmp_path)
    reader, before = SegmentReader(scene.data), scene.shelf.size_bytes
    assert scene.has(reader, 1, tmp_path / "x")
    while scene.shelf.size_bytes > LIMIT_BYTES * 7 // 8:
        left = scene.rescued()
        scene.expire()
        assert scene.rescued() > left
    assert scene.shelf.size_bytes < before
    for one in (reader, SegmentReader(scene.data)):
        assert all(scene.has(one, stream, tmp_path / "x") for stream in scene.leased)
        gone = sum(one.stream(stream) is None for stream in scene.stored)
        assert gone > 28
    assert not (scene.data / "segments" / HIDDEN).exists()


def test_a_released_stream_goes_after_its_time(tmp_path: Path) -> None:
    scene = crowded(tmp_path)
    scene.expire()
    assert scene.rescued()
    for stream in scene.leased:
        scene.shelf.release(stream)
    for _ in range(2):
        scene.expire()
        scene.now_s += 11.0
    scene.expire()
    assert numbers_in(scene.data / "segments", "pcap") == []


def test_originals_beside_their_copies_count_once(tmp_path: Path) -> None:
    """A worker that is killed between making the copies and deleting the originals, and readers that look then."""
    scene = crowded(tmp_path)
    folder, saved = scene.data / "segments", tmp_path / "saved"
    shutil.copytree(folder, saved)
    scene.expire()
    assert scene.rescued()
    scene.shelf.close()
    for path in saved.iterdir():
        if not (folder / path.name).exists():
            shutil.copy(path, folder)
    (folder / HIDDEN).mkdir()
    for restarted in (False, True):
        if restarted:
            Shelf(scene.data, OPTIONS, Counters(), 0.0).close()
        reader = SegmentReader(scene.data)
        assert all(scene.has(reader, stream, tmp_path / "x") for stream in scene.stored)
    assert not (folder / HIDDEN).exists()


def test_the_end_of_a_stream_is_not_forgotten(tmp_path: Path) -> None:
    scene = crowded(tmp_path)
    scene.shelf.log(records_of([describe(1)._replace(event=END, state=2)]))
    scene.put(packets_for(random.Random(2), [2000], 1, EPOCH_NS))
    reader = SegmentReader(scene.data)
    scene.expire()
    assert scene.rescued()
    found = reader.stream(1)
    assert found is not None
    assert (found.event, found.state) == (END, 2)


@pytest.mark.parametrize("allowed", [0, 24, 100, 500])
def test_a_disk_that_takes_no_copies_loses_nothing(tmp_path: Path, allowed: int) -> None:
    scene = crowded(tmp_path)
    with file_size_limit(allowed):
        scene.expire()
    assert scene.rescued() == 0
    reader = SegmentReader(scene.data)
    assert all(scene.has(reader, stream, tmp_path / "x") for stream in scene.stored)
    scene.now_s += 1.0
    scene.expire()
    assert scene.rescued()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_leased_streams_stay_whole_whatever_happens(tmp_path: Path, seed: int) -> None:
    scene, rng, leased = Scene(tmp_path), random.Random(seed), dict[int, float]()
    reader = SegmentReader(scene.data)
    for step in range(400):
        new = range(step * 4 + 1, step * 4 + 5)
        streams = [stream for stream in leased if rng.random() < 0.3] + list(new) * 3
        scene.put(packets_for(rng, streams, rng.randint(5, 25), EPOCH_NS + step * 10**6))
        for stream in new:
            if stream in scene.stored and rng.random() < 0.05:
                scene.shelf.lease(stream)
                leased[stream] = scene.now_s
        scene.now_s += 1.0
        scene.expire()
        for stream in [stream for stream, since_s in leased.items() if scene.now_s - since_s > 80.0]:
            scene.shelf.release(stream)
            del leased[stream]
        if step % 20 == 19:
            assert all(scene.has(reader, stream, tmp_path / "x") for stream in leased)
            assert scene.shelf.size_bytes <= LIMIT_BYTES
    assert scene.rescued() > 10
    fresh = SegmentReader(scene.data)
    assert all(scene.has(fresh, stream, tmp_path / "x") for stream in leased)


def test_a_copy_of_a_copy_counts_alone(tmp_path: Path) -> None:
    def rows(*pairs: tuple[int, int]) -> np.ndarray:
        return np.array([(stream, origin, 1, 1, 1) for stream, origin in pairs], EXTENT)

    parts = [(5, rows((1, 5), (2, 5), (3, 5))), (6, rows((1, 6))), (8, rows((1, 5), (2, 5))), (9, rows((1, 5), (1, 9)))]
    kept = [(number, list(zip(found["stream"], found["segment"], strict=True))) for number, found in newest(parts)]
    assert kept == [(5, [(3, 5)]), (6, [(1, 6)]), (8, [(2, 5)]), (9, [(1, 5), (1, 9)])]


def test_a_copy_names_where_it_lay(tmp_path: Path) -> None:
    scene = crowded(tmp_path)
    scene.expire()
    folder = scene.data / "segments"
    made = numbers_in(folder, "pcap")[-1]
    copies = read_records(numbered(folder, made, "idx"), EXTENT)
    assert len(copies)
    assert (copies["segment"] < made).all()
