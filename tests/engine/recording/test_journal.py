from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from engine.recording.journal import LENGTH, Entry, Keep, KeepJournal, SealNow, delete_read, journals, read_journal
from tests.support.disk import file_size_limit


def read_all(path: Path, offset: int = 0) -> list[Entry]:
    entries: list[Entry] = []
    while True:
        more, end = read_journal(path, offset)
        if end == offset:
            return entries
        entries, offset = entries + more, end


@pytest.mark.parametrize("sync", [False, True])
def test_what_was_written_is_read_in_order(tmp_path: Path, sync: bool) -> None:
    path = tmp_path / "broker.log"
    with KeepJournal(path, sync) as journal:
        journal.keep(144, "night shift", 0, 7)
        journal.seal("night shift", 8)
        journal.keep(2**63, "ünïcode", 5, 9)
    assert read_all(path) == [Keep(144, "night shift", 0, 7), SealNow("night shift", 8), Keep(2**63, "ünïcode", 5, 9)]


def test_a_journal_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "worker-0.log", 0) == ([], 0)


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.log"
    with KeepJournal(path, sync=False) as journal:
        journal.keep(1, "a", 0, 1)
        _, offset = read_journal(path, 0)
        assert read_journal(path, offset) == ([], offset)
        journal.keep(2, "a", 0, 2)
        assert read_journal(path, offset)[0] == [Keep(2, "a", 0, 2)]


@pytest.mark.parametrize("seed", range(30))
def test_a_journal_cut_anywhere_reads_as_its_whole_entries_and_goes_on(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path, ends = tmp_path / "worker-0.log", [0]
    with KeepJournal(path, sync=False) as journal:
        for number in range(chance.randrange(1, 6)):
            journal.keep(number, "r" * chance.randrange(9), number, number)
            ends.append(path.stat().st_size)
    cut = chance.randrange(ends[-1] + 1)
    os.truncate(path, cut)
    whole = sum(end <= cut for end in ends[1:])
    before = read_all(path)
    assert len(before) == whole
    assert read_journal(path, 0)[1] == ends[whole]
    with KeepJournal(path, sync=False) as journal:
        journal.seal("after", 99)
    assert read_all(path) == [*before, SealNow("after", 99)]


@pytest.mark.parametrize("tail", [bytes(64), LENGTH.pack(3) + b"\xc1\xc1\xc1", LENGTH.pack(2**31) + b"x" * 40])
def test_damage_behind_the_last_entry_is_cut_off_by_the_next_writer(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "worker-0.log"
    with KeepJournal(path, sync=False) as journal:
        journal.keep(1, "a", 0, 1)
    path.write_bytes(path.read_bytes() + tail)
    assert read_all(path) == [Keep(1, "a", 0, 1)]
    with KeepJournal(path, sync=False) as journal:
        journal.keep(2, "a", 0, 2)
    assert read_all(path) == [Keep(1, "a", 0, 1), Keep(2, "a", 0, 2)]


def test_a_full_disk_leaves_no_half_entry(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.log"
    with KeepJournal(path, sync=False) as journal:
        journal.keep(1, "a", 0, 1)
        size = path.stat().st_size
        with file_size_limit(size + 10), pytest.raises(OSError, match="too large"):
            journal.keep(2, "a", 0, 2)
        assert path.stat().st_size == size
        journal.keep(3, "a", 0, 3)
    assert read_all(path) == [Keep(1, "a", 0, 1), Keep(3, "a", 0, 3)]


def test_a_journal_longer_than_one_read_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.recording.journal.READ_BYTES", 200)
    path = tmp_path / "worker-0.log"
    with KeepJournal(path, sync=False) as journal:
        for number in range(50):
            journal.keep(number, "a", 0, number)
    assert [entry.stream for entry in read_all(path) if isinstance(entry, Keep)] == list(range(50))


def test_a_journal_that_has_grown_goes_on_in_another_file_and_what_was_read_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.recording.journal.FILE_BYTES", 200)
    cursors: dict[str, int] = {}
    found: list[int] = []
    for life in range(3):  # writers come and go
        with KeepJournal(tmp_path / "worker-0.log", sync=True) as journal:
            for number in range(30):
                journal.keep(life * 30 + number, "a", 0, 0)
                if number % 7 == 0:
                    found += read_new(tmp_path, cursors)
                    delete_read(tmp_path, cursors)
                    assert set(cursors) == {path.name for path in journals(tmp_path)}
    found += read_new(tmp_path, cursors)
    delete_read(tmp_path, cursors)
    assert found == list(range(90))
    (left,) = journals(tmp_path)
    assert left.name not in ("worker-0.log", "worker-0.1.log")
    assert left.stat().st_size < 300


def test_a_file_that_was_not_read_to_its_end_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.recording.journal.FILE_BYTES", 100)
    with (
        KeepJournal(tmp_path / "worker-0.log", sync=False) as journal,
        KeepJournal(tmp_path / "broker.log", sync=False),
    ):
        for number in range(9):
            journal.keep(number, "a", 0, 0)
    names = [path.name for path in journals(tmp_path)]
    assert names[:3] == ["broker.log", "worker-0.log", "worker-0.1.log"]
    delete_read(tmp_path, {"worker-0.log": 10, "worker-0.1.log": 10_000})
    assert [path.name for path in journals(tmp_path)] == [name for name in names if name != "worker-0.1.log"]


def read_new(keep: Path, cursors: dict[str, int]) -> list[int]:
    found = []
    for path in journals(keep):
        entries, cursors[path.name] = read_journal(path, cursors.get(path.name, 0))
        found += [entry.stream for entry in entries if isinstance(entry, Keep)]
    return found
