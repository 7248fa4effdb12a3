"""Snapshots, wishes to keep, and names of streams."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.errors import NoSuchStream, StorageError
from engine.helpers.calls import CallRefused
from engine.helpers.file import File
from engine.helpers.folder import WorkFolder
from engine.helpers.merge import PcapDamaged
from engine.helpers.pcap import Keeping, Pcap
from engine.helpers.streams import Streams
from engine.helpers.view import Reading
from engine.recording.journal import Keep, KeepJournal, SealNow, read_journal
from tests.support.broker import WALL_NS
from tests.support.packets import EPOCH_NS, Packet, pcap_bytes


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[KeepJournal]:
    with KeepJournal(tmp_path / "broker.log", sync=True) as journal:
        yield journal


@pytest.fixture
def pcap(folder: WorkFolder, reading: Reading, streams: Streams, journal: KeepJournal) -> Pcap:
    return Pcap(folder, reading, streams, Keeping(journal, Counters()), dict, lambda: WALL_NS)


def packets_of(path: Path) -> list[tuple[int, int]]:
    """``(timestamp_ns, length)`` of each packet, as tshark reads them."""
    command = ["tshark", "-r", str(path), "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = []
    for line in lines:
        time, length = line.split("\t")
        seconds, _, fraction = time.partition(".")
        rows.append((int(seconds) * 10**9 + int(fraction.ljust(9, "0")), int(length)))
    return rows


@pytest.mark.slow
def test_a_snapshot_of_streams_is_in_the_order_of_time(pcap: Pcap, home: Path) -> None:
    assert pcap.snapshot(["000000000145.pcap", "pcaps/000000000144.pcap"]) == "1795180150.pcap"
    rows = packets_of(home / "work" / "1795180150.pcap")
    assert rows == sorted(rows)
    assert [time - EPOCH_NS for time, _ in rows] == [0, 500_000, 1_000_000, 1_500_000, 2_000_000, 2_500_000, 3_000_000]


def test_a_snapshot_of_everything_never_replaces_another(pcap: Pcap, home: Path) -> None:
    assert [pcap.snapshot(), pcap.snapshot([], "")] == ["1795180150.pcap", "1795180150_2.pcap"]
    first, second = ((home / "work" / name).read_bytes() for name in ("1795180150.pcap", "1795180150_2.pcap"))
    assert first == second
    assert first.count(b"x" * 100) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_snapshot_agrees_with_mergecap(pcap: Pcap, file: File, home: Path, seed: int) -> None:
    rng = random.Random(seed)
    file.mkdir("kept")
    paths = []
    for number, (order, nanoseconds) in enumerate((o, n) for o in "<>" for n in (True, False)):
        times = sorted(EPOCH_NS + rng.randrange(10**6) * 1000 for _ in range(20))
        path = home / "work" / "kept" / f"{number}.pcap"
        packets = [Packet(time, rng.randbytes(60), 1500 if rng.random() < 0.2 else 0) for time in times]
        path.write_bytes(pcap_bytes(packets, order=order, nanoseconds=nanoseconds))
        paths.append(str(path))
    merged = home / "merged.pcap"
    subprocess.run(["mergecap", "-F", "nsecpcap", "-w", str(merged), *paths], check=True)
    assert packets_of(home / "work" / pcap.snapshot([], "kept")) == packets_of(merged)


def test_a_snapshot_takes_only_pcap_files_of_that_folder(pcap: Pcap, file: File, home: Path) -> None:
    file.mkdir("kept/below.pcap")
    file.copy("pcaps/144", "kept/a.pcap")
    file.copy("pcaps/145", "kept/below.pcap/b.pcap")
    file.write("kept/notes.txt", "not a pcap")
    (home / "work" / "kept" / "below.pcap").rename(home / "work" / "kept" / "below")
    name = pcap.snapshot([], "kept")
    assert (home / "work" / name).read_bytes() == (home / "work" / "kept" / "a.pcap").read_bytes()
    assert pcap.snapshot(["a.pcap", "./a.pcap"], "kept/") == "1795180150_2.pcap"


def test_a_snapshot_of_nothing_is_an_empty_pcap(pcap: Pcap, file: File, home: Path) -> None:
    file.mkdir("empty")
    assert len((home / "work" / pcap.snapshot([], "empty")).read_bytes()) == 24


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expected a pcap file"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "pcapng is not one"),
        (pcap_bytes([Packet(EPOCH_NS, bytes(60))])[:-1], "cut off or damaged in the record at byte 24"),
        (pcap_bytes([Packet(EPOCH_NS, bytes(60))]) + bytes(15), "cut off inside the record at byte 100"),
        (pcap_bytes([])[:24] + bytes.fromhex("00000000ffffffff0000000000000000"), "damaged in the record"),
        (pcap_bytes([Packet(EPOCH_NS, bytes(60))], link_type=101), "link type 1 as in the other files, got 101"),
    ],
)
def test_a_damaged_file_is_named(pcap: Pcap, file: File, home: Path, content: bytes, reason: str) -> None:
    file.mkdir("kept")
    file.copy("pcaps/144", "kept/a.pcap")
    (home / "work" / "kept" / "b.pcap").write_bytes(content)
    with pytest.raises(PcapDamaged, match=reason) as caught:
        pcap.snapshot([], "kept")
    assert "kept/b.pcap" in str(caught.value)
    assert sorted(path.name for path in (home / "work").iterdir()) == ["kept"]
    assert list((home / "tmp").iterdir()) == []


@pytest.mark.parametrize("selected", [["999"], ["000000000144.pcap", "x"], ["../x"]])
def test_a_snapshot_of_an_unknown_stream_is_refused(pcap: Pcap, selected: list[str]) -> None:
    with pytest.raises(NoSuchStream):
        pcap.snapshot(selected)


@pytest.mark.parametrize(("selected", "place"), [([], ".."), ([], "/"), (["../x"], "kept"), ([], "none")])
def test_a_snapshot_of_another_folder_is_refused(pcap: Pcap, file: File, selected: list[str], place: str) -> None:
    file.mkdir("kept")
    with pytest.raises(StorageError, match=r"inside the script's work folder|expected a folder"):
        pcap.snapshot(selected, place)


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("000000000144.pcap", "pcaps/000000000144.pcap"),
        ("000000000007_udp.pcap", "pcaps/000000000007_udp.pcap"),
        ("pcaps/000000000144.pcap", "pcaps/000000000144.pcap"),
        ("144", "pcaps/000000000144.pcap"),
        (144, "pcaps/000000000144.pcap"),
    ],
)
def test_a_path_is_one_in_the_view(pcap: Pcap, stream: str | int, path: str) -> None:
    assert pcap.path(stream) == path


@pytest.mark.parametrize("stream", ["", "x", "../144.pcap", "144.pcap/..", "0", -1, "1" * 19, "144_tcp.pcap", "1_1"])
def test_what_names_no_stream_has_no_path(pcap: Pcap, stream: str | int) -> None:
    with pytest.raises(NoSuchStream):
        pcap.path(stream)


def test_a_wish_is_written_once_before_the_call_returns(pcap: Pcap, tmp_path: Path) -> None:
    wishes: list[tuple[int | str, str]] = [(144, "a"), ("000000000144.pcap", "a"), (145, "a"), (144, "b"), (144, "a")]
    for stream, recording in wishes:
        pcap.record(stream, recording)
    pcap.seal("a")
    entries, _ = read_journal(tmp_path / "broker.log", 0)
    assert entries == [
        Keep(144, "a", 0, WALL_NS),
        Keep(145, "a", 0, WALL_NS),
        Keep(144, "b", 0, WALL_NS),
        SealNow("a", WALL_NS),
    ]


def test_a_wish_for_a_stream_that_is_not_there_is_refused(pcap: Pcap, tmp_path: Path) -> None:
    with pytest.raises(NoSuchStream, match=r"000000000999.pcap"):
        pcap.record(999, "a")
    assert read_journal(tmp_path / "broker.log", 0)[0] == []


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..\n", "ü", "x" * 65, "a\0"])
def test_a_recording_has_a_plain_name(pcap: Pcap, name: str) -> None:
    with pytest.raises(CallRefused, match="1 to 64 letters, digits"):
        pcap.record(144, name)
    with pytest.raises(CallRefused, match="1 to 64 letters, digits"):
        pcap.seal(name)
