"""What a script can do with files, and what it cannot."""

from __future__ import annotations

import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import NoSuchStream, PathEscape, QuotaExceeded, StorageError
from engine.helpers.confine import WorkPathError
from engine.helpers.file import File
from engine.helpers.folder import WorkFolder
from engine.helpers.space import BLOCK_BYTES, NOTHING, Room
from tests.support.broker import LIMIT, LIMIT_BYTES


def content(home: Path) -> dict[str, bytes | None]:
    """Everything in the work folder; folders are None."""
    work = home / "work"
    return {
        str(path.relative_to(work)): None if path.is_dir() else path.read_bytes() for path in sorted(work.rglob("*"))
    }


def test_write_creates_and_replaces(file: File, home: Path) -> None:
    file.write("a.txt", "one")
    file.write("a.txt", "zwei ü")
    assert content(home) == {"a.txt": "zwei ü".encode()}


def test_append_creates_and_adds(file: File, home: Path) -> None:
    file.append("a.txt", "one")
    file.append("a.txt", " two")
    assert content(home) == {"a.txt": b"one two"}


def test_a_file_needs_its_folder(file: File) -> None:
    with pytest.raises(FileNotFoundError):
        file.write("no/a.txt", "x")


def test_mkdir_makes_parents_and_does_not_mind_twice(file: File, home: Path) -> None:
    file.mkdir("a/b/c")
    file.mkdir("a/b")
    assert content(home) == {"a": None, "a/b": None, "a/b/c": None}


def test_mkdir_does_not_replace_a_file(file: File) -> None:
    file.write("a", "x")
    for path in ("a", "a/b"):
        with pytest.raises(OSError, match="Not a directory"):
            file.mkdir(path)


def test_move_renames_or_keeps_the_name_in_a_folder(file: File, home: Path) -> None:
    file.mkdir("to")
    file.write("a", "1")
    file.move("a", "b")
    file.move("b", "to")
    assert content(home) == {"to": None, "to/b": b"1"}


def test_move_moves_folders_and_not_into_themselves(file: File, home: Path) -> None:
    file.mkdir("a/b")
    file.mkdir("to")
    file.move("a", "to")
    assert content(home) == {"to": None, "to/a": None, "to/a/b": None}
    with pytest.raises(OSError, match="Invalid argument"):
        file.move("to", "to/a/b")


def test_copy_copies_into_a_folder_too(file: File, home: Path) -> None:
    file.mkdir("to")
    file.write("a", "1")
    file.copy("a", "b")
    file.copy("a", "to")
    assert content(home) == {"a": b"1", "b": b"1", "to": None, "to/a": b"1"}


def test_copy_takes_a_stream_from_the_view(file: File, home: Path) -> None:
    file.mkdir("kept")
    file.copy("pcaps/000000000144.pcap", "kept")
    file.copy("pcaps/000000000144.pcap", "kept")
    kept = content(home)["kept/000000000144.pcap"]
    assert kept is not None
    assert kept[:4] == bytes.fromhex("4d3cb2a1")
    assert kept.count(b"x" * 100) == 1


def test_delete_takes_folders_and_does_not_mind_missing_ones(file: File, folder: WorkFolder, home: Path) -> None:
    file.mkdir("a/b")
    file.write("a/b/c", "x")
    file.delete("a")
    file.delete("a")
    file.delete("never/was")
    assert content(home) == {}
    assert folder.used == NOTHING


def test_temporary_names_are_new_each_time(file: File, home: Path) -> None:
    file.mkdir("in")
    paths = [file.temp("x", "in", "json"), file.temp("x", "in", "json"), file.mkdir_temp("d"), file.mkdir_temp("d")]
    assert sorted([*paths, "in"]) == sorted(content(home))
    assert paths[0].startswith("in/x")
    assert paths[0].endswith(".json")


@pytest.mark.parametrize(("name", "place"), [("../x", ""), ("a/b", ""), ("x", ".."), ("x", "/tmp"), ("x\0", "")])
def test_temporary_names_do_not_escape(file: File, name: str, place: str) -> None:
    for make in (file.temp, file.mkdir_temp):
        with pytest.raises(StorageError):
            make(name, place)


def test_tar_packs_a_folder_and_never_over_another(file: File, home: Path) -> None:
    file.mkdir("out/sub")
    file.write("out/a.txt", "hello")
    file.write("out/sub/b.txt", "world")
    assert [file.tar("out"), file.tar("out")] == ["kubeshark_1795180150.tar.gz", "kubeshark_1795180150_2.tar.gz"]
    with tarfile.open(home / "work" / "kubeshark_1795180150.tar.gz") as archive:
        assert archive.getnames() == ["out/a.txt", "out/sub", "out/sub/b.txt"]
        packed = archive.extractfile("out/a.txt")
        assert packed is not None
        assert packed.read() == b"hello"


@pytest.mark.parametrize(
    "act", ["write", "append", "delete", "mkdir", "move_from", "move_to", "copy_to", "tar", "temp"]
)
def test_the_view_cannot_be_changed(file: File, act: str) -> None:
    file.write("a", "x")
    stream = "pcaps/000000000144.pcap"
    acts: dict[str, Callable[[], str | None]] = {
        "write": lambda: file.write(stream, "x"),
        "append": lambda: file.append(f"./{stream}", "x"),
        "delete": lambda: file.delete("pcaps"),
        "mkdir": lambda: file.mkdir("pcaps//new"),
        "move_from": lambda: file.move(stream, "b"),
        "move_to": lambda: file.move("a", "pcaps"),
        "copy_to": lambda: file.copy("a", stream),
        "tar": lambda: file.tar("pcaps"),
        "temp": lambda: file.temp("x", "pcaps"),
    }
    with pytest.raises(WorkPathError, match="read-only view"):
        acts[act]()


