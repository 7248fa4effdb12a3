from __future__ import annotations

import json
import os
import pwd
import random
import subprocess
import sys
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.errors import ConfigError
from engine.segments.folder import FOLDERS, StreamIds, clean, lock_instance, open_folder, sizes
from engine.segments.member import Member
from engine.segments.options import StorageOptions
from engine.segments.shelf import Shelf
from tests.support.segments import EPOCH_NS, batch_for, data_folder, described, record, streams_of, times_of

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def test_a_new_folder_is_complete_and_private(tmp_path: Path) -> None:
    data = tmp_path / "a" / "b"
    open_folder(data, "n1", 5)
    assert json.loads((data / "instance.json").read_text()) == {"format": 1, "created_ns": 5, "node": "n1"}
    assert all((data / name).is_dir() for name in FOLDERS)
    for path in [data, *data.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


def test_opening_again_changes_nothing_but_what_is_missing(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    (data / "outbox" / "tmp").rmdir()
    (data / "segments" / "00000001.pcap").write_bytes(b"x")
    open_folder(data, "other", 9)
    assert (data / "outbox" / "tmp").is_dir()
    assert (data / "segments" / "00000001.pcap").read_bytes() == b"x"
    assert json.loads((data / "instance.json").read_text())["node"] == "n1"


@needs_root
def test_what_root_makes_belongs_to_nobody(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    StreamIds(data)
    nobody = pwd.getpwnam("nobody").pw_uid
    assert {path.stat().st_uid for path in [data, *data.rglob("*")]} == {nobody}


@needs_root
def test_what_root_adds_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 1234, 1234)
    open_folder(data, "n1", 5)
    assert {path.stat().st_uid for path in [data, *data.rglob("*")]} == {1234}


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda data: (data.mkdir(), (data / "precious").touch()), "name another folder"),
        (lambda data: data.touch(), "File exists"),
        (lambda data: (data.mkdir(), (data / "instance.json").write_text('{"format": 2}')), "expected format 1, got 2"),
        (lambda data: (data.mkdir(), (data / "instance.json").write_text("[]")), "expected format 1, got 'something"),
        (lambda data: data.symlink_to("/proc/nowhere"), "File exists"),
    ],
    ids=["not empty", "a file", "a later format", "not ours", "a dead link"],
)
def test_what_is_no_data_folder_is_refused_in_words(tmp_path: Path, prepare: object, words: str) -> None:
    assert callable(prepare)
    prepare(tmp_path / "data")
    with pytest.raises(ConfigError, match=words):
        open_folder(tmp_path / "data", "n1", 5)


def test_one_instance_holds_the_folder(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    with lock_instance(data), pytest.raises(ConfigError, match=f"process {os.getpid()} uses it: stop that one first"):
        lock_instance(data)
    lock_instance(data).close()
    with pytest.raises(ConfigError, match="expected a data folder"):
        lock_instance(tmp_path / "nowhere")


@pytest.mark.slow
def test_a_process_that_dies_lets_go_of_the_folder(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    program = f"from engine.segments.folder import *; file = lock_instance(Path({str(data)!r})); print(); input()"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin
    assert child.stdout
    child.stdout.readline()
    with pytest.raises(ConfigError, match=f"process {child.pid} uses it"):
        lock_instance(data)
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    lock_instance(data).close()


def test_cleaning_empties_the_folder_and_is_refused_while_it_is_used(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    (data / "outbox" / "ready" / "batch").mkdir()
    (data / "outbox" / "ready" / "batch" / "x").write_bytes(bytes(1000))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (data / "scripts" / "link").symlink_to(outside)
    with lock_instance(data), pytest.raises(ConfigError, match="no running instance"):
        clean(data)
    assert clean(data) > 1000
    assert [path.name for path in data.iterdir()] == ["lock"]
    assert (outside / "precious").exists()
    open_folder(data, "n1", 5)


def test_only_a_data_folder_is_cleaned(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(ConfigError, match="nothing was removed"):
        clean(tmp_path)
    assert (tmp_path / "precious").exists()


def test_sizes_add_up(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    (data / "segments" / "x").write_bytes(bytes(10))
    (data / "outbox" / "ready" / "x").write_bytes(bytes(20))
    (data / "console.log").write_bytes(bytes(30))
    measured = sizes(data)
    assert (measured["segments"], measured["outbox"]) == (10, 20)
    assert measured["other"] == 30 + (data / "instance.json").stat().st_size
    assert list(measured) == ["segments", "items", "keep", "scripts", "outbox", "recordings", "other"]


def test_stream_ids_go_on_and_are_never_used_twice(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    seen: set[int] = set()
    for count in (1, 4095, 4097, 10_000, 0, 3):
        ids = StreamIds(data)  # the one before was killed
        new = [ids.next() for _ in range(count)]
        assert seen.isdisjoint(new)
        assert new == sorted(new)
        seen |= set(new)
        assert int((data / "stream-ids").read_text()) > max(seen)
    assert min(seen) == 1


@pytest.mark.parametrize("seed", range(5))
def test_no_worker_uses_a_stream_id_of_another_however_many_there_are(tmp_path: Path, seed: int) -> None:
    rng, data, seen = random.Random(seed), data_folder(tmp_path), set[int]()
    for _ in range(6):
        count = rng.randint(1, 4)
        workers = [StreamIds(data, Member(index, count)) for index in range(count)]
        for _ in range(10):
            index = rng.randrange(count)
            if rng.random() < 0.3:
                workers[index] = StreamIds(data, Member(index, count))  # it was killed
            new = [workers[index].next() for _ in range(rng.choice((1, 5000)))]
            assert seen.isdisjoint(new)
            assert {stream % count for stream in new} == {index}
            seen |= set(new)


def test_stream_ids_go_on_behind_what_is_stored(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    shelf = Shelf(data, StorageOptions(window=False), Counters(), 0.0)
    packets = [(9_000_000, record(EPOCH_NS, b"frame"))]
    shelf.append(batch_for(packets), streams_of(packets), times_of(packets), described, 0.0)
    assert StreamIds(data).next() == 9_000_001


def test_a_damaged_id_file_is_an_error_in_words(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    (data / "stream-ids").write_text("many\n")
    with pytest.raises(ConfigError, match="expected the next free stream id, got 'many'"):
        StreamIds(data)
