from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from engine.capture.folder import CaptureSequence, first_packet_ns, open_data_folder, open_folder
from engine.errors import CaptureError
from tests.support.packets import EPOCH_NS, Packet, pcap_bytes, write_pcap
from tests.support.reading import batches, packets_of, read_all


def packet(second: int) -> Packet:
    return Packet(EPOCH_NS + second * 1_000_000_000, bytes([second]), 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three captures of two packets each; their names are not in the order of their times."""
    write_pcap(tmp_path / "c.pcap", [packet(1), packet(2)])
    write_pcap(tmp_path / "a.cap", [packet(3), packet(4)], nanoseconds=False, order=">", link_type=101)
    (tmp_path / "b.pcap.gz").write_bytes(gzip.compress(pcap_bytes([packet(5), packet(6)])))
    write_pcap(tmp_path / "0-empty.pcap", [])
    (tmp_path / "notes.txt").write_text("not a capture")
    return tmp_path


def test_captures_come_in_the_order_of_their_first_packets(folder: Path) -> None:
    source = open_folder(str(folder), 0)
    assert read_all(source) == [packet(second) for second in range(1, 7)]
    assert source.take_warning() == ""


def test_each_batch_has_the_link_type_of_its_file(folder: Path) -> None:
    assert [batch.link_type for batch in batches(open_folder(str(folder), 0))] == [1, 101, 1]


def test_reading_goes_on_in_the_right_file(folder: Path) -> None:
    seen: list[Packet] = []
    for batch in batches(open_folder(str(folder), 0)):
        seen += packets_of(batch)
        assert seen + read_all(open_folder(str(folder), 0, start=batch.resume)) == [packet(s) for s in range(1, 7)]


def test_a_damaged_file_is_named_and_those_behind_it_are_read(folder: Path) -> None:
    damaged = folder / "c.pcap"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    source = open_folder(str(folder), 0)
    assert read_all(source) == [packet(second) for second in (1, 3, 4, 5, 6)]
    assert source.take_warning().startswith(f"{damaged}: offset 41: expected a frame of 1 bytes")


def test_a_folder_without_captures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="expected a folder with captures"):
        open_folder(str(tmp_path), 0)


def test_a_capture_that_cannot_be_read_is_refused_before_anything_is_read(folder: Path) -> None:
    (folder / "z.pcap").write_bytes(b"\x0a\x0d\x0d\x0a")
    with pytest.raises(CaptureError, match=r"z\.pcap: .*pcapng"):
        open_folder(str(folder), 0)


def test_segments_of_a_data_folder_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    for number in (99999999, 100000000, 2):
        write_pcap(tmp_path / "segments" / f"{number:08d}.pcap", [Packet(EPOCH_NS, b"%d" % number)])
    frames = [found.frame for found in read_all(open_data_folder(str(tmp_path), 0))]
    assert frames == [b"2", b"99999999", b"100000000"]


def test_a_data_folder_without_segments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"expected a data folder with segments/\*\.pcap"):
        open_data_folder(str(tmp_path), 0)


def test_the_first_packet_tells_the_time_of_a_file(folder: Path) -> None:
    assert first_packet_ns(str(folder / "a.cap")) == packet(3).timestamp_ns


def test_files_can_be_read_after_the_right_to_open_them_is_gone(folder: Path) -> None:
    source = open_folder(str(folder), 0)
    for file in folder.iterdir():
        file.unlink()
    assert read_all(source) == [packet(second) for second in range(1, 7)]


def test_every_descriptor_is_given_back(folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    read_all(open_folder(str(folder), 0))
    open_folder(str(folder), 0).close()
    with pytest.raises(CaptureError):
        CaptureSequence("x", [str(folder / "c.pcap"), "/nonexistent"], 0)
    with pytest.raises(CaptureError):
        CaptureSequence("x", [str(folder / "notes.txt"), str(folder / "c.pcap")], 0)
    assert len(os.listdir("/proc/self/fd")) == before


def test_nothing_is_left_to_read_behind_the_last_file(folder: Path) -> None:
    last = [batch.resume for batch in batches(open_folder(str(folder), 0))][-1]
    assert read_all(open_folder(str(folder), 0, start=last)) == []
    assert open_folder(str(folder), 0, start=last << 8).ended
