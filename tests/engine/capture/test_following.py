from __future__ import annotations

import gzip
import itertools
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from engine.capture.batch import Batch, Source
from engine.capture.following import FollowedFile, FollowedFolder
from engine.capture.pacing import PacedSource
from engine.errors import CaptureError
from tests.support.packets import EPOCH_NS, Packet, pcap_bytes, write_pcap
from tests.support.pcapng import pcapng_bytes
from tests.support.reading import packets_of

PACKETS = [Packet(EPOCH_NS + number * 10**9, random.Random(number).randbytes(number), 99) for number in range(60)]
FORMS = pytest.mark.parametrize("form", [pcap_bytes, pcapng_bytes], ids=["pcap", "pcapng"])
Form = Callable[[Iterable[Packet]], bytes]


def clock() -> Callable[[], float]:
    """One that goes on by a second a look."""
    return itertools.count(0.0).__next__


def there(source: Source) -> list[Packet]:
    """What is there now."""
    found: list[Packet] = []
    while (batch := source.read()) is not None:
        found += packets_of(batch)
    return found


@FORMS
@pytest.mark.parametrize("seed", range(4))
def test_a_file_is_read_as_it_grows(tmp_path: Path, form: Form, seed: int) -> None:
    content, chance, path = form(PACKETS), random.Random(seed), tmp_path / "x"
    path.write_bytes(b"")
    source, sent, found = FollowedFile(str(path), 0, clock()), 0, list[Packet]()
    while sent < len(content):
        step = chance.choice([1, 5, 30, 300])
        with path.open("ab") as file:
            file.write(content[sent : sent + step])
        sent += step
        found += there(source)
        assert not source.ended
        assert source.take_warning() == ""
        assert source.due_s > 0
    assert found == PACKETS
    source.close()
    assert source.ended


@FORMS
def test_following_goes_on_where_a_batch_ended(tmp_path: Path, form: Form) -> None:
    path = tmp_path / "x"
    path.write_bytes(form(PACKETS[:20]))
    batch = FollowedFile(str(path), 0, clock()).read()
    assert batch is not None
    again = FollowedFile(str(path), 0, clock(), start=batch.resume)
    assert there(again) == []
    path.write_bytes(form(PACKETS))
    assert there(again) == PACKETS[20:]


def test_a_packed_file_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap.gz"
    path.write_bytes(gzip.compress(pcap_bytes(PACKETS)))
    source = FollowedFile(str(path), 0, clock())
    assert there(source) == PACKETS
    assert source.ended


def test_a_file_that_becomes_shorter_is_an_error(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "x.pcap", PACKETS)
    source = FollowedFile(str(path), 0, clock())
    assert there(source) == PACKETS
    path.write_bytes(pcap_bytes([]))
    with pytest.raises(CaptureError, match="expected a file that grows, got one that became shorter"):
        source.read()


def test_what_begins_like_no_capture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("this is no capture, only a line of text")
    with pytest.raises(CaptureError, match="expected a pcap or pcapng file"):
        FollowedFile(str(tmp_path / "x"), 0, clock())


def test_new_files_of_a_folder_come_in_the_order_of_their_first_packets(tmp_path: Path) -> None:
    source = FollowedFolder(str(tmp_path), 0, clock())
    assert there(source) == []
    write_pcap(tmp_path / "z.pcap", PACKETS[:5])
    (tmp_path / "y.pcapng").write_bytes(pcapng_bytes(PACKETS[5:9]))
    (tmp_path / "empty.pcap").write_bytes(b"")
    assert there(source) == PACKETS[:9]
    write_pcap(tmp_path / "z.pcap", PACKETS[:6])
    (tmp_path / "y.pcapng").write_bytes(pcapng_bytes(PACKETS[5:12]))
    assert there(source) == PACKETS[9:12]
    write_pcap(tmp_path / "b.pcap", PACKETS[20:30])
    (tmp_path / "a.pcap.gz").write_bytes(gzip.compress(pcap_bytes(PACKETS[30:])))
    write_pcap(tmp_path / "empty.pcap", PACKETS[12:20])
    assert there(source) == PACKETS[12:]
    assert not source.ended
    source.close()
    assert source.ended


