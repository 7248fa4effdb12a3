from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.errors import NoSuchStream, PcapExpired, StorageError
from engine.segments import reader as module
from engine.segments import watch
from engine.segments.files import numbers_in
from engine.segments.options import StorageOptions
from engine.segments.reader import SegmentReader
from engine.segments.records import END, pcap_header
from engine.segments.shelf import Shelf
from tests.support.packets import TcpConversation, batch_of, in_time_order
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
    time_of,
    times_of,
)

OPTIONS = StorageOptions(window=False, storage_limit_bytes=1 << 20)


def put(shelf: Shelf, packets: list[Owned], now_s: float = 0.0) -> None:
    shelf.append(batch_for(packets), streams_of(packets), times_of(packets), described, now_s)


def expire(shelf: Shelf, now_s: float) -> None:
    shelf.expire(now_s, None, {}, wall_ns=EPOCH_NS)


def shelf_in(tmp_path: Path) -> tuple[Path, Shelf]:
    data = data_folder(tmp_path)
    return data, Shelf(data, OPTIONS, Counters(), 0.0)


def test_what_a_pcap_cannot_be_written_to_is_not_removed(tmp_path: Path) -> None:
    data, shelf = shelf_in(tmp_path)
    put(shelf, packets_for(random.Random(1), [1], 5, EPOCH_NS))
    read_end, write_end = os.pipe()
    link = tmp_path / "stdout"
    link.symlink_to(f"/proc/self/fd/{write_end}")
    with pytest.raises(OSError, match="Illegal seek"):
        SegmentReader(data).materialise(1, link)
    assert link.is_symlink()
    os.close(read_end)
    os.close(write_end)


def test_a_pcap_is_made_at_a_path_or_on_a_descriptor(tmp_path: Path) -> None:
    data, shelf = shelf_in(tmp_path)
    packets = packets_for(random.Random(1), [1], 5, EPOCH_NS)
    put(shelf, packets)
    expected = pcap_header(1) + b"".join(packet for _, packet in packets)
    reader = SegmentReader(data)
    assert reader.materialise(1, tmp_path / "a") == 5
    descriptor = os.open(tmp_path / "b", os.O_WRONLY | os.O_CREAT)
    assert reader.materialise(1, descriptor) == 5
    os.close(descriptor)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == expected
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("in_memory_bytes", [1 << 20, 200])
@pytest.mark.parametrize("seed", range(10))
def test_packets_come_in_time_order(
    tmp_path: Path, seed: int, in_memory_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.segments.packets.IN_MEMORY_BYTES", in_memory_bytes)
    rng = random.Random(seed)
    data, shelf = shelf_in(tmp_path)
    written: list[Owned] = []
    for now_s in (0.0, 6.0):
        packets = packets_for(rng, [1, 2], 40, EPOCH_NS)
        if seed % 2:
            rng.shuffle(packets)
        put(shelf, packets, now_s)
        written += packets
    mine = sorted((packet for stream, packet in written if stream == 1), key=time_of)
    reader = SegmentReader(data)
    assert reader.materialise(1, tmp_path / "x") == len(mine)
    assert (tmp_path / "x").read_bytes() == pcap_header(1) + b"".join(mine)
    stored = reader.stored(1)
    assert (stored.packets, stored.bytes) == (len(mine), sum(len(packet) - 16 for packet in mine))
    assert (stored.first_ns, stored.last_ns) == (time_of(mine[0]), time_of(mine[-1]))


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["tshark", "capinfos"])
def test_wireshark_reads_a_materialised_pcap(tmp_path: Path, tool: str) -> None:
    if not shutil.which(tool):
        pytest.skip(f"needs {tool}")
    data, shelf = shelf_in(tmp_path)
    first, second = (TcpConversation(("10.0.0.1", port), ("10.0.0.2", 80)) for port in (4001, 4002))
    exchanges = [
        conversation.handshake().client_says(b"GET / HTTP/1.1\r\n\r\n").finish().packets
        for conversation in (first, second)
    ]
    packets = in_time_order(*exchanges)
    batch = batch_of(packets)
    owned: list[Owned] = [
        (1 if packet in exchanges[0] else 2, record(packet.timestamp_ns, packet.frame)) for packet in packets
    ]
    shelf.append(batch, streams_of(owned), times_of(owned), described, 0.0)
    path = tmp_path / "000000000001.pcap"
    count = SegmentReader(data).materialise(1, path)
    assert count == len(exchanges[0])
    commands = {"tshark": ["tshark", "-r", str(path), "-T", "fields", "-e", "tcp.srcport", "-e", "tcp.dstport"],
                "capinfos": ["capinfos", "-M", "-c", str(path)]}  # fmt: skip
    shown = subprocess.run(commands[tool], capture_output=True, text=True, check=True).stdout
    if tool == "tshark":
        assert [set(line.split()) for line in shown.splitlines()] == [{"4001", "80"}] * count
    else:
        assert f"Number of packets:   {count}" in shown


