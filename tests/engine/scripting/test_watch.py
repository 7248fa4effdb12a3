from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.scripting.watch import MAX_SOURCE_BYTES, FolderWatch, read_scripts


def test_scripts_are_visible_python_files(tmp_path: Path) -> None:
    for name in ("a.py", ".hidden.py", "_private.py", "notes.txt", "b c.py"):
        (tmp_path / name).write_text(name)
    assert read_scripts(tmp_path) == ({"a.py": b"a.py", "b c.py": b"b c.py"}, {})


def test_what_is_no_readable_file_is_named_with_a_reason_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("x = 1")
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "nowhere.py").symlink_to("gone")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    (tmp_path / "new\nline.py").write_text("x = 1")
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff.py")).write_text("x = 1")
    texts, unread = read_scripts(tmp_path)
    assert texts == {"good.py": b"x = 1"}
    names = {"pipe.py", "folder.py", "loop.py", "nowhere.py", "zero.py", "new\nline.py", "\\udcff.py"}
    assert set(unread) == names
    assert all(reason.startswith("expected ") for reason in unread.values())


def test_a_long_text_is_cut_one_byte_behind_the_cap(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_bytes(bytes(MAX_SOURCE_BYTES + 100))
    assert len(read_scripts(tmp_path)[0]["long.py"]) == MAX_SOURCE_BYTES + 1


def test_a_folder_that_is_not_there_is_an_error_of_the_operator(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"scripting.source: expected a folder of scripts, got .*No such file"):
        read_scripts(tmp_path / "gone")


def test_a_change_makes_the_watch_readable(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path)
    (tmp_path / "a.py").write_text("x = 1")
    assert select.select([watch], [], [], 30)[0]
    watch.take()
    watch.close()
