"""What is remembered of a host's last call, whatever was written when the broker died."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.frames.host import Reply
from engine.helpers.file import File
from engine.helpers.folder import WorkFolder
from engine.helpers.replies import LastCall
from engine.helpers.view import Reading
from tests.support.broker import WALL_NS

REPLY = Reply(7, "", msgspec.Raw(msgspec.msgpack.encode("x" * 100)))


def successor(home: Path, seq: int) -> LastCall:
    last = LastCall(home, 1, taken_over=True)
    last.begin(seq)
    return last


def test_a_reply_is_remembered_beyond_death(tmp_path: Path) -> None:
    last = LastCall(tmp_path, 1, taken_over=False)
    last.begin(7)
    last.save(REPLY)
    found = LastCall(tmp_path, 1, taken_over=True).reply
    assert found is not None
    assert (found.seq, bytes(found.value)) == (7, bytes(REPLY.value))
    assert LastCall(tmp_path, 2, taken_over=True).reply is None
    last.forget()
    assert LastCall(tmp_path, 1, taken_over=True).reply is None


def test_only_the_same_call_is_gone_on_with(tmp_path: Path) -> None:
    last = LastCall(tmp_path, 1, taken_over=False)
    last.begin(7)
    assert last.begun_with(100) is None
    assert successor(tmp_path, 8).begun_with(5) is None
    last.begun_with(100)
    assert successor(tmp_path, 7).begun_with(5) == 100
    last.save(REPLY)
    assert successor(tmp_path, 7).begun_with(5) is None
    last.forget()


def test_half_a_record_is_none(tmp_path: Path) -> None:
    last = LastCall(tmp_path, 1, taken_over=False)
    last.begin(7)
    last.save(REPLY)
    whole = (tmp_path / "reply-1").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "reply-1").write_bytes(whole[:length])
        assert LastCall(tmp_path, 1, taken_over=True).reply is None
    last.forget()


@pytest.mark.parametrize("done", ["nothing", "a part", "all"])
@pytest.mark.parametrize("old", [None, "before "])
def test_an_append_that_was_cut_off_is_done_once(
    folder: WorkFolder, reading: Reading, home: Path, done: str, old: str | None
) -> None:
    path = home / "work" / "a"
    if old is not None:
        path.write_text(old)
    dying = LastCall(home, 1, taken_over=False)
    dying.begin(7)
    dying.begun_with(folder.size(("a",)))
    if done != "nothing":
        path.write_text((old or "") + ("tex" if done == "a part" else "text"))
    File(folder, reading, successor(home, 7), lambda: WALL_NS).append("a", "text")
    assert path.read_text() == (old or "") + "text"
    dying.forget()


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("into_folder", [False, True])
def test_a_move_that_was_cut_off_is_done_once(
    folder: WorkFolder, reading: Reading, home: Path, done: bool, into_folder: bool
) -> None:
    work = home / "work"
    (work / "a").mkdir()
    (work / "a" / "x").write_text("x")
    if into_folder:
        (work / "b").mkdir()
    moved = work / "b" / "a" if into_folder else work / "b"
    dying = LastCall(home, 1, taken_over=False)
    dying.begin(7)
    dying.begun_with(folder.inode(("a",)))
    if done:
        (work / "a").rename(moved)
    File(folder, reading, successor(home, 7), lambda: WALL_NS).move("a", "b")
    assert (moved / "x").read_text() == "x"
    assert not (work / "a").exists()
    dying.forget()