def test_an_expired_stream_says_when_and_what_to_raise(tmp_path: Path) -> None:
    data, shelf = shelf_in(tmp_path)
    put(shelf, packets_for(random.Random(1), [1], 5, EPOCH_NS))
    warm = SegmentReader(data)
    assert warm.stream(1) is not None
    expire(shelf, 20.0)
    for reader in (warm, SegmentReader(data)):
        with pytest.raises(PcapExpired) as error:
            reader.materialise(1, tmp_path / "x")
        assert str(error.value) == (
            "000000000001.pcap: its packets expired at 2023-11-14T22:13:20.000000000Z (pcapTTL 10s); "
            "raise tap.misc.pcapTTL to keep them longer"
        )
        assert reader.stream(1) is None
        assert isinstance(reader.why_missing(1), PcapExpired)
    assert not (tmp_path / "x").exists()


def test_a_stream_with_an_error_names_the_other_ttl(tmp_path: Path) -> None:
    data, shelf = shelf_in(tmp_path)
    put(shelf, packets_for(random.Random(1), [1], 5, EPOCH_NS))
    shelf.log(records_of([describe(1)._replace(event=3)]))
    expire(shelf, 59.0)
    assert SegmentReader(data).materialise(1, tmp_path / "x") == 5
    expire(shelf, 70.0)
    with pytest.raises(PcapExpired, match=r"\(pcapErrorTTL 1m\); raise tap.misc.pcapErrorTTL"):
        SegmentReader(data).materialise(1, tmp_path / "x")


@pytest.mark.parametrize("stream", [0, 2, 99, 2**63])
def test_an_unknown_stream_is_named(tmp_path: Path, stream: int) -> None:
    data, shelf = shelf_in(tmp_path)
    put(shelf, packets_for(random.Random(1), [1], 5, EPOCH_NS))
    expire(shelf, 20.0)
    with pytest.raises(NoSuchStream, match=f"{stream:012d}.pcap"):
        SegmentReader(data).materialise(stream, tmp_path / "x")


def test_an_empty_or_missing_folder_has_no_streams(tmp_path: Path) -> None:
    for data in (data_folder(tmp_path), tmp_path / "nowhere"):
        reader = SegmentReader(data)
        assert list(reader.streams()) == []
        assert reader.extents(1) == []
        assert reader.item(1, 0) is None
        assert reader.items_of(1) == []


def test_the_latest_record_of_a_stream_holds_its_sums(tmp_path: Path) -> None:
    data, shelf = shelf_in(tmp_path)
    put(shelf, packets_for(random.Random(1), [1, 2], 20, EPOCH_NS), 0.0)
    reader = SegmentReader(data)
    put(shelf, packets_for(random.Random(1), [1, 2], 20, EPOCH_NS), 6.0)
    end = describe(1)._replace(event=END, packets=40, bytes=4000, timestamp_ns=EPOCH_NS + 5, state=2)
    shelf.log(records_of([end]))
    assert list(reader.streams()) == [end, describe(2)]
    assert reader.stream(1) == end
    assert reader.start_ns(1) == EPOCH_NS
    assert (reader.stream(3), reader.start_ns(3)) == (None, None)


def test_a_segment_that_vanishes_while_it_is_read_is_an_expired_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, shelf = shelf_in(tmp_path)
    put(shelf, packets_for(random.Random(1), [1], 5, EPOCH_NS))
    reader = SegmentReader(data)
    extents = reader.extents

    def extents_then_gone(stream: int) -> object:
        found = extents(stream)
        expire(shelf, 20.0)
        return found

    monkeypatch.setattr(reader, "extents", extents_then_gone)
    for ask in (lambda: reader.materialise(1, tmp_path / "x"), lambda: reader.stored(1)):
        with pytest.raises(PcapExpired):
            ask()
    assert not (tmp_path / "x").exists()


