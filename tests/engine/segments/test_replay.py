"""What a second process reads from segments, in which order, under which streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.decode.decode import decode
from engine.errors import StorageError
from engine.segments import replay as module
from engine.segments.files import numbered, numbers_in
from engine.segments.recovery import recover
from engine.segments.replay import Replay
from engine.segments.rescue import rescue
from tests.support.packets import EPOCH_NS, Packet, TcpConversation, in_time_order
from tests.support.reading import packets_of
from tests.support.stored import store

S = 1_000_000_000


def talk(port: int, start_ns: int = 0, rounds: int = 1) -> list[Packet]:
    """``rounds`` questions and answers, ten seconds apart; it is not closed."""
    talk = TcpConversation(("10.0.0.1", port), ("10.0.0.2", 80), start_ns=EPOCH_NS + start_ns).handshake()
    for number in range(rounds):
        talk.client_says(b"question %d" % number).server_says(b"answer %d" % number).wait(10 * S)
    return talk.packets


def read(replay: Replay) -> list[tuple[int, bytes]]:
    return [
        (stream, packet.frame)
        for part in replay.packets()
        for stream, packet in zip(part.stream_ids.tolist(), packets_of(part.batch), strict=True)
    ]


def in_batches(packets: Sequence[Packet], size: int) -> list[list[Packet]]:
    return [list(packets[at : at + size]) for at in range(0, len(packets), size)]


def test_every_packet_comes_once_in_order_with_its_stream(tmp_path: Path) -> None:
    packets = in_time_order(talk(1), talk(2), talk(3))
    store(tmp_path, [in_batches(packets, 4)])
    found = read(Replay(tmp_path))
    assert [frame for _, frame in found] == [packet.frame for packet in packets]
    assert {stream for stream, _ in found} == {1, 2, 3}
    assert len(numbers_in(tmp_path / "segments", "pcap")) > 3


def test_batches_are_cut_to_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packets = in_time_order(talk(1, rounds=5), talk(2, rounds=5))
    store(tmp_path, [[packets]])
    monkeypatch.setattr(module, "BATCH_BYTES", 300)
    parts = [len(part.stream_ids) for part in Replay(tmp_path).packets()]
    assert len(parts) > 5
    assert [frame for _, frame in read(Replay(tmp_path))] == [packet.frame for packet in packets]


def test_the_client_is_the_one_of_the_stream_log(tmp_path: Path) -> None:
    store(tmp_path, [[talk(1, rounds=3)]])
    replay = Replay(tmp_path)
    for part in replay.packets():
        columns = decode(part.batch)
        assert replay.from_client(columns, part.stream_ids).tolist() == (columns.source_port == 1).tolist()


def test_of_earlier_times_only_streams_that_went_on_are_read(tmp_path: Path) -> None:
    old, long, young = talk(1), talk(2, rounds=6), talk(3, start_ns=45 * S)
    packets = in_time_order(old, long, young)
    store(tmp_path, [in_batches(packets, 3)])
    replay = Replay(tmp_path, 20 * S)
    found = read(replay)
    assert replay.since_ns == packets[-1].timestamp_ns - 20 * S
    assert [frame for stream, frame in found if stream == 2] == [packet.frame for packet in long]
    assert [frame for stream, frame in found if stream == 3] == [packet.frame for packet in young]
    assert not [frame for stream, frame in found if stream == 1]


def test_a_segment_that_goes_while_it_is_held_open_is_read_all_the_same(tmp_path: Path) -> None:
    packets = talk(1, rounds=8)
    store(tmp_path, [in_batches(packets, 2)])
    replay = Replay(tmp_path)
    parts = replay.packets()
    found = [next(parts)]
    for file in (tmp_path / "segments").iterdir():
        file.unlink()
    count = len(found[0].stream_ids) + sum(len(part.stream_ids) for part in parts)
    assert (count, replay.gone) == (len(packets), [])


def test_a_segment_that_went_before_it_was_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packets = talk(1, rounds=8)
    store(tmp_path, [in_batches(packets, 2)])
    monkeypatch.setattr(module, "AHEAD", 2)
    replay = Replay(tmp_path)
    parts = replay.packets()
    found = len(next(parts).stream_ids)
    for ending in ("pcap", "idx", "streams"):
        numbered(tmp_path / "segments", 5, ending).unlink()
    found += sum(len(part.stream_ids) for part in parts)
    assert (found, replay.gone) == (len(packets) - 2, [5])


@pytest.mark.parametrize("held", ["pcap", "idx", "streams"])
def test_a_segment_of_which_a_file_is_left_has_gone(tmp_path: Path, held: str) -> None:
    store(tmp_path, [in_batches(talk(1), 2)])
    replay = Replay(tmp_path)
    for ending in {"pcap", "idx", "streams"} - {held}:
        numbered(tmp_path / "segments", 1, ending).unlink()
    read(replay)
    assert replay.gone == [1]


def test_what_the_writer_has_not_finished_is_left_out(tmp_path: Path) -> None:
    packets = talk(1)
    store(tmp_path, [[packets]])
    with numbered(tmp_path / "segments", 1, "pcap").open("ab") as file:
        file.write(b"half a record")
    with numbered(tmp_path / "segments", 1, "idx").open("ab") as file:
        file.write(bytes(7))
    assert len(read(Replay(tmp_path))) == len(packets)


@pytest.mark.parametrize(("ending", "keep"), [("pcap", 60), ("streams", 0)])
def test_a_damaged_segment_is_an_error_that_names_the_file(tmp_path: Path, ending: str, keep: int) -> None:
    store(tmp_path, [[talk(1)]])
    path = numbered(tmp_path / "segments", 1, ending)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StorageError, match=f"00000001.{ending}: expected"):
        read(Replay(tmp_path))


def test_an_empty_folder_has_no_packets(tmp_path: Path) -> None:
    store(tmp_path, [])
    assert read(Replay(tmp_path)) == []
    assert read(Replay(tmp_path, S)) == []


def test_the_newest_packet_is_not_the_newest_extent(tmp_path: Path) -> None:
    packets = talk(1, rounds=9)
    store(tmp_path, [[packets]])
    newest = np.array([packet.timestamp_ns for packet in packets]).max()
    assert Replay(tmp_path, S).since_ns == int(newest) - S


def test_rescued_packets_come_at_the_time_of_their_first_segment_and_once(tmp_path: Path) -> None:
    packets = in_time_order(*(talk(port, rounds=2) for port in range(1, 9)))
    streams = {stream.client_port: stream.id for stream in store(tmp_path, [in_batches(packets, 16)])}
    folder = tmp_path / "segments"
    before = read(Replay(tmp_path))
    found = [one.segment for one in recover(folder, 0.0)]
    kept = {streams[1], streams[5]}
    again = rescue(folder, 50, found[:2], kept, 1 << 20, 0.0)
    assert again is not None
    assert read(Replay(tmp_path)) == before, "both copies are there, one is read"
    for segment in again.emptied:
        segment.remove(folder)
    twice = rescue(folder, 51, [again.segment], {streams[1]}, 1 << 20, 0.0)
    assert twice is not None
    gone = {segment.number for segment in again.emptied}
    expected = [
        packet for at, packet in enumerate(before) if 1 + at // 16 not in gone or packet[0] in kept
    ]  # fmt: skip
    assert sorted(read(Replay(tmp_path))) == sorted(expected)
    assert [frame for stream, frame in read(Replay(tmp_path)) if stream == streams[1]] == [
        frame for stream, frame in expected if stream == streams[1]
    ]
    assert Replay(tmp_path, S).since_ns == packets[-1].timestamp_ns - S
