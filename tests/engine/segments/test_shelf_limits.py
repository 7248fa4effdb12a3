"""The shelf where there is no room: the budget, a full disk, a read-only disk, a link that changes."""

from __future__ import annotations

import logging
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.errors import NoSuchStream, PcapExpired, StorageError
from engine.segments.copied import Copied
from engine.segments.files import numbered, numbers_in
from engine.segments.options import StorageOptions
from engine.segments.reader import SegmentReader
from engine.segments.records import END, EXTENT, SEEN, STREAM_RECORD, read_records
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

OPTIONS = StorageOptions(window=False, storage_limit_bytes=64 << 10)


def put(shelf: Shelf, packets: list[Owned], now_s: float, link_type: int = 1) -> None:
    batch = batch_for(packets, link_type=link_type)
    shelf.append(batch, streams_of(packets), times_of(packets), described, now_s)


def expire(shelf: Shelf, now_s: float, extra_bytes: int = 0) -> None:
    shelf.expire(now_s, None, {}, wall_ns=EPOCH_NS, extra_bytes=extra_bytes)


def is_stored(data: Path, packets: list[Owned], stored: int, target: Path) -> bool:
    """Each stream's PCAP holds exactly its packets among the first ``stored``."""
    reader = SegmentReader(data)
    for stream in {stream for stream, _ in packets}:
        expected = b"".join(packet for owner, packet in packets[:stored] if owner == stream)
        try:
            reader.materialise(stream, target)
        except NoSuchStream:
            if expected:
                return False
            continue
        if target.read_bytes()[24:] != expected:
            return False
    reader.close()
    return True


@contextmanager
def mounted(path: Path, *arguments: str) -> Iterator[None]:
    """A mount of one's own, where this process may make one."""
    path.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *arguments, str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_the_budget_is_never_exceeded_and_what_is_refused_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, counters, rng = data_folder(tmp_path), Counters(), random.Random(1)
    shelf = Shelf(data, OPTIONS, counters, 0.0)
    for step in range(200):
        put(shelf, packets_for(rng, range(1, 9), 20, EPOCH_NS), step / 100)
        assert shelf.size_bytes <= OPTIONS.storage_limit_bytes
    offered, stored = counters.get("segments_offered_total"), counters.get("segments_stored_total")
    assert offered == 4000 == stored + counters.dropped("segments")
    assert stored > 300
    assert [entry.message for entry in caplog.records if "reason=storage_limit" in entry.message] == [
        caplog.messages[0]
    ]


def test_the_last_room_is_for_streams_that_have_begun(tmp_path: Path) -> None:
    data, counters, rng = data_folder(tmp_path), Counters(), random.Random(1)
    shelf, stored, number = Shelf(data, OPTIONS, counters, 0.0), list[Owned](), 0
    while not counters.dropped("segments"):
        number += 1
        packets = packets_for(rng, [1, number], 6, EPOCH_NS + number * 10**6)
        put(shelf, packets, 0.0)
        stored += [packet for packet in packets if packet[0] == 1 or not counters.dropped("segments")]
    assert counters.get("segments_offered_total") == len(stored) + counters.dropped("segments")
    assert is_stored(data, stored, len(stored), tmp_path / "x")
    with pytest.raises(NoSuchStream):
        SegmentReader(data).materialise(number, tmp_path / "x")


def test_storing_resumes_when_there_is_room(tmp_path: Path) -> None:
    data, counters, rng = data_folder(tmp_path), Counters(), random.Random(1)
    shelf = Shelf(data, OPTIONS, counters, 0.0)
    for _ in range(100):
        put(shelf, packets_for(rng, [1], 20, EPOCH_NS), 0.0)
    assert counters.dropped("segments") > 0
    assert not shelf.has_room(1000, 0.0)
    expire(shelf, 20.0)
    assert shelf.has_room(1000, 20.0)
    packets = packets_for(rng, [2, 3], 20, EPOCH_NS)
    put(shelf, packets, 20.0)
    assert is_stored(data, packets, len(packets), tmp_path / "x")


def test_an_empty_shelf_has_room_for_any_batch(tmp_path: Path) -> None:
    shelf = Shelf(data_folder(tmp_path), OPTIONS, Counters(), 0.0)
    assert shelf.has_room(1 << 30, 0.0)