def three_segments(tmp_path: Path) -> tuple[SegmentReader, list[bytes]]:
    """A stream that lies in segments 1 to 3, and a reader that has read the index of the first and knows no other."""
    data, shelf = shelf_in(tmp_path)
    packets = packets_for(random.Random(1), [1], 3, EPOCH_NS)
    reader = SegmentReader(data)
    for now_s, packet in zip((0.0, 10.0, 20.0), packets, strict=True):
        put(shelf, [packet], now_s)
        if now_s == 0.0:
            reader.materialise(1, tmp_path / "x")
    return reader, [packet for _, packet in packets]


def delete_two(folder: Path) -> None:
    for path in (*folder.glob("00000001.*"), *folder.glob("00000002.*")):
        path.unlink()


def delete_behind(listing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete the first two segments behind this listing of the folder, before anything is read that it names."""
    listings = itertools.count(1)

    def listed(folder: Path, ending: str) -> list[int]:
        numbers = numbers_in(folder, ending)
        if next(listings) == listing:
            delete_two(folder)
        return numbers

    monkeypatch.setattr(watch, "numbers_in", listed)


def test_segments_that_go_before_their_log_is_read_leave_no_hole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, _ = three_segments(tmp_path)
    delete_behind(2, monkeypatch)
    assert [extent.segment for extent in reader.extents(1)] == [3]


def test_segments_that_go_before_their_index_is_read_leave_no_hole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, _ = three_segments(tmp_path)
    take, folder = SegmentReader.refresh, tmp_path / "data" / "segments"

    def refresh_then_delete(self: SegmentReader) -> None:
        take(self)
        monkeypatch.undo()
        delete_two(folder)

    monkeypatch.setattr(SegmentReader, "refresh", refresh_then_delete)
    assert [extent.segment for extent in reader.extents(1)] == [3]


@pytest.mark.parametrize("ending", ["idx", "streams"])
def test_a_file_that_is_missing_beside_its_packets_is_named(tmp_path: Path, ending: str) -> None:
    reader, _ = three_segments(tmp_path)
    (tmp_path / "data" / "segments" / f"00000002.{ending}").unlink()
    with pytest.raises(StorageError, match=rf"00000002\.{ending}"):
        reader.extents(1)


def test_a_damaged_segment_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    data, shelf = shelf_in(tmp_path)
    put(shelf, packets_for(random.Random(1), [1], 5, EPOCH_NS))
    os.truncate(data / "segments" / "00000001.pcap", 30)
    with pytest.raises(StorageError, match="segment 1: expected"):
        SegmentReader(data).materialise(1, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_few_segments_are_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_OPEN", 2)
    data, shelf = shelf_in(tmp_path)
    packets: list[Owned] = []
    for now_s in range(0, 50, 5):
        packets += packets_for(random.Random(now_s), [1], 3, EPOCH_NS + now_s * 10**9)
        put(shelf, packets[-3:], float(now_s))
    reader = SegmentReader(data)
    before = len(os.listdir("/proc/self/fd"))
    assert reader.materialise(1, tmp_path / "x") == 30
    assert (tmp_path / "x").read_bytes()[24:] == b"".join(packet for _, packet in packets)
    assert len(os.listdir("/proc/self/fd")) <= before + 3
    reader.close()


def test_closing_gives_every_descriptor_back(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    data, shelf = shelf_in(tmp_path)
    reader = SegmentReader(data)
    for now_s in range(0, 100, 7):
        put(shelf, packets_for(random.Random(1), [1, 2], 5, EPOCH_NS), float(now_s))
        reader.materialise(1, tmp_path / "x")
        expire(shelf, float(now_s))
    shelf.close()
    reader.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("ask", [SegmentReader.stored, SegmentReader.extents], ids=["stored", "extents"])
def test_every_question_sees_what_was_just_written(tmp_path: Path, ask: Callable[[SegmentReader, int], object]) -> None:
    data, shelf = shelf_in(tmp_path)
    reader = SegmentReader(data)
    previous: object = None
    for now_s in range(0, 30, 2):
        put(shelf, packets_for(random.Random(now_s), [1], 3, EPOCH_NS), float(now_s))
        answer = ask(reader, 1)
        assert answer != previous
        previous = answer
