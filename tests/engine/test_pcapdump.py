from __future__ import annotations

import os
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.capture.files import open_file
from engine.errors import StorageError
from engine.pcapdump import Files, Node, dump
from tests.support.data_folder import NS, START_NS, DataFolder
from tests.support.packets import tcp_frame

ETHERNET, RAW_IP = 1, 101


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    made = DataFolder(tmp_path / "data", segment_bytes=32 << 10)
    yield made
    made.close()


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def filled(folder: DataFolder, seed: int, *, shuffled: bool = False) -> list[tuple[int, bytes]]:
    """Some batches of packets, about a second apart; all of them."""
    chance, now_ns = random.Random(seed), START_NS
    for _ in range(chance.randrange(2, 30)):
        batch = []
        for _ in range(chance.randrange(1, 40)):
            now_ns += chance.randrange(0, NS)
            jitter = chance.randrange(-3 * NS, 3 * NS) if shuffled else 0
            batch.append((chance.randrange(1, 9), now_ns + jitter, chance.randrange(16, 400)))
        folder.capture(batch)
    return [packet for packets in folder.packets.values() for packet in packets]


def read(path: Path) -> list[tuple[int, bytes]]:
    """Time and frame of each packet."""
    found, source = [], open_file(str(path), 0)
    while (batch := source.read()) is not None:
        for offset in batch.offsets.tolist():
            seconds, ns, captured, _ = struct.unpack_from("<IIII", batch.buffer, offset)
            found.append((seconds * NS + ns, bytes(batch.buffer[offset + 16 : offset + 16 + captured])))
    source.close()
    assert not source.warning
    return found


@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "out of order"])
@pytest.mark.parametrize("seed", range(15))
def test_every_packet_of_the_window_once_and_in_the_order_of_time(
    folder: DataFolder, dest: Path, seed: int, shuffled: bool
) -> None:
    packets = filled(folder, seed, shuffled=shuffled)
    since_ns = random.Random(seed).choice((0, sorted(packets)[len(packets) // 2][0]))
    done = dump([Node(folder.root, since_ns)], dest, "d")
    assert done.path == dest / "d.pcap"
    found = read(done.path)
    assert sorted(found) == sorted(packet for packet in packets if packet[0] >= since_ns)
    assert [time_ns for time_ns, _ in found] == sorted(time_ns for time_ns, _ in found)
    assert (done.packets, done.first_ns, done.last_ns) == (len(found), found[0][0], found[-1][0])
    assert done.bytes == done.path.stat().st_size
    assert done.path.stat().st_mode & 0o777 == 0o600


def test_the_cut_is_made_per_packet_and_not_per_segment(folder: DataFolder, dest: Path) -> None:
    folder.capture([(1, START_NS, 60), (1, START_NS + NS, 60), (1, START_NS + 2 * NS, 60)])
    done = dump([Node(folder.root, START_NS + NS)], dest, "d")
    assert done.packets == 2


def test_packets_of_several_link_types_keep_theirs(folder: DataFolder, dest: Path) -> None:
    folder.capture([(1, START_NS, 60)])
    folder.capture([(2, START_NS + NS, 60)], RAW_IP)
    folder.capture([(1, START_NS + 2 * NS, 60)])
    done = dump([Node(folder.root, 0)], dest, "d")
    assert done.path == dest / "d.pcapng"
    assert done.link_types == 2
    told = subprocess.run(["capinfos", "-E", "-c", "-o", done.path], capture_output=True, text=True, check=True).stdout
    assert "Ethernet" in told
    assert "Raw IP" in told
    assert "Strict time order:   True" in told


def test_several_nodes_become_one_file_in_the_order_of_time(tmp_path: Path, dest: Path) -> None:
    folders = [DataFolder(tmp_path / name, segment_bytes=32 << 10) for name in ("one", "two")]
    packets = [packet for at, folder in enumerate(folders) for packet in filled(folder, at)]
    done = dump([Node(folder.root, 0) for folder in folders], dest, "d")
    assert done.path is not None
    found = read(done.path)
    assert sorted(found) == sorted(packets)
    assert [time_ns for time_ns, _ in found] == sorted(time_ns for time_ns, _ in found)
    for folder in folders:
        folder.close()


def test_an_earlier_dump_is_never_written_over(folder: DataFolder, dest: Path) -> None:
    folder.capture([(1, START_NS, 60)])
    paths = [dump([Node(folder.root, 0)], dest, "d").path for _ in range(3)]
    assert paths == [dest / "d.pcap", dest / "d-2.pcap", dest / "d-3.pcap"]
    assert len(list(dest.iterdir())) == 3


def test_where_nothing_is_in_the_window_no_file_is_made(folder: DataFolder, dest: Path) -> None:
    folder.capture([(1, START_NS, 60)])
    assert dump([Node(folder.root, START_NS + 1)], dest, "d").path is None
    assert list(dest.iterdir()) == []


def test_nothing_is_left_where_the_disk_refuses(
    folder: DataFolder, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.capture([(1, START_NS, 60)])

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        dump([Node(folder.root, 0)], dest, "d")
    assert list(dest.iterdir()) == []


def test_a_file_system_without_links_does_as_well(
    folder: DataFolder, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    folder.capture([(1, START_NS, 60)])
    assert [dump([Node(folder.root, 0)], dest, "d").path for _ in range(2)] == [dest / "d.pcap", dest / "d-2.pcap"]
    assert all(len(read(path)) == 1 for path in dest.iterdir())


def test_keys_go_in_of_exactly_the_sessions_that_are_in_the_file(folder: DataFolder, dest: Path) -> None:
    inside, outside = b"\1" * 32, b"\2" * 32
    asked: list[set[bytes]] = []

    def key_log(randoms: object) -> bytes:
        asked.append(set(randoms))  # type: ignore[call-overload] # an iterable of bytes
        return b"CLIENT_RANDOM " + inside.hex().encode() + b" " + b"ab" * 48 + b"\n"

    hello = b"\x16\x03\x01\0\x30\1\0\0\x2c\3\3" + inside + bytes(12)
    ends = ("10.0.0.1", 51234), ("10.0.0.2", 443)
    folder.capture_frames([(1, START_NS, tcp_frame(*ends, payload=hello))])
    folder.capture_frames([(1, START_NS - NS, tcp_frame(*ends, payload=hello.replace(inside, outside)))])
    done = dump([Node(folder.root, START_NS)], dest, "d", key_log)
    assert asked == [{inside}]
    assert done.sessions == 1
    assert done.path == dest / "d.pcapng"
    assert inside.hex().encode() in done.path.read_bytes()
    assert len(read(done.path)) == 1


def test_a_capture_that_is_cut_is_named_and_not_dumped_in_part(folder: DataFolder, dest: Path, tmp_path: Path) -> None:
    folder.capture([(1, START_NS, 60), (1, START_NS + NS, 60)])
    whole = dump([Node(folder.root, 0)], tmp_path, "whole").path
    assert whole is not None
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(whole.read_bytes()[:-5])
    with pytest.raises(StorageError, match=r"cut\.pcap: expected all of its packets"):
        dump([Files([cut], 0)], dest, "d")
    assert list(dest.iterdir()) == []
