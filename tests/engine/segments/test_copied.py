from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from engine.errors import StorageError
from engine.segments.copied import Copied, Heard, keep_sizes, write_copied
from tests.support.segments import data_folder

COPIED = Copied({"broker.log": 7, "worker-0.log": 0}, {"1": 32}, {"3": 80}, 5)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    assert Copied.read(data) == Copied()
    write_copied(data, COPIED)
    assert Copied.read(data) == COPIED
    assert [path.name for path in (data / "keep").iterdir()] == ["copied"]


def test_it_is_the_map_of_the_page(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    write_copied(data, COPIED)
    assert msgspec.msgpack.decode((data / "keep" / "copied").read_bytes()) == {
        "journals": {"broker.log": 7, "worker-0.log": 0},
        "segments": {"1": 32},
        "items": {"3": 80},
        "at_ns": 5,
    }


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x91\x01", msgspec.msgpack.encode({"journals": []})])
def test_something_else_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    data = data_folder(tmp_path)
    (data / "keep" / "copied").write_bytes(content)
    with pytest.raises(StorageError, match="keep/copied: expected what the recorder wrote"):
        Copied.read(data)


@pytest.mark.parametrize(
    ("keep_bytes", "known"),
    [
        ({}, True),
        ({"broker.log": 7}, True),
        ({"broker.log": 8}, False),
        ({"new.log": 1}, False),
        ({"new.log": 0}, True),
    ],
)
def test_a_journal_that_grew_is_not_known(keep_bytes: dict[str, int], known: bool) -> None:
    assert COPIED.knows(keep_bytes) == known


def test_extents_behind_what_was_read_are_not_copied() -> None:
    assert [COPIED.has_segment(1, size) for size in (0, 32, 64)] == [True, True, False]
    assert [COPIED.has_segment(2, size) for size in (0, 32)] == [True, False]
    assert [COPIED.has_items(3, size) for size in (80, 120)] == [True, False]


def test_only_journals_are_measured(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    (data / "keep" / "broker.log").write_bytes(b"12345")
    write_copied(data, COPIED)
    assert keep_sizes(data) == {"broker.log": 5}
    assert keep_sizes(tmp_path / "nowhere") == {}


def test_wishes_that_never_pause_are_heard_up_to_those_that_were_there_a_moment_ago() -> None:
    """A busy journal is always longer than what the recorder has read: it is never known as a whole."""
    heard, sizes = Heard(), [100 * step for step in range(20)]
    found = [
        heard.until_s(Copied(journals={"worker-0.log": size - 30}), {"worker-0.log": size}, float(step))
        for step, size in enumerate(sizes[1:], 1)
    ]
    assert found[0] == -math.inf
    assert found[1:] == [float(step) for step in range(1, 19)]


def test_who_has_read_all_has_heard_all_until_now() -> None:
    heard = Heard()
    assert heard.until_s(Copied(journals={"a.log": 5}), {"a.log": 5}, 7.0) == 7.0
    assert heard.until_s(Copied(journals={"a.log": 5}), {"a.log": 6}, 8.0) == 7.0
    assert heard.until_s(Copied(journals={"a.log": 5}), {"a.log": 6}, 9.0) == 7.0, "it reads no more"
    assert heard.until_s(Copied(journals={"a.log": 6}), {"a.log": 7}, 10.0) == 8.0


def test_a_journal_that_was_read_and_deleted_keeps_nothing_back() -> None:
    heard = Heard()
    heard.until_s(Copied(journals={"a.1.log": 5}), {"a.1.log": 9, "a.2.log": 1}, 1.0)
    assert heard.until_s(Copied(journals={"a.2.log": 1}), {"a.2.log": 2}, 2.0) == 1.0
