from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from engine.errors import ConfigError, StorageError, UploadRefused
from engine.shipping.outbox import Upload, UploadFile, check_name, clear_leftovers, enqueue_file
from tests.support.disk import file_size_limit

NAME = "node-1_10.0.0.1_20261120T103000Z-a1b2c3d4/1703018670.pcap"


def enqueue(
    outbox: Path, content: bytes, name: str = NAME, bucket: str = "forensics", key: str = "GCS_SA_KEY_JSON"
) -> None:
    source = outbox.parent / "source"
    source.write_bytes(content)
    descriptor = os.open(source, os.O_RDONLY)
    try:
        os.lseek(descriptor, 3, os.SEEK_SET)
        enqueue_file(outbox, descriptor, name, bucket, key)
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 3
    finally:
        os.close(descriptor)


def entries(outbox: Path) -> list[Path]:
    return sorted((outbox / "ready").iterdir())


def test_an_enqueued_file_lies_in_ready_with_its_size_and_checksum(tmp_path: Path) -> None:
    enqueue(tmp_path / "outbox", b"123456789")
    (entry,) = entries(tmp_path / "outbox")
    upload = msgspec.json.decode((entry / "upload.json").read_bytes(), type=Upload)
    assert upload == Upload("gs://forensics", "GCS_SA_KEY_JSON", [UploadFile("content", NAME, 9, "4waSgw==")])
    assert (entry / "content").read_bytes() == b"123456789"
    assert list((tmp_path / "outbox" / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("bucket", "destination"),
    [("bkt", "gs://bkt"), ("gs://bkt/a/b", "gs://bkt/a/b"), ("bkt/a", "gs://bkt/a"), ("/srv/pcaps", "/srv/pcaps")],
)
def test_a_bucket_names_a_destination(tmp_path: Path, bucket: str, destination: str) -> None:
    enqueue(tmp_path / "outbox", b"x", bucket=bucket)
    (entry,) = entries(tmp_path / "outbox")
    assert msgspec.json.decode((entry / "upload.json").read_bytes())["destination"] == destination


def test_the_same_file_twice_is_one_entry_and_another_is_another(tmp_path: Path) -> None:
    for content in (b"one", b"one", b"two"):
        enqueue(tmp_path / "outbox", content)
    assert sorted((entry / "content").read_bytes() for entry in entries(tmp_path / "outbox")) == [b"one", b"two"]


def test_what_waits_of_one_owner_is_limited_and_no_other_suffers(tmp_path: Path) -> None:
    outbox, source = tmp_path / "outbox", tmp_path / "source"

    def put(owner: str, content: bytes) -> None:
        source.write_bytes(content)
        descriptor = os.open(source, os.O_RDONLY)
        try:
            enqueue_file(outbox, descriptor, NAME, "forensics", "", owner, 100)
        finally:
            os.close(descriptor)

    put("a.py", b"1" * 60)
    put("a.py", b"1" * 60)
    assert len(entries(outbox)) == 1
    for content in (b"2" * 60, b"3" * 200):
        with pytest.raises(UploadRefused, match=r"1 files of 60 bytes wait for their upload already, of 1000 and 100"):
            put("a.py", content)
    put("b.py", b"1" * 60)
    put("a.py", b"4" * 40)
    assert len(entries(outbox)) == 3
    shutil.rmtree(entries(outbox)[0])
    assert list((outbox / "tmp").iterdir()) == []


def test_a_full_disk_enqueues_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(5000))
    descriptor = os.open(tmp_path / "source", os.O_RDONLY)
    with file_size_limit(4096), pytest.raises(StorageError, match="not enqueued for upload: File too large"):
        enqueue_file(tmp_path / "outbox", descriptor, NAME, "forensics", "")
    os.close(descriptor)
    assert [path for path in (tmp_path / "outbox").rglob("*") if path.name != "tmp"] == []


@pytest.mark.parametrize(
    "name",
    ["", "/absolute", "a//b", "../up", "a/..", "a/./b", "line\nbreak", "nul\0", "x" * 256, "d/" * 513 + "x", "\ud800"],
    ids=ascii,
)
def test_a_name_that_no_object_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UploadRefused, match="expected an object name"):
        enqueue(tmp_path / "outbox", b"x", name=name)
    assert not (tmp_path / "outbox").exists()


@pytest.mark.parametrize("bucket", ["", "s3://forensics", "Forensics", "a", "gs://", "for ensics", "gs://../x"])
def test_what_is_no_bucket_is_refused_at_once(tmp_path: Path, bucket: str) -> None:
    with pytest.raises(ConfigError, match="bucket: expected gs://bucket"):
        enqueue(tmp_path / "outbox", b"x", bucket=bucket)


@pytest.mark.parametrize("name", ["a", NAME, "recording=x/pcap/cluster=local/dt=2026-11-20/ü b"])
def test_an_ordinary_name_is_accepted(name: str) -> None:
    check_name(name)


def test_leftovers_of_dead_processes_are_cleared_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as living:
        kept = f"put-{living.pid}-0"
        for name in (kept, f"put-{2**22 + 1}-0", f"put-{os.getpid()}-7", "batch-20261120T103000Z-a1b2c3d4-00000001"):
            (tmp_path / "tmp" / name).mkdir(parents=True)
            (tmp_path / "tmp" / name / "content").write_bytes(b"half")
        clear_leftovers(tmp_path)
        living.kill()
    assert [folder.name for folder in (tmp_path / "tmp").iterdir()] == [kept]