@pytest.mark.parametrize("name", ["pcaps/000000000999.pcap", "pcaps/x.pcap", "pcaps/0", "pcaps/-1", "pcaps/１"])
def test_a_stream_that_is_not_there_is_named(file: File, name: str) -> None:
    with pytest.raises(NoSuchStream):
        file.copy(name, "a")


def test_planted_links_are_not_followed(file: File, home: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (home / "work" / "folder").symlink_to(tmp_path / "outside")
    (home / "work" / "link").symlink_to(tmp_path / "outside" / "secret")
    acts: list[Callable[[], str | None]] = [
        lambda: file.copy("link", "a"),
        lambda: file.copy("folder/secret", "a"),
        lambda: file.append("link", "x"),
        lambda: file.write("folder/new", "x"),
        lambda: file.delete("folder/secret"),
        lambda: file.mkdir("folder/new"),
        lambda: file.move("folder/secret", "a"),
        lambda: file.tar("folder"),
    ]
    for act in acts:
        with pytest.raises((PathEscape, WorkPathError)):
            act()
    file.write("link", "replaces the link")
    file.delete("folder")
    assert (tmp_path / "outside" / "secret").read_text() == "secret"
    assert content(home) == {"link": b"replaces the link"}


def test_what_is_no_file_is_not_read(file: File, home: Path) -> None:
    os.mkfifo(home / "work" / "fifo")
    file.mkdir("folder")
    for path in ("fifo", "folder", ""):
        with pytest.raises((WorkPathError, OSError)):
            file.copy(path, "a")


@pytest.mark.parametrize("act", ["delete", "move"])
@pytest.mark.parametrize("path", ["", ".", "./"])
def test_the_folder_itself_stays(file: File, act: str, path: str) -> None:
    with pytest.raises(WorkPathError, match="the folder itself"):
        file.delete(path) if act == "delete" else file.move(path, "x")


def test_the_quota_holds_for_bytes(file: File, folder: WorkFolder, home: Path) -> None:
    file.write("a", "x" * (LIMIT_BYTES // 2))
    with pytest.raises(QuotaExceeded, match=f"exceed the limit of {LIMIT_BYTES}"):
        file.copy("a", "b")
    with pytest.raises(QuotaExceeded):
        file.append("a", "x" * LIMIT_BYTES)
    assert content(home) == {"a": b"x" * (LIMIT_BYTES // 2)}
    file.write("a", "small")
    file.write("b", "x" * (LIMIT_BYTES // 2))


def test_the_quota_holds_for_empty_files_and_folders(file: File) -> None:
    for number in range(LIMIT_BYTES // BLOCK_BYTES):
        file.mkdir(f"d{number}") if number % 2 else file.append(f"f{number}", "")
    acts: list[Callable[[], str | None]] = [
        lambda: file.mkdir("d"),
        lambda: file.append("f", ""),
        lambda: file.temp("x"),
        lambda: file.tar("d1"),
    ]
    for act in acts:
        with pytest.raises(QuotaExceeded):
            act()


def test_room_that_somebody_else_made_is_found(file: File, home: Path) -> None:
    file.write("a", "x" * (LIMIT_BYTES - BLOCK_BYTES))
    (home / "work" / "a").unlink()
    file.write("b", "x" * (LIMIT_BYTES - BLOCK_BYTES))


def test_the_number_of_files_is_limited_too_and_deleting_makes_room(home: Path) -> None:
    few = WorkFolder(home, Room(LIMIT_BYTES, 3))
    few.make_folder(("d",))
    few.append(("d", "a"), b"1")
    few.append(("d", "a"), b"2")
    few.append(("b",), b"1")
    with pytest.raises(QuotaExceeded, match="4 files and folders would exceed the limit of 3"):
        few.append(("c",), b"1")
    with pytest.raises(QuotaExceeded, match="files and folders"):
        few.make_folder(("e",))
    few.append(("b",), b"more of what is there is no new file")
    few.delete(("d",))
    few.append(("c",), b"1")
    assert few.used == Room(2 * BLOCK_BYTES, 2)
    few.close()


def test_folders_do_not_nest_without_end(file: File) -> None:
    file.mkdir("/".join("a" * 20))
    file.mkdir("/".join("b" * 20))
    with pytest.raises(WorkPathError, match="at most 32"):
        file.move("a", "/".join("b" * 20))


def test_a_successor_finds_the_same_files_and_no_drafts(file: File, folder: WorkFolder, home: Path) -> None:
    file.mkdir("d")
    file.write("d/a", "x" * 10_000)
    (home / "tmp" / "left-behind").write_text("half")
    again = WorkFolder(home, LIMIT)
    assert again.used == folder.used
    assert again.used.bytes == 4 * BLOCK_BYTES
    assert list((home / "tmp").iterdir()) == []
    again.close()


@pytest.mark.parametrize("seed", range(10))
def test_the_books_agree_with_the_disk(file: File, folder: WorkFolder, home: Path, seed: int) -> None:
    rng = random.Random(seed)
    names = ["a", "b", "c", "d/a", "d/b", "d/e/a", "d", "d/e", "f"]
    for _ in range(150):
        source, target = rng.choice(names), rng.choice(names)
        act = rng.choice(["write", "append", "copy", "move", "delete", "mkdir", "tar"])
        try:
            if act in ("write", "append"):
                getattr(file, act)(source, "x" * rng.randrange(20_000))
            elif act in ("copy", "move"):
                getattr(file, act)(source, target)
            else:
                getattr(file, act)(source)
        except (StorageError, OSError):
            continue
        fresh = WorkFolder(home, LIMIT)
        assert fresh.used == folder.used, act
        fresh.close()
