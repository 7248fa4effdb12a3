"""The recorder with a bucket: the real storage client against a strict server on loopback."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gcs_server import serve
from tests.support.instance import SHOP, Instance

pytestmark = pytest.mark.slow

RECORDER = (Path(__file__).parents[2] / "examples/gcs-recorder/script/recorder.py").read_text()
PATTERN = {"RECORDING_KFL": "http and response.status >= 500"}
PUT = """
file.write("note.txt", "seen")


def onShutdown():
    console.log("url", vendor.gcs.put("other-bucket", "note.txt"))
"""


@pytest.fixture
def started() -> Iterator[list[Instance]]:
    instances: list[Instance] = []
    yield instances
    for instance in instances:
        instance.close()


def test_a_recording_arrives_in_the_bucket_and_leaves_the_outbox(tmp_path: Path, started: list[Instance]) -> None:
    with serve("my-recordings") as (url, store):
        environment = {**PATTERN, "GCS_BUCKET": "my-recordings", "STORAGE_EMULATOR_HOST": url}
        started.append(Instance(tmp_path, str(SHOP), scripts={"r.py": RECORDER}, environment=environment))
        assert started[0].wait() == 0, started[0].output()
        objects = store.objects("my-recordings")
    (manifest_name,) = [name for name in objects if name.endswith(".manifest.json")]
    manifest = json.loads(objects[manifest_name])
    assert set(objects) == {manifest_name, *(file["name"] for file in manifest["files"].values())}
    items = gzip.decompress(objects[manifest["files"]["items"]["name"]]).splitlines()
    assert len(items) == manifest["items"] > 10
    assert "The recording is in gs://my-recordings" in started[0].output()
    assert not list((tmp_path / "data/outbox/ready").iterdir())


def test_a_bucket_that_is_not_there_is_named_and_nothing_recorded_is_lost(
    tmp_path: Path, started: list[Instance]
) -> None:
    with serve("my-recordings") as (url, store):
        environment = {**PATTERN, "GCS_BUCKET": "no-such-bucket", "STORAGE_EMULATOR_HOST": url}
        first = Instance(tmp_path, str(SHOP), scripts={"r.py": RECORDER}, environment=environment, grace="5s")
        started.append(first)
        assert first.wait() == 1, first.output()
        assert "no-such-bucket" in first.output()
        assert "Traceback" not in first.output()
        (waiting,) = (tmp_path / "data/outbox/ready").iterdir()
        upload = json.loads((waiting / "upload.json").read_text())
        assert upload["destination"].startswith("gs://no-such-bucket")
    with serve("no-such-bucket") as (url, store):  # somebody made it meanwhile
        environment = {"GCS_BUCKET": "no-such-bucket", "STORAGE_EMULATOR_HOST": url}
        second = Instance(tmp_path, str(SHOP), scripts={"r.py": RECORDER}, environment=environment)
        started.append(second)
        assert second.wait() == 0, second.output()
        assert [name for name in store.objects("no-such-bucket") if name.endswith(".manifest.json")]


def test_a_wrong_key_is_one_clear_message_without_the_key(tmp_path: Path, started: list[Instance]) -> None:
    key = json.dumps(
        {"type": "service_account", "private_key": "VERYSECRETKEY", "client_email": "a@b", "token_uri": "x"}
    )
    environment = {**PATTERN, "GCS_BUCKET": "my-bucket", "GCS_SA_KEY_JSON": key}
    started.append(Instance(tmp_path, str(SHOP), scripts={"r.py": RECORDER}, environment=environment, grace="5s"))
    assert started[0].wait() == 1, started[0].output()
    output = started[0].output()
    assert "GCS_SA_KEY_JSON" in output
    assert "VERYSECRETKEY" not in output
    assert "Traceback" not in output
    assert list((tmp_path / "data/outbox/ready").iterdir()), "what was recorded waits"
    for path in (tmp_path / "data").rglob("*"):
        assert not path.is_file() or b"VERYSECRETKEY" not in path.read_bytes()


def test_a_file_that_a_script_puts_arrives_under_kubesharks_name(tmp_path: Path, started: list[Instance]) -> None:
    with serve("other-bucket") as (url, store):
        environment = {"STORAGE_EMULATOR_HOST": url, "NODE_NAME": "n1", "NODE_IP": "10.0.0.1"}
        started.append(Instance(tmp_path, str(SHOP), scripts={"p.py": PUT}, environment=environment))
        assert started[0].wait() == 0, started[0].output()
        ((name, content),) = store.objects("other-bucket").items()
    assert content == b"seen"
    assert name.startswith("n1_10.0.0.1_")
    assert name.endswith("/note.txt")
    assert f"url https://storage.googleapis.com/other-bucket/{name}" in started[0].output()