def test_what_is_no_capture_keeps_nobody_from_the_other_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "before.pcap").write_text("this is no capture, only a line of text")
    write_pcap(tmp_path / "a.pcap", PACKETS[:5])
    source = FollowedFolder(str(tmp_path), 0, clock())
    assert there(source) == PACKETS[:5]
    (tmp_path / "zeros.pcap").write_bytes(bytes(1000))
    write_pcap(tmp_path / "b.pcap", PACKETS[5:9])
    assert there(source) == PACKETS[5:9]
    assert there(source) == []
    told = [source.take_warning() for _ in range(3)]
    for name, words in zip(("before", "zeros"), told, strict=False):
        assert f"{name}.pcap: expected a pcap or pcapng file, got " in words
    assert told[2] == "", "each once"
    write_pcap(tmp_path / "zeros.pcap", PACKETS[9:12])
    assert there(source) == PACKETS[9:12], "it was not whole before"
    source.close()


def test_a_file_of_a_folder_is_read_once_whatever_becomes_of_its_name(tmp_path: Path) -> None:
    source = FollowedFolder(str(tmp_path), 0, clock())
    written = write_pcap(tmp_path / ".a.pcap", PACKETS[:5])
    assert there(source) == []
    written.rename(tmp_path / "a.pcap")
    assert there(source) == PACKETS[:5]
    (tmp_path / "a.pcap").rename(tmp_path / "old-a.pcap")
    assert there(source) == []
    write_pcap(tmp_path / ".copy", PACKETS[:6]).rename(tmp_path / "old-a.pcap")
    assert there(source) == []
    write_pcap(tmp_path / "a.pcap", PACKETS[6:9])
    assert there(source) == PACKETS[6:9]
    assert source.take_warning() == ""
    source.close()


def test_a_file_of_a_folder_that_goes_before_it_was_read_is_named(tmp_path: Path) -> None:
    write_pcap(tmp_path / "a.pcap", PACKETS[:5])
    source = FollowedFolder(str(tmp_path), 0, clock())
    assert source.read() is not None
    write_pcap(tmp_path / "b.pcap", PACKETS[5:9])
    write_pcap(tmp_path / "c.pcap", PACKETS[9:12])
    assert source.read() is not None, "b is begun, and c was seen"
    (tmp_path / "c.pcap").unlink()
    there(source)
    assert source.take_warning() == f"{tmp_path}/c.pcap went before it was read"
    source.close()


def test_a_folder_goes_on_in_the_right_file(tmp_path: Path) -> None:
    for first in range(0, 60, 20):
        write_pcap(tmp_path / f"{60 - first}.pcap", PACKETS[first : first + 20])
    source, seen = FollowedFolder(str(tmp_path), 0, clock()), 0
    for _ in range(3):
        batch = source.read()
        assert batch is not None
        seen += len(batch.offsets)
        assert there(_going_on(tmp_path, batch)) == PACKETS[seen:]
    assert seen == 60


def test_a_folder_of_which_files_were_deleted_goes_on_in_the_right_file(tmp_path: Path) -> None:
    paths = [write_pcap(tmp_path / f"{first}.pcap", PACKETS[first : first + 10]) for first in range(0, 60, 10)]
    source = FollowedFolder(str(tmp_path), 0, clock())
    source.read()
    batch = source.read()
    assert batch is not None
    paths[0].unlink()
    assert there(_going_on(tmp_path, batch)) == PACKETS[20:]
    paths[1].unlink()
    assert there(_going_on(tmp_path, batch)) == PACKETS[20:]
    source.close()


def test_files_that_begin_at_the_same_time_are_told_apart(tmp_path: Path) -> None:
    for number in range(3):
        write_pcap(tmp_path / f"{number}.pcap", [PACKETS[0], *PACKETS[10 * number + 1 : 10 * number + 9]])
    source, left = FollowedFolder(str(tmp_path), 0, clock()), 27
    while (batch := source.read()) is not None:
        left -= len(batch.offsets)
        assert len(there(_going_on(tmp_path, batch))) == left
    assert left == 0
    source.close()


def _going_on(folder: Path, batch: Batch) -> FollowedFolder:
    return FollowedFolder(str(folder), 0, clock(), start=batch.resume, start_file_ns=batch.file_ns)


def test_a_paced_source_waits_as_long_as_the_one_it_paces(tmp_path: Path) -> None:
    source = PacedSource(FollowedFile(str(write_pcap(tmp_path / "x.pcap", [])), 0, clock()), clock())
    assert source.read() is None
    assert source.due_s > 0
