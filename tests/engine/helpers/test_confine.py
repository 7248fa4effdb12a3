"""Paths stay below the work folder, whoever planted what, with and without openat2."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import PathEscape
from engine.helpers.confine import WorkPathError, open_by_kernel, open_by_steps, parts_of

Open = Callable[[int, tuple[str, ...], int, int], int]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "secret").write_text("secret")
    work = tmp_path / "work"
    (work / "real").mkdir(parents=True)
    (work / "real" / "file").write_text("mine")
    (work / "to_file").symlink_to("../secret")
    (work / "to_folder").symlink_to("..")
    (work / "to_root").symlink_to("/")
    (work / "to_sibling").symlink_to("real")
    (work / "to_self").symlink_to("to_self")
    (work / "to_process").symlink_to("/proc/self/cwd")
    descriptor = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("opener", [open_by_kernel, open_by_steps])
@pytest.mark.parametrize(
    "path",
    [
        "to_file",
        "to_folder/secret",
        "to_folder",
        "to_root/etc/passwd",
        "to_sibling/file",
        "to_sibling",
        "to_self",
        "to_process/x",
    ],
)
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_CREAT], ids=["read", "write"])
def test_a_planted_link_leads_nowhere(root: int, opener: Open, path: str, flags: int) -> None:
    with pytest.raises(PathEscape, match="inside the script's work folder"):
        opener(root, tuple(path.split("/")), flags | os.O_NOFOLLOW, 0o600)


@pytest.mark.parametrize("opener", [open_by_kernel, open_by_steps])
def test_what_lies_below_is_opened(root: int, opener: Open) -> None:
    descriptor = opener(root, ("real", "file"), os.O_RDONLY | os.O_NOFOLLOW, 0)
    assert os.read(descriptor, 10) == b"mine"
    os.close(descriptor)


@pytest.mark.parametrize("opener", [open_by_kernel, open_by_steps])
@pytest.mark.parametrize(
    ("path", "error"),
    [("real/none", FileNotFoundError), ("none/file", FileNotFoundError), ("real/file/x", NotADirectoryError)],
)
def test_what_is_missing_is_missing(root: int, opener: Open, path: str, error: type[OSError]) -> None:
    with pytest.raises(error):
        opener(root, tuple(path.split("/")), os.O_RDONLY | os.O_NOFOLLOW, 0)


@pytest.mark.parametrize("opener", [open_by_kernel, open_by_steps])
def test_no_descriptor_is_left_open(root: int, opener: Open) -> None:
    before = os.listdir("/proc/self/fd")
    for path in ("to_folder/secret", "real/none", "none/file", "to_file"):
        with pytest.raises((PathEscape, OSError)):
            opener(root, tuple(path.split("/")), os.O_RDONLY | os.O_NOFOLLOW, 0)
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("", ()),
        (".", ()),
        ("./a//b/", ("a", "b")),
        ("a", ("a",)),
        ("...", ("...",)),
        ("a..b", ("a..b",)),
        ("ä" * 127, ("ä" * 127,)),
    ],
)
def test_a_path_is_its_components(path: str, parts: tuple[str, ...]) -> None:
    assert parts_of(path) == parts


@pytest.mark.parametrize("path", ["/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "//x", "/etc/../x"])
def test_a_path_that_leaves_is_an_escape(path: str) -> None:
    with pytest.raises(PathEscape):
        parts_of(path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a\0b", "without NUL"),
        ("x" * 256, "at most 255 bytes, got 256"),
        ("ä" * 128, "at most 255 bytes, got 256"),
        ("a/" * 33, "at most 32 folders below one another, got 33"),
        ("a/" * 30_000, "at most 32"),
    ],
)
def test_a_path_that_no_file_has_is_refused(path: str, reason: str) -> None:
    with pytest.raises(WorkPathError, match=reason) as caught:
        parts_of(path)
    assert len(str(caught.value)) < 1500
