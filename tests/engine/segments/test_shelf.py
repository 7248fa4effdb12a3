"""The shelf, replayed against a model that is told everything and remembers it plainly."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.errors import NoSuchStream, PcapExpired
from engine.segments.copied import Copied
from engine.segments.files import numbered, numbers_in, size_of
from engine.segments.options import StorageOptions
from engine.segments.reader import SegmentReader
from engine.segments.records import END, ERROR, EXTENT, SEEN, STREAM_RECORD, pcap_header, read_records
from engine.segments.segment import ENDINGS
from engine.segments.shelf import Shelf
from tests.support.segments import (
    EPOCH_NS,
    Owned,
    batch_for,
    data_folder,
    describe,
    described,
    packets_for,
    records_of,
    streams_of,
    times_of,
)

TTL_S, ERROR_TTL_S = 10.0, 60.0
OPTIONS = StorageOptions(window=False, storage_limit_bytes=192 << 10)
"""Segments of 6 KiB; the budget is larger than what a replay holds at once."""
STREAMS = range(1, 13)


class Model:
    """What the shelf must hold: the packets of each segment in order, and what keeps them."""

    def __init__(self) -> None:
        self.segments: dict[int, list[Owned]] = {}
        self.written_s: dict[int, float] = {}
        self.error_log: dict[int, set[int]] = defaultdict(set)
        self.read_s: dict[int, float] = {}
        self.errors: set[int] = set()
        self.leases: Counter[int] = Counter()
        self.released: set[int] = set()
        self.expired: set[int] = set()
        self.heard_s = -math.inf
        """When the recorder had read every wish the last time."""

    def packets_of(self, stream: int) -> bytes:
        everything = (packet for number in sorted(self.segments) for packet in self.segments[number])
        return b"".join(data for owner, data in everything if owner == stream)

    def streams_in(self, number: int) -> set[int]:
        return {stream for stream, _ in self.segments[number]}

    def expire(self, now_s: float, by_s: float, uncopied: set[int]) -> None:
        """``by_s``: when a TTL has to have been over."""
        self.read_s |= {stream: now_s for stream in self.released if stream in self.read_s}
        self.released.clear()
        going = [number for number in sorted(self.segments) if number not in uncopied and self._may_go(number, by_s)]
        for number in going:
            for stream in self.streams_in(number):
                self.read_s.pop(stream, None)
                self.errors.discard(stream)
                self.expired.add(stream)
            del self.segments[number]

    def _may_go(self, number: int, now_s: float) -> bool:
        due_s = [self.written_s[number] + TTL_S]
        for stream in self.streams_in(number):
            if self.leases[stream]:
                return False
            if stream in self.read_s:
                due_s.append(self.read_s[stream] + (ERROR_TTL_S if stream in self.errors else TTL_S))
        return max(due_s) <= now_s

    def restart(self, now_s: float) -> None:
        self.leases.clear()
        self.released.clear()
        self.heard_s = -math.inf
        self.written_s = dict.fromkeys(self.segments, now_s)
        self.read_s = {stream: now_s for number in self.segments for stream in self.streams_in(number)}
        logged = {stream for number in self.segments for stream in self.error_log[number]}
        self.errors = {stream for stream in logged if stream in self.read_s}


def take(packets: list[Owned], stream: int, length: int) -> list[Owned]:
    """Remove the packets of one extent from the front."""
    taken = []
    while length > 0:
        assert packets[0][0] == stream
        length -= len(packets[0][1])
        taken.append(packets.pop(0))
    assert length == 0
    return taken


class Replay:
    """A shelf and its model, driven by one seed."""

    def __init__(self, data: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.data, self.folder, self.target = data, data / "segments", data / "stream.pcap"
        self.now_s, self.time_ns = 1000.0, EPOCH_NS
        self.counters = Counters()
        self.model = Model()
        self.wished = self.read = 0
        """Bytes of the keep journal, and those that the recorder has read."""
        self.shelf = Shelf(data, OPTIONS, self.counters, self.now_s)
        self.reader = SegmentReader(data)

    def step(self) -> None:
        self.now_s += self.rng.choice([0.0, 0.5, 1.0, 3.0, 12.0])
        action = self.rng.choice([self.append, self.append, self.append, self.lease, self.release, self.expire])
        action()
        if self.rng.random() < 0.05:
            self.kill()
        self.check()

    def append(self) -> None:
        streams = self.rng.sample([0, *STREAMS], self.rng.randint(1, 5))
        packets = packets_for(self.rng, streams, self.rng.randint(1, 40), self.time_ns)
        self.time_ns += 10**6
        sizes = {number: self.size(number, "idx") for number in numbers_in(self.folder, "idx")}
        batch = batch_for(packets, gap=self.rng.choice([0, 5]))
        self.shelf.append(batch, streams_of(packets), times_of(packets), described, self.now_s)
        kept = [packet for packet in packets if packet[0]]
        for number in numbers_in(self.folder, "idx"):
            new = read_records(numbered(self.folder, number, "idx"), EXTENT, sizes.get(number, 0))
            for stream, _, length, *_ in new.tolist():
                self.stored(number, stream, length, kept)
        assert not kept
        if self.rng.random() < 0.5:
            self.log()

    def stored(self, number: int, stream: int, length: int, kept: list[Owned]) -> None:
        self.model.segments.setdefault(number, []).extend(take(kept, stream, length))
        self.model.written_s[number] = self.model.read_s[stream] = self.now_s

    def log(self) -> None:
        stream, event = self.rng.choice(STREAMS), self.rng.choice([END, ERROR])
        self.shelf.log(records_of([describe(stream)._replace(event=event)]))
        newest = numbers_in(self.folder, "pcap")[-1]
        self.model.segments.setdefault(newest, [])
        self.model.written_s[newest] = self.now_s
        if event == ERROR:
            self.model.error_log[newest].add(stream)
            self.model.errors |= {stream} & self.model.read_s.keys()

    def lease(self) -> None:
        stream = self.rng.choice(STREAMS)
        self.shelf.lease(stream)
        self.model.leases[stream] += 1

    def release(self) -> None:
        for stream in self.rng.sample(sorted(self.model.leases.elements()), min(2, self.model.leases.total())):
            self.shelf.release(stream)
            self.model.leases[stream] -= 1
            if not self.model.leases[stream]:
                self.model.released.add(stream)

    def let_go(self) -> None:
        for stream in list(self.model.leases.elements()):
            self.shelf.release(stream)
        for now_s in (self.now_s, self.now_s + ERROR_TTL_S):
            self.shelf.expire(now_s, None, {}, wall_ns=EPOCH_NS)

    def expire(self) -> None:
        sizes = {number: self.size(number, "idx") for number in self.model.segments}
        uncopied = {number for number in sizes if sizes[number] and self.rng.random() < 0.1}
        read = {str(number): size - 1 if number in uncopied else size for number, size in sizes.items()}
        self.wished += 1
        heard = self.rng.random() < 0.9
        self.read = self.wished if heard else self.read
        copied = self.rng.choice([None, Copied(journals={"broker.log": self.read}, segments=read)])
        self.shelf.expire(self.now_s, copied, {"broker.log": self.wished}, wall_ns=EPOCH_NS)
        if copied is None:
            self.model.expire(self.now_s, self.now_s, set())
            return
        self.model.heard_s = self.now_s if heard else self.model.heard_s
        self.model.expire(self.now_s, self.model.heard_s, uncopied)

    def kill(self) -> None:
        """End the shelf and cut the files of the newest segment anywhere, as a power failure would."""
        self.shelf.close()
        self.reader.close()
        if self.model.segments:
            self.cut(max(self.model.segments))
        self.shelf = Shelf(self.data, OPTIONS, self.counters, self.now_s)
        self.reader = SegmentReader(self.data)
        self.model.restart(self.now_s)

    def cut(self, number: int) -> None:
        extents = read_records(numbered(self.folder, number, "idx"), EXTENT).tolist()
        for ending in ENDINGS:
            if self.rng.random() < 0.4:
                path = numbered(self.folder, number, ending)
                with path.open("r+b") as file:
                    file.truncate(self.rng.randint(0, size_of(path)))
        if self.size(number, "pcap") < 24:
            del self.model.segments[number]
            return
        log = read_records(numbered(self.folder, number, "streams"), STREAM_RECORD)
        seen = {int(row["stream"]) for row in log if row["event"] == SEEN}
        self.model.error_log[number] = {int(row["stream"]) for row in log if row["event"] == ERROR}
        left = self.model.segments[number]
        self.model.segments[number] = []
        for stream, _, length, offset, _ in extents[: self.size(number, "idx") // EXTENT.itemsize]:
            if stream not in seen or offset + length > self.size(number, "pcap"):
                break
            self.model.segments[number] += take(left, stream, length)

    def size(self, number: int, ending: str) -> int:
        return size_of(numbered(self.folder, number, ending))

    def check(self) -> None:
        for ending in ENDINGS:
            assert numbers_in(self.folder, ending) == sorted(self.model.segments)
        if self.rng.random() < 0.1:
            self.reader.close()
            self.reader = SegmentReader(self.data)
        for stream in STREAMS:
            assert self.materialised(stream) == self.model.packets_of(stream)
        on_disk = sum(path.stat().st_size for path in self.folder.iterdir())
        assert self.shelf.size_bytes == on_disk <= OPTIONS.storage_limit_bytes
        offered, stored = self.counters.get("segments_offered_total"), self.counters.get("segments_stored_total")
        assert offered == stored

    def materialised(self, stream: int) -> bytes:
        try:
            self.reader.materialise(stream, self.target)
        except PcapExpired:
            assert stream in self.model.expired
            return b""
        except NoSuchStream:
            assert stream not in self.model.expired
            return b""
        data = self.target.read_bytes()
        assert data[:24] == pcap_header(1)
        return data[24:]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_the_shelf_holds_what_the_model_holds(tmp_path: Path, seed: int) -> None:
    replay = Replay(data_folder(tmp_path), seed)
    for _ in range(80):
        replay.step()
    replay.let_go()
    assert numbers_in(replay.folder, "pcap") == []
    assert replay.shelf.size_bytes == size_of(replay.folder / "expired.log")


def test_numbers_go_on_when_nothing_is_left(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    for round_ in range(3):
        shelf = Shelf(data, OPTIONS, Counters(), 0.0)
        packets = packets_for(random.Random(round_), [1], 3, EPOCH_NS)
        shelf.append(batch_for(packets), streams_of(packets), times_of(packets), described, 0.0)
        assert numbers_in(data / "segments", "pcap") == [round_ + 1]
        shelf.expire(100.0, None, {}, wall_ns=EPOCH_NS)
        assert numbers_in(data / "segments", "pcap") == []
        shelf.close()
