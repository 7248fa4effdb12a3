from __future__ import annotations

import random
from collections import Counter as Bag
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from engine.capture.batch import Batch
from engine.counters import Counters
from engine.segments.options import StorageOptions
from engine.segments.reader import SegmentReader
from engine.segments.records import EXTENT, SEEN, Records, StreamRecord, read_records
from engine.segments.resume import NOTE, Resume, last_stored_ns
from engine.segments.shelf import Shelf
from tests.support.audit import records_in
from tests.support.packets import Packet, batch_of
from tests.support.segments import records_of

RUN = "20261120T103000Z-a1b2c3d4"
EPOCH_NS = 1_700_000_000_000_000_000


class Killed(Exception):
    """What a worker does not survive."""


class Replayer:
    """The worker's half of a replay, from the note on; dies where it is told."""

    def __init__(self, data: Path, batches: list[Batch], run: str = RUN) -> None:
        self.data, self.batches = data, batches
        self.resume = Resume(data / "resume", run)
        self.shelf = Shelf(data, StorageOptions(storage_limit_bytes=4096 * 32), Counters(), 0.0)
        self.resume.begin(data / "segments", self.shelf.place)

    def run(self, first_stream: int, dies_before_note: int) -> None:
        """``dies_before_note``: the batch behind whose packets it dies."""
        for number in range(self.resume.offset, len(self.batches)):
            batch = self.batches[number]
            streams = np.arange(len(batch.offsets), dtype=np.uint64) % 3 + np.uint64(first_stream)
            streams[5::7] = 0  # some belong to no stream
            times_ns = np.arange(len(batch.offsets), dtype=np.int64) + EPOCH_NS
            kept = self.resume.without_stored(batch, streams)
            self.shelf.append(batch, kept, times_ns, describe, 0.0)
            if number == dies_before_note:
                raise Killed
            self.resume.write(batch._replace(resume=number + 1), self.shelf.place)
        self.shelf.close()


def describe(streams: npt.NDArray[np.uint64]) -> Records:
    return records_of(
        [StreamRecord(int(s), EPOCH_NS, 1, 1, 1, bytes(16), bytes(16), 1, 2, 6, SEEN, 0) for s in streams.tolist()]
    )


def some_batches(chance: random.Random) -> list[Batch]:
    serial = 0
    batches = []
    for _ in range(chance.randrange(2, 7)):
        packets = []
        for _ in range(chance.randrange(1, 40)):
            serial += 1
            packets.append(Packet(EPOCH_NS + serial, serial.to_bytes(4, "big") * chance.randrange(4, 100)))
        batches.append(batch_of(packets))
    return batches


def wanted(batches: list[Batch]) -> Bag[bytes]:
    found: Bag[bytes] = Bag()
    for batch in batches:
        ends = [*batch.offsets.tolist()[1:], batch.end]
        for at, (start, stop) in enumerate(zip(batch.offsets.tolist(), ends, strict=True)):
            if at % 7 != 5:
                found[bytes(batch.buffer[start + 16 : stop])] += 1
    return found


@pytest.mark.parametrize("seed", range(40))
def test_a_replay_stores_every_packet_once_wherever_workers_die(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    (tmp_path / "segments").mkdir()
    batches = some_batches(chance)
    for life in range(chance.randrange(1, 5)):
        torn = Replayer(tmp_path, batches)
        try:
            torn.run(10 * life + 1, chance.randrange(len(batches)))
        except Killed:
            tear(tmp_path, chance)
    Replayer(tmp_path, batches).run(1000, -1)
    assert stored_frames(tmp_path) == wanted(batches)


def tear(data: Path, chance: random.Random) -> None:
    """What a kill in the middle of writing extents leaves: some of the last batch's."""
    index = max((data / "segments").glob("*.idx"))
    size = index.stat().st_size
    noted = NOTE.unpack((data / "resume").read_bytes())[4:]
    least = noted[1] if f"{noted[0]:08d}" == index.stem else 0
    with index.open("r+b") as file:
        file.truncate(chance.randrange(least, size + 1))


def stored_frames(data: Path) -> Bag[bytes]:
    """Frames that extents name; packets without one are none."""
    found: Bag[bytes] = Bag()
    for index in sorted((data / "segments").glob("*.idx")):
        content = index.with_suffix(".pcap").read_bytes()
        for extent in read_records(index, EXTENT):
            start = int(extent["offset"])
            found.update(frame for _, frame in records_in(content[start : start + int(extent["length"])]))
    return found


def test_another_run_begins_at_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    batches = some_batches(random.Random(1))
    Replayer(tmp_path, batches).run(1, -1)
    again = Replayer(tmp_path, batches, run="20261121T000000Z-ffffffff")
    assert (again.resume.source, again.resume.offset) == (0, 0)
    again.run(100, -1)
    assert stored_frames(tmp_path) == wanted(batches) + wanted(batches)


def test_the_last_stored_packet_is_known_until_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    assert last_stored_ns(tmp_path / "segments", 0) == 0
    batches = [batch_of([Packet(EPOCH_NS, bytes(60)) for _ in range(4)])]
    Replayer(tmp_path, batches).run(1, -1)
    assert last_stored_ns(tmp_path / "segments", 0) == EPOCH_NS + 3
    assert last_stored_ns(tmp_path / "segments", 1) == 0
    assert SegmentReader(tmp_path).stream(1) is not None