@pytest.mark.parametrize("seed", range(10))
def test_what_has_room_is_stored_whole(tmp_path: Path, seed: int) -> None:
    data, counters, rng = data_folder(tmp_path), Counters(), random.Random(seed)
    shelf = Shelf(data, OPTIONS, counters, 0.0)
    stream = 0
    while True:
        packets = [(stream + index, record(EPOCH_NS, rng.randbytes(28))) for index in range(1, rng.randint(2, 40))]
        stream += len(packets)
        if not shelf.has_room(sum(len(packet) for _, packet in packets), 0.0):
            break
        put(shelf, packets, 0.0)
    assert counters.dropped("segments") == 0


def test_other_parts_share_the_budget(tmp_path: Path) -> None:
    data, counters = data_folder(tmp_path), Counters()
    shelf = Shelf(data, OPTIONS, counters, 0.0)
    expire(shelf, 0.0, extra_bytes=OPTIONS.storage_limit_bytes - 100)
    put(shelf, packets_for(random.Random(1), [1], 20, EPOCH_NS), 0.0)
    assert counters.dropped("segments") == 20


def test_the_window_keeps_packets_until_the_budget_presses(tmp_path: Path) -> None:
    data, counters, rng = data_folder(tmp_path), Counters(), random.Random(1)
    options = StorageOptions(storage_limit_bytes=64 << 10, window_s=1000.0)
    shelf = Shelf(data, options, counters, 0.0)
    oldest = packets_for(rng, [1], 20, EPOCH_NS)
    put(shelf, oldest, 0.0)
    expire(shelf, 100.0)
    assert is_stored(data, oldest, 20, tmp_path / "x")
    for step in range(200):
        put(shelf, packets_for(rng, [step + 2], 20, EPOCH_NS), 100.0 + step)
        expire(shelf, 100.0 + step)
    assert counters.dropped("segments") == 0
    assert counters.get("segments_shortened_streams_total") == 0
    assert len(numbers_in(data / "segments", "pcap")) > 10
    assert 1 not in numbers_in(data / "segments", "pcap")
    reader = SegmentReader(data)
    with pytest.raises(PcapExpired, match="pcapTTL 10s"):
        reader.materialise(1, tmp_path / "x")


def test_what_is_written_while_it_is_held_stays_until_the_budget_presses_or_the_hold_ends(tmp_path: Path) -> None:
    data, rng = data_folder(tmp_path), random.Random(1)
    shelf = Shelf(data, StorageOptions(window=False, storage_limit_bytes=64 << 10), Counters(), 0.0)
    before, held = packets_for(rng, [1], 20, EPOCH_NS), packets_for(rng, [2], 20, EPOCH_NS)
    put(shelf, before, 0.0)
    shelf.hold(10.0)
    put(shelf, held, 10.0)
    shelf.hold(50.0)
    expire(shelf, 1000.0)
    with pytest.raises(PcapExpired):
        SegmentReader(data).materialise(1, tmp_path / "x")
    assert is_stored(data, held, 20, tmp_path / "x")
    for step in range(200):
        put(shelf, packets_for(rng, [step + 3], 20, EPOCH_NS), 1000.0 + step)
        expire(shelf, 1000.0 + step)
    with pytest.raises(PcapExpired):
        SegmentReader(data).materialise(2, tmp_path / "x")
    assert len(numbers_in(data / "segments", "pcap")) > 10
    shelf.hold(None)
    expire(shelf, 2000.0)
    assert numbers_in(data / "segments", "pcap") == []


def test_a_long_stream_does_not_stop_the_others_from_being_stored(tmp_path: Path) -> None:
    data, counters, rng = data_folder(tmp_path), Counters(), random.Random(1)
    shelf = Shelf(data, OPTIONS, counters, 0.0)
    kept: list[Owned] = []
    for step in range(400):
        packets = packets_for(rng, [1, step + 10], 20, EPOCH_NS + step * 10**6)
        put(shelf, packets, float(step))
        expire(shelf, float(step))
        kept += [(step, packet) for owner, packet in packets if owner == 1]
    assert counters.dropped("segments") == 0
    assert counters.get("segments_shortened_streams_total") > 0
    SegmentReader(data).materialise(1, tmp_path / "x")
    held = (tmp_path / "x").read_bytes()[24:]
    assert b"".join(packet for _, packet in kept).endswith(held)
    assert held.endswith(b"".join(packet for step, packet in kept if step > 400 - 10))


