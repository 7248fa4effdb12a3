"""A bucket or a tar may be anybody's: what it says is read with suspicion, and no more than can be held."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.config import Settings
from engine.errors import CaptureError
from engine.items.tally import Tally
from engine.query import Query

pytestmark = pytest.mark.slow

Change = Callable[[dict[str, Any]], None]


def one_batch(tree: Path, folder: Path, name: str, change: Change | None = None, **content: bytes) -> Path:
    """A recording of one batch, whose manifest ``change`` may forge; ``content``: other files than it had."""
    kind = "packets" if name == "raw" else "items"
    manifests = sorted(tree.glob(f"recording={name}/manifest/**/*.manifest.json"))
    path = next(path for path in manifests if json.loads(path.read_bytes())[kind])
    manifest = json.loads(path.read_bytes())
    for kind, file in manifest["files"].items():
        target = folder / "in" / file["name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.get(kind, (tree / file["name"]).read_bytes()))
        if kind in content:
            file.update(bytes=len(content[kind]), sha256="")
    if change is not None:
        change(manifest)
    target = folder / "in" / path.relative_to(tree)
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps(manifest))
    return folder / "in"


def ask(source: Path) -> None:
    """Items and rows, each to the end."""
    tally = Tally()
    for item in Query([str(source)], Settings(), pytest.fail).items(None):
        tally.add(item)
    list(Query([str(source)], Settings(), pytest.fail).streams())


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "recording=names/../../secret",
        "/etc/passwd",
        "recording=web/x",
        "recording=names/recording=x/y",
        "a\0b",
        "recording=names",
    ],
)
def test_a_manifest_names_nothing_outside_of_its_recording(tree: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_bytes(gzip.compress(b"{}"))
    source = one_batch(tree, tmp_path, "names", lambda manifest: manifest["files"]["items"].update(name=name))
    with pytest.raises(CaptureError, match="expected names of files below"):
        ask(source)


def test_no_link_leads_out_of_a_recording(tree: Path, tmp_path: Path) -> None:
    source = one_batch(tree, tmp_path, "names")
    items = next(source.glob("recording=names/items/**/*.gz"))
    items.rename(tmp_path / "secret")
    items.symlink_to(tmp_path / "secret")
    with pytest.raises(CaptureError, match="got a link out of it"):
        ask(source)


def test_a_pipe_in_a_recording_is_not_waited_for(tree: Path, tmp_path: Path) -> None:
    source = one_batch(tree, tmp_path, "names")
    items = next(source.glob("recording=names/items/**/*.gz"))
    items.unlink()
    os.mkfifo(items)
    with pytest.raises(CaptureError, match="something that is no file"):
        ask(source)


def test_a_link_to_a_recording_is_a_recording(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "recording=names").symlink_to(tree / "recording=names")
    ask(tmp_path / "recording=names")


@pytest.mark.parametrize(
    ("kind", "line", "message"),
    [
        ("items", b'"x"', "lines of JSON objects"),
        ("items", b"{}", "lines with a proper"),
        ("items", b"{{", "lines of JSON objects"),
        ("items", b'{"a":"\xff"}', "lines of JSON objects"),
        ("items", b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "lines of JSON objects"),
        ("streams", b"{}", "lines with a proper"),
        ("streams", b'{"stream":[1]}', "lines with a proper 'stream'"),
    ],
    ids=["a text", "no keys", "no JSON", "no UTF-8", "nested", "no stream", "odd stream"],
)
def test_lines_that_are_none_are_named(tree: Path, tmp_path: Path, kind: str, line: bytes, message: str) -> None:
    with pytest.raises(CaptureError, match=rf"\.{kind}\.jsonl\.gz: expected {message}"):
        ask(one_batch(tree, tmp_path, "names", None, **{kind: gzip.compress(line + b"\n")}))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "expected members of its pcap, got none"),
        ([10**18], "expected members within"),
        ([10**30], "expected members within"),
        ([-5], "expected members within"),
        ([34, 34], "one behind the other"),
    ],
)
def test_members_lie_within_their_file(tree: Path, tmp_path: Path, members: list[int], message: str) -> None:
    forged = [{"offset": offset, "first_ns": 0, "last_ns": 2**62, "packets": 1} for offset in members]
    with pytest.raises(CaptureError, match=message):
        ask(one_batch(tree, tmp_path, "raw", lambda manifest: manifest["files"]["pcap"].update(members=forged)))


def test_packets_that_are_cut_are_named(tree: Path, tmp_path: Path) -> None:
    source = one_batch(tree, tmp_path, "raw", lambda manifest: manifest["files"]["pcap"].update(bytes=10**15))
    with pytest.raises(CaptureError, match="expected 1000000000000000 bytes, as its manifest says"):
        ask(source)


def test_content_is_what_the_manifest_says(tree: Path, tmp_path: Path) -> None:
    forged = gzip.compress(b"")
    source = one_batch(
        tree, tmp_path, "names", lambda manifest: manifest["files"]["items"].update(sha256="0" * 64), items=forged
    )
    with pytest.raises(CaptureError, match="expected the content with SHA-256 0"):
        ask(source)


@pytest.mark.parametrize("content", [b"\0", b" \n"], ids=["one line", "many"])
def test_what_unpacks_without_end_takes_bounded_memory(tree: Path, tmp_path: Path, content: bytes) -> None:
    bomb = gzip.compress(content * (300 << 20 >> len(content) - 1), 1)
    source = one_batch(tree, tmp_path, "names", items=bomb)
    ask(tree / "recording=names")  # what is loaded once is no part of it
    tracemalloc.start()
    try:
        with pytest.raises(CaptureError):
            ask(source)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


def test_a_deep_manifest_is_named(tree: Path, tmp_path: Path) -> None:
    source = one_batch(tree, tmp_path, "names")
    next(source.rglob("*.manifest.json")).write_bytes(b'{"x":' + b"[" * 200_000)
    with pytest.raises(CaptureError, match="expected the manifest of a batch"):
        ask(source)


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = one_batch(tree, tmp_path, "names")
    shutil.rmtree(source / "recording=names" / "pcap")
    original = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("/manifest"):  # root, whom the tests may run as, may read everything
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(CaptureError, match="expected a folder that can be read, got Permission denied"):
        ask(source)
