"""gsutil, as it comes from PyPI, against the strict server: what Google's own tool expects, the server must do."""

from __future__ import annotations

import os
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.audit import crc32c
from tests.support.gcs_server import Store, serve
from tests.support.tls import certificate

GSUTIL = Path(__file__).resolve().parents[2] / "build/peers/gsutil/bin/gsutil"
CONFIGURATION = """
[Credentials]
gs_json_host = {host}
gs_json_port = {port}
[Boto]
https_validate_certificates = False
num_retries = 1
[GSUtil]
default_project_id = shop
state_dir = {folder}/state
software_update_check_period = 0
parallel_process_count = 1
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GSUTIL.exists(), reason="gsutil is not there: make peers-gsutil"),
]


class Gsutil:
    """The tool, and the server it talks to."""

    def __init__(self, folder: Path, address: str, store: Store) -> None:
        url = urllib.parse.urlsplit(address)
        (folder / "boto").write_text(CONFIGURATION.format(host=url.hostname, port=url.port, folder=folder))
        self.folder, self.store = folder, store

    def __call__(self, *arguments: str, fails: bool = False) -> str:
        """What it says."""
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "BOTO_CONFIG": str(self.folder / "boto"),
        }  # fmt: skip
        command = [str(GSUTIL), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else done.stdout

    def file(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        return str(self.folder / name)


@pytest.fixture
def gsutil(tmp_path: Path) -> Iterator[Gsutil]:
    with serve("forensics", certificate=certificate(tmp_path)) as (address, store):
        yield Gsutil(tmp_path, address, store)


SMALL, LARGE = b"packets" * 1000, bytes(range(256)) * (36 << 10)
"""In one request; in chunks."""


def test_files_go_up_and_come_back_with_their_checksums(gsutil: Gsutil) -> None:
    gsutil("cp", gsutil.file("small", SMALL), gsutil.file("large", LARGE), "gs://forensics/x/")
    assert gsutil.store.objects("forensics") == {"x/small": SMALL, "x/large": LARGE}
    assert crc32c(LARGE) in gsutil("stat", "gs://forensics/x/large")
    back = gsutil.folder / "back"
    back.mkdir()
    gsutil("cp", "gs://forensics/x/*", str(back))
    assert {path.name: path.read_bytes() for path in back.iterdir()} == {"small": SMALL, "large": LARGE}
    assert gsutil("cat", "-r", "7-13", "gs://forensics/x/small") == "packets"


def test_a_name_that_is_taken_is_refused_where_nothing_may_be_there(gsutil: Gsutil) -> None:
    condition = ("-h", "x-goog-if-generation-match:0", "cp")
    gsutil(*condition, gsutil.file("small", SMALL), "gs://forensics/x")
    assert "PreconditionException" in gsutil(*condition, gsutil.file("other", b"other"), "gs://forensics/x", fails=True)
    assert "412" in gsutil(*condition, gsutil.file("large", LARGE), "gs://forensics/x", fails=True)
    assert gsutil.store.objects("forensics") == {"x": SMALL}
    assert gsutil.store.created == {"x": 1}


def test_folders_are_listed_and_synchronized(gsutil: Gsutil) -> None:
    for name in ("a/1", "a/2", "a/deep/3", "b"):
        gsutil.store.create("forensics", {}, {"name": name}, name.encode())
    assert gsutil("ls", "gs://forensics/").split() == ["gs://forensics/b", "gs://forensics/a/"]
    assert gsutil("ls", "gs://forensics/a/").split() == [f"gs://forensics/a/{name}" for name in ("1", "2", "deep/")]
    (gsutil.folder / "here").mkdir()
    gsutil("rsync", "-r", "gs://forensics/a", str(gsutil.folder / "here"))
    assert (gsutil.folder / "here/deep/3").read_bytes() == b"a/deep/3"


def test_objects_are_composed_and_deleted(gsutil: Gsutil) -> None:
    for name in ("1", "2"):
        gsutil.store.create("forensics", {}, {"name": name}, name.encode())
    gsutil("compose", "gs://forensics/1", "gs://forensics/2", "gs://forensics/both")
    gsutil("rm", "gs://forensics/1")
    assert gsutil.store.objects("forensics") == {"2": b"2", "both": b"12"}
    assert [name for name, _ in gsutil.store.deleted] == ["1"]
