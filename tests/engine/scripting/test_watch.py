from __future__ import annotations

import errno
import os
import select
import subprocess
import sys
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


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: links of another user")
@pytest.mark.parametrize(
    ("link_owner", "file_owner", "mode", "is_read"),
    [(1234, 0, 0o600, False), (1234, 0, 0o644, True), (1234, 1234, 0o600, True), (0, 0, 0o600, True)],
    ids=["root's secret", "everybody's file", "a file of one's own", "a link that root made"],
)
def test_a_link_reads_nothing_that_who_made_it_may_not_read(
    tmp_path: Path, link_owner: int, file_owner: int, mode: int, is_read: bool
) -> None:
    folder, target = tmp_path / "scripts", tmp_path / "target"
    folder.mkdir()
    target.write_text("root:secret\n")
    target.chmod(mode)
    os.chown(target, file_owner, file_owner)
    (folder / "a.py").symlink_to("../target")
    os.chown(folder / "a.py", link_owner, link_owner, follow_symlinks=False)
    texts, unread = read_scripts(folder)
    if is_read:
        assert (texts, unread) == ({"a.py": b"root:secret\n"}, {})
    else:
        assert texts == {}
        assert unread == {"a.py": "expected a readable file, got a link to a file that the link's owner may not read"}


def test_links_within_the_folder_are_followed_as_a_mounted_config_map_has_them(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "a.py").write_text("x = 1")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "a.py").symlink_to("..data/a.py")
    assert read_scripts(tmp_path) == ({"a.py": b"x = 1"}, {})


def test_no_name_ends_the_mark_of_its_own_console_lines(tmp_path: Path) -> None:
    name = "top] Tue, 01 Dec 2026 01:09:57 GMT: all is well.py"
    (tmp_path / name).touch()
    texts, unread = read_scripts(tmp_path)
    assert not texts
    assert "expected a name without ']'" in unread[name]


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


def test_a_folder_that_is_replaced_is_elsewhere_and_one_that_is_gone_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "scripts"
    folder.mkdir()
    watch = FolderWatch(folder)
    assert not watch.is_elsewhere()
    folder.rmdir()
    assert not watch.is_elsewhere()
    folder.mkdir()
    assert watch.is_elsewhere()
    watch.close()


@pytest.mark.parametrize("call", ["schedule", "start"])
def test_a_machine_without_room_for_a_watch_says_what_to_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr(f"engine.scripting.watch.Observer.{call}", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(
        ConfigError, match=r"can be watched, got .*limit reached; raise fs\.inotify\.max_user_instances"
    ):
        FolderWatch(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a limit in a user namespace")
@pytest.mark.slow
def test_the_limit_of_the_kernel_is_told_as_such(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; Path('/proc/sys/user/max_inotify_instances').write_text('0');"
        f"from engine.scripting.watch import FolderWatch; FolderWatch(Path({str(tmp_path)!r}))"
    )
    command = ["unshare", "-Ur", sys.executable, "-c", script]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "raise fs.inotify.max_user_instances, or set scripting.watchScripts=false" in ended.stderr
