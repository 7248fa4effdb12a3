"""A real writer that dies at any moment, and readers that look while it writes and deletes."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.errors import NoSuchStream, PcapExpired
from engine.segments.options import StorageOptions
from engine.segments.reader import SegmentReader
from engine.segments.shelf import Shelf
from tests.support.segments import EPOCH_NS, Owned, batch_for, data_folder, described, record, streams_of, times_of

OPTIONS = StorageOptions(window=False, storage_limit_bytes=1 << 20, pcap_ttl_s=10.0)
STREAMS_AT_A_TIME = 20


def write_for_ever(data: Path, expiring: bool) -> None:
    """Store numbered packets of streams that come and go; a second passes with every batch."""
    shelf, number = Shelf(data, OPTIONS, Counters(), 0.0), 0
    for now_s in range(1_000_000):
        packets: list[Owned] = []
        for _ in range(50):
            stream = 1 + number // 400 * STREAMS_AT_A_TIME + number % STREAMS_AT_A_TIME
            packets.append((stream, record(EPOCH_NS + number, struct.pack("<QQ", stream, number) + bytes(number % 50))))
            number += 1
        shelf.append(batch_for(packets), streams_of(packets), times_of(packets), described, float(now_s))
        if expiring:
            shelf.expire(float(now_s), None, {}, wall_ns=EPOCH_NS)


def numbers_in_pcap(path: Path, stream: int) -> list[int]:
    """The numbers of the packets; each must belong to the stream."""
    data, position, numbers = path.read_bytes(), 24, []
    while position < len(data):
        length = struct.unpack_from("<I", data, position + 8)[0]
        owner, number = struct.unpack_from("<QQ", data, position + 16)
        assert (owner, length) == (stream, 16 + number % 50)
        numbers.append(number)
        position += 16 + length
    return numbers


@contextmanager
def writer(data: Path, *, expiring: bool) -> Iterator[subprocess.Popen[bytes]]:
    program = (
        "from pathlib import Path; from tests.engine.segments.test_kill import write_for_ever;"
        f" write_for_ever(Path({str(data)!r}), {expiring})"
    )
    child = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[3])
    try:
        yield child
    finally:
        child.kill()
        child.wait()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_what_readers_saw_survives_a_kill(tmp_path: Path, seed: int) -> None:
    data, target = data_folder(tmp_path), tmp_path / "x"
    reader = SegmentReader(data)
    seen: dict[int, list[int]] = {}
    with writer(data, expiring=False) as child:
        while not list(reader.streams()):
            assert child.poll() is None
            time.sleep(0.01)
        time.sleep(random.Random(seed).uniform(0, 0.1))
        for known in reader.streams():
            reader.materialise(known.stream, target)
            seen[known.stream] = numbers_in_pcap(target, known.stream)
        child.kill()
    shelf = Shelf(data, OPTIONS, Counters(), 0.0)
    assert seen
    for one in (reader, SegmentReader(data)):
        for stream, numbers in seen.items():
            one.materialise(stream, target)
            after = numbers_in_pcap(target, stream)
            assert after[: len(numbers)] == numbers
            assert after == list(range(after[0], after[0] + STREAMS_AT_A_TIME * len(after), STREAMS_AT_A_TIME))
    shelf.close()


@pytest.mark.slow
def test_readers_survive_that_segments_vanish_under_them(tmp_path: Path) -> None:
    data, target, rng = data_folder(tmp_path), tmp_path / "x", random.Random(1)
    reader, made, expired = SegmentReader(data), 0, 0
    with writer(data, expiring=True) as child:
        while made < 500 or expired < 50:
            assert child.poll() is None
            streams = [known.stream for known in reader.streams()]
            asked = rng.choice(streams) if streams else 1
            if rng.random() < 0.3:
                time.sleep(0.01)
            try:
                reader.materialise(asked, target)
            except (PcapExpired, NoSuchStream) as error:
                expired += isinstance(error, PcapExpired)
                continue
            numbers = numbers_in_pcap(target, asked)
            assert numbers == list(range(numbers[0], numbers[0] + STREAMS_AT_A_TIME * len(numbers), STREAMS_AT_A_TIME))
            made += 1