def test_pressure_never_takes_what_is_leased_or_uncopied(tmp_path: Path) -> None:
    data, counters, rng = data_folder(tmp_path), Counters(), random.Random(1)
    shelf = Shelf(data, OPTIONS, counters, 0.0)
    leased, uncopied = packets_for(rng, [1], 20, EPOCH_NS), packets_for(rng, [2], 20, EPOCH_NS)
    put(shelf, leased, 0.0)
    put(shelf, uncopied, 6.0)
    shelf.lease(1)
    for step in range(12, 200):
        put(shelf, packets_for(rng, [3], 20, EPOCH_NS), float(step))
        numbers = numbers_in(data / "segments", "pcap")
        copied = Copied(segments={str(number): 1 << 30 for number in numbers if number != 2})
        shelf.expire(float(step), copied, {}, wall_ns=EPOCH_NS)
    assert is_stored(data, leased + uncopied, 40, tmp_path / "x")
    assert counters.dropped("segments") == 0


def test_wishes_that_never_pause_do_not_fill_the_shelf(tmp_path: Path) -> None:
    """A recording of everything writes a wish for each stream: the recorder is always a few of them behind."""
    data, counters, rng = data_folder(tmp_path), Counters(), random.Random(1)
    shelf = Shelf(data, OPTIONS, counters, 0.0)
    for step in range(400):
        put(shelf, packets_for(rng, [step + 1], 20, EPOCH_NS), step / 2)
        numbers = numbers_in(data / "segments", "pcap")
        read = {str(number): 1 << 30 for number in numbers}
        copied = Copied(segments=read, journals={"worker-0.log": 100 * step})
        shelf.expire(step / 2, copied, {"worker-0.log": 100 * step + 40}, wall_ns=EPOCH_NS)
    assert counters.get("segments_expired_total") > 0
    assert counters.dropped("segments") == 0


@pytest.mark.parametrize("seed", range(40))
def test_a_full_disk_leaves_whole_extents_and_is_counted(tmp_path: Path, seed: int) -> None:
    data, counters, rng = data_folder(tmp_path), Counters(), random.Random(seed)
    shelf = Shelf(data, StorageOptions(window=False), counters, 0.0)
    before = packets_for(rng, range(1, 5), 10, EPOCH_NS)
    put(shelf, before, 0.0)
    packets = packets_for(rng, range(1, 40), 60, EPOCH_NS + 10**6)
    with file_size_limit(rng.randint(1, 6000)):
        put(shelf, packets, 0.0)
    stored = counters.get("segments_stored_total") - 10
    assert stored + counters.dropped("segments") == 60
    assert is_stored(data, before + packets, 10 + stored, tmp_path / "x")
    put(shelf, packets, 0.1)
    refused = counters.dropped("segments")
    after = packets_for(rng, range(1, 60), 60, EPOCH_NS + 2 * 10**6)
    put(shelf, after, 1.0)
    assert counters.dropped("segments") == refused
    if stored < 60:
        assert refused == 60 - stored + 60  # the disk was left alone for a moment
        assert is_stored(data, before + packets[:stored] + after, 10 + stored + 60, tmp_path / "x")


def test_a_small_disk_that_fills_up_is_used_again_when_segments_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=512k,mode=700", "none"):
        data, counters, rng = data_folder(tmp_path / "disk"), Counters(), random.Random(1)
        shelf = Shelf(data, StorageOptions(window=False), counters, 0.0)
        now_s = 0.0
        while not counters.dropped("segments"):
            now_s += 0.1
            put(shelf, packets_for(rng, range(1, 9), 100, EPOCH_NS), now_s)
        assert any("No space left" in message for message in caplog.messages)
        for number in numbers_in(data / "segments", "idx"):
            assert (data / "segments" / f"{number:08d}.idx").stat().st_size % EXTENT.itemsize == 0
        expire(shelf, now_s + 20)
        packets = packets_for(rng, range(11, 19), 100, EPOCH_NS)
        put(shelf, packets, now_s + 21)
        assert is_stored(data, packets, 100, tmp_path / "x")
        shelf.close()


def test_a_disk_that_became_read_only_is_counted_and_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data, counters, rng = data_folder(tmp_path), Counters(), random.Random(1)
    shelf = Shelf(data, OPTIONS, counters, 0.0)
    packets = packets_for(rng, [1, 2], 10, EPOCH_NS)
    with mounted(data / "segments", "--bind", str(data / "segments")):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(data / "segments")], check=True)
        put(shelf, packets, 0.0)
        shelf.log(records_of([describe(1)._replace(event=END)]))
        expire(shelf, 1.0)
        assert counters.dropped("segments") == 10
        assert any("Read-only file system" in message for message in caplog.messages)
        with pytest.raises(StorageError, match="Read-only file system"):
            Shelf(data, OPTIONS, counters, 0.0)
    put(shelf, packets, 2.0)
    expire(shelf, 2.0)
    assert is_stored(data, packets, 10, tmp_path / "x")
    latest = SegmentReader(data).stream(1)
    assert latest is not None
    assert latest.event == END  # it waited in memory
    shelf.close()


