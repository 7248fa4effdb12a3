"""A power cut at any change of the disk: batches that are sealed are there, whole, here or at their destination."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.recorder import Recorder
from engine.recording.options import RecordingOptions
from engine.recording.sealing import Origin
from engine.shipping import outbox as module
from engine.shipping.entry import read_entry, remove, upload
from engine.shipping.local import LocalFolder
from engine.shipping.outbox import enqueue_file
from tests.support.audit import crc32c
from tests.support.data_folder import START_NS, DataFolder
from tests.support.power import Disk, Tree

RUN = "20261120T103000Z-a1b2c3d4"
NOW_NS = 1_795_170_600_000_000_000


class Promises:
    """Batches that were durable in ``ready`` once, and what each of their files must be."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, tuple[str, int, str]]] = {}
        """Entry -> file -> name at the destination, size, checksum."""

    def check(self, disk: Disk) -> None:
        forgetful, hasty = disk.forgetful(), disk.hasty()
        for entry in entries_in(hasty):
            assert self.is_whole(hasty, entry), f"{entry} has its name before its content"
        for entry in entries_in(forgetful):
            self.promise(forgetful, entry)
        for entry in self.files:
            for tree in (forgetful, hasty):
                assert self.is_whole(tree, entry) or self.has_arrived(tree, entry), f"{entry} would be lost"

    def promise(self, tree: Tree, entry: str) -> None:
        upload = json.loads(tree[f"outbox/ready/{entry}/upload.json"])
        self.files[entry] = {file["file"]: (file["name"], file["bytes"], file["crc32c"]) for file in upload["files"]}

    def is_whole(self, tree: Tree, entry: str) -> bool:
        folder = f"outbox/ready/{entry}"
        try:
            upload = json.loads(tree[f"{folder}/upload.json"])
            return all(is_right(tree[f"{folder}/{f['file']}"], f["bytes"], f["crc32c"]) for f in upload["files"])
        except (KeyError, ValueError):
            return False

    def has_arrived(self, tree: Tree, entry: str) -> bool:
        wanted = self.files[entry].values()
        return all(is_right(tree.get(f"recordings/{name}", b"-"), size, crc) for name, size, crc in wanted)


def entries_in(tree: Tree) -> set[str]:
    return {path.split("/")[2] for path in tree if path.startswith("outbox/ready/")}


def is_right(content: bytes, size: int, checksum: str) -> bool:
    return (len(content), crc32c(content)) == (size, checksum)


def some_batches(data: DataFolder) -> None:
    options = RecordingOptions()
    recorder = Recorder(data.root, RUN, Origin("local", "n1"), "recordings", options, Counters())
    for step in range(3):
        data.capture([(step + 1, START_NS + step * 100 + n, 700) for n in range(6)])
        data.item(step + 1, START_NS + step * 100)
        data.broker.keep(step + 1, "r", 0, 0)
        while recorder.step(NOW_NS, float(step), everything=True) or recorder.unsealed:
            time.sleep(0.001)
    recorder.close()


def a_file_of_a_script(data: DataFolder) -> None:
    (data.root / "note.txt").write_text("seen")
    descriptor = os.open(data.root / "note.txt", os.O_RDONLY)
    enqueue_file(data.root / "outbox", descriptor, "n1_10.0.0.1_run/note.txt", str(data.root / "recordings"), "")
    os.close(descriptor)


def ship(data: DataFolder) -> None:
    """What the shipper does with each entry, one after the other."""
    destination = LocalFolder(data.root / "recordings")
    for folder in sorted((data.root / "outbox/ready").iterdir()):
        upload(read_entry(folder), destination)
        remove(folder, data.root / "outbox")


def everything(root: Path) -> Promises:
    data = DataFolder(root, segment_bytes=1 << 20)
    promises = Promises()
    disk = Disk(data.root, promises.check)
    with disk.watched():
        some_batches(data)
        a_file_of_a_script(data)
        ship(data)
    data.close()
    assert disk.changes > 100
    return promises


def test_a_power_cut_at_any_moment_leaves_every_sealed_batch_whole(tmp_path: Path) -> None:
    promises = everything(tmp_path / "data")
    assert len(promises.files) == 4
    assert len([path for path in (tmp_path / "data/recordings").rglob("*") if path.is_file()]) == 13


@pytest.mark.parametrize("forgotten", ["a file", "a folder"])
def test_the_model_notices_what_is_not_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: str) -> None:
    real = module.sync

    def forgetful(path: Path) -> None:
        if path.is_dir() != (forgotten == "a folder"):
            real(path)

    for name in ("outbox", "entry", "local"):
        monkeypatch.setattr(f"engine.shipping.{name}.sync", forgetful)
    if forgotten == "a file":
        with pytest.raises(AssertionError, match="before its content"):
            everything(tmp_path / "data")
    else:
        assert not everything(tmp_path / "data").files, "nothing is ever promised"