def test_a_segment_that_cannot_be_deleted_is_tried_again(tmp_path: Path) -> None:
    data, rng = data_folder(tmp_path), random.Random(1)
    shelf = Shelf(data, OPTIONS, Counters(), 0.0)
    put(shelf, packets_for(rng, [1], 10, EPOCH_NS), 0.0)
    expire(shelf, 6.0)
    with mounted(data / "segments", "--bind", str(data / "segments")):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(data / "segments")], check=True)
        expire(shelf, 20.0)
        assert numbers_in(data / "segments", "pcap") == [1]
    expire(shelf, 21.0)
    assert numbers_in(data / "segments", "pcap") == []


def test_a_segment_has_one_link_type(tmp_path: Path) -> None:
    data, rng = data_folder(tmp_path), random.Random(1)
    shelf = Shelf(data, StorageOptions(window=False), Counters(), 0.0)
    ethernet, raw = packets_for(rng, [1], 3, EPOCH_NS), packets_for(rng, [1, 2], 5, EPOCH_NS)
    put(shelf, ethernet, 0.0, link_type=1)
    put(shelf, raw, 0.0, link_type=101)
    reader, target = SegmentReader(data), tmp_path / "x"
    with pytest.raises(StorageError, match=r"expected packets of one link type, got \[1, 101\]"):
        reader.materialise(1, target)
    assert reader.materialise(1, target, link_type=1) == 3
    assert reader.materialise(2, target) == sum(stream == 2 for stream, _ in raw)
    assert target.read_bytes()[20] == 101


def test_a_segment_ends_after_five_seconds(tmp_path: Path) -> None:
    data, rng = data_folder(tmp_path), random.Random(1)
    shelf = Shelf(data, StorageOptions(window=False), Counters(), 0.0)
    for now_s in (0.0, 4.9, 5.0, 9.9, 10.0):
        put(shelf, packets_for(rng, [1], 3, EPOCH_NS), now_s)
    assert numbers_in(data / "segments", "pcap") == [1, 2, 3]


def test_every_segment_explains_itself(tmp_path: Path) -> None:
    data, rng = data_folder(tmp_path), random.Random(1)
    shelf = Shelf(data, OPTIONS, Counters(), 0.0)
    for _ in range(10):
        put(shelf, packets_for(rng, range(1, 9), 20, EPOCH_NS), 0.0)
    folder = data / "segments"
    numbers = numbers_in(folder, "pcap")
    assert len(numbers) > 3
    for number in numbers:
        logged = read_records(numbered(folder, number, "streams"), STREAM_RECORD)
        extents = read_records(numbered(folder, number, "idx"), EXTENT)
        assert set(logged["event"].tolist()) == {SEEN}
        assert set(extents["segment"].tolist()) == {number}
        assert logged["stream"].tolist() == list(dict.fromkeys(extents["stream"].tolist()))


def test_files_belong_to_their_owner_alone(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    shelf = Shelf(data, OPTIONS, Counters(), 0.0)
    put(shelf, packets_for(random.Random(1), [1], 3, EPOCH_NS), 0.0)
    assert {oct(os.stat(path).st_mode & 0o777) for path in (data / "segments").iterdir()} == {"0o600"}


def test_a_folder_that_is_missing_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="expected a folder to write packets to"):
        Shelf(tmp_path / "nowhere", OPTIONS, Counters(), 0.0)


def test_one_warning_in_ten_seconds_carries_the_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    shelf = Shelf(data_folder(tmp_path), StorageOptions(window=False, storage_limit_bytes=0), Counters(), 0.0)
    for now_s in range(21):
        put(shelf, packets_for(random.Random(1), [1], 3, EPOCH_NS), float(now_s))
    counts = [message.split("packets_refused=")[1].split()[0] for message in caplog.messages]
    assert [int(count) for count in counts] == [1, 30, 30]


def test_extents_of_a_kept_segment_survive_a_restart(tmp_path: Path) -> None:
    data, rng = data_folder(tmp_path), random.Random(1)
    shelf = Shelf(data, OPTIONS, Counters(), 0.0)
    put(shelf, packets_for(rng, range(1, 9), 20, EPOCH_NS), 0.0)
    before = read_records(data / "segments" / "00000001.idx", EXTENT).tobytes()
    shelf.close()
    Shelf(data, OPTIONS, Counters(), 100.0).close()
    assert read_records(data / "segments" / "00000001.idx", EXTENT).tobytes() == before
