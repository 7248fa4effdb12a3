"""Recordings as sources of commands: in a bucket, in a tar, replayed through scripts; and `remora stats`."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from tests.support.gcs_server import Store, serve
from tests.support.instance import SHOP, Instance, remora
from tests.support.recordings import make

pytestmark = pytest.mark.slow

COUNT = """
seen = {}


def onItemCaptured(data):
    name = data.protocol.name
    seen[name] = seen.get(name, 0) + 1


def onShutdown():
    console.log("seen", json.dumps(seen))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("recordings"))


def lines(text: str) -> Counter[str]:
    """Items without what the recording adds."""
    items = (json.loads(line) for line in text.splitlines())
    return Counter(json.dumps([item["src"], item["request"], item["response"], item["startTime"]]) for item in items)


def put(tree: Path, store: Store, prefix: str) -> None:
    for path in tree.rglob("*.*"):
        if path.is_file():
            store.create("records", {"name": prefix + str(path.relative_to(tree))}, {}, path.read_bytes())


def test_a_bucket_is_asked_as_a_folder_is_and_for_no_more_than_can_match(tree: Path) -> None:
    with serve("records") as (url, store):
        put(tree, store, "some/prefix/")
        environment = {"STORAGE_EMULATOR_HOST": url}
        text = 'record("names") and dns'
        before = store.requests["GET"]
        found = remora("query", "gs://records/some/prefix", "--kfl", text, environment=environment)
        asked = store.requests["GET"] - before
        one = remora("query", "gs://records/some/prefix/recording=names", environment=environment)
        missing = remora("query", "gs://records/elsewhere", environment=environment)
        nowhere = remora("query", "gs://no-such-bucket", environment=environment)
        streams = remora("streams", "gs://records/some/prefix/recording=raw", environment=environment)
    local = remora("query", str(tree), "--kfl", text)
    assert found.returncode == 0, found.stderr
    assert lines(found.stdout) == lines(one.stdout) == lines(local.stdout)
    assert len(found.stdout.splitlines()) > 100
    manifests = len(list(tree.glob("recording=*/manifest/**/*.json")))
    batches = len(list(tree.glob("recording=names/manifest/**/*.json")))
    assert asked <= 1 + 3 + manifests + batches
    assert "gs://records/elsewhere: expected a recording with sealed batches" in missing.stderr
    assert "gs://no-such-bucket: expected a bucket or an object that is there" in nowhere.stderr
    assert len(streams.stdout.splitlines()) == len(remora("streams", str(SHOP)).stdout.splitlines())


@pytest.mark.parametrize("kind", ["recording", "tar", "bucket"])
def test_a_recording_is_replayed_through_scripts(tree: Path, tmp_path: Path, kind: str) -> None:
    with serve("records") as (url, store):
        source = str(tree / "recording=raw")
        if kind == "tar":
            source = str(tmp_path / "raw.tgz")
            with tarfile.open(source, "w:gz") as tar:
                tar.add(tree / "recording=raw", "recording=raw")
        if kind == "bucket":
            put(tree, store, "")
            source = "gs://records/recording=raw"
        instance = Instance(tmp_path, source, scripts={"c.py": COUNT}, environment={"STORAGE_EMULATOR_HOST": url})
        code = instance.wait()
        output = instance.output()
        instance.close()
    assert code == 0, output
    items = [json.loads(line) for line in remora("query", str(SHOP)).stdout.splitlines()]
    expected = Counter(item["protocol"]["name"] for item in items)
    (said,) = [line for line in output.splitlines() if "seen {" in line]
    assert Counter(json.loads(said[said.index("{") :])) == expected


def test_stats_count_what_query_prints(tree: Path) -> None:
    items = [json.loads(line) for line in remora("query", str(SHOP)).stdout.splitlines()]
    for source in (SHOP, tree / "recording=raw"):
        found = remora("stats", str(source), "--json")
        assert found.returncode == 0, found.stderr
        rows = [json.loads(line) for line in found.stdout.splitlines()]
        for by in ("protocol", "status", "endpoint"):
            assert sum(row["items"] for row in rows if row["by"] == by) == len(items)
        slow = next(row for row in rows if row["by"] == "protocol" and row["protocol"] == "HTTP")
        times = [i["elapsedTime"] for i in items if i["protocol"]["abbr"] == "HTTP" and i["response"] and i["request"]]
        assert slow["maxMs"] == max(times)
        failed = [row for row in rows if row["by"] == "status" and row["status"] == "500"]
        assert failed[0]["items"] == failed[0]["errors"] > 0
    table = remora("stats", str(SHOP), "--by", "endpoint", "--top", "3", "--kfl", "http").stdout
    assert len(table.splitlines()) == 6, table
    assert "more; --top 0 shows all" in table


def counted(*arguments: str) -> dict[str, int]:
    """Items by protocol, as `remora stats` says it."""
    found = remora("stats", *arguments, "--by", "protocol", "--json")
    assert found.returncode == 0, found.stderr
    return {row["protocol"]: row["items"] for row in map(json.loads, found.stdout.splitlines())}


def test_an_item_that_is_in_several_recordings_counts_once(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree / "recording=web", tmp_path / "recording=web")
    web, names = str(tree / "recording=web"), str(tree / "recording=names")
    once = counted(web, names)
    assert once["HTTP"] > 1000
    assert once["DNS"] > 100
    assert counted(web, names, str(tmp_path), web) == once


def test_stats_of_a_data_folder_know_its_recordings(tmp_path: Path) -> None:
    script = 'def onItemCaptured(data):\n    pcap.record(data.stream, "all")\n'
    instance = Instance(tmp_path, str(SHOP), scripts={"r.py": script})
    assert instance.wait() == 0, instance.output()
    instance.close()
    shutil.rmtree(instance.data / "segments")  # as after a while
    (instance.data / "segments").mkdir()
    asked = ("--data", str(instance.data), "--kfl")
    assert counted(*asked, 'record("all") and http').keys() == {"HTTP"}
    assert counted(*asked, 'record("all") and http and limit(7)') == {"HTTP": 7}
    assert counted(*asked, 'record("none")') == {}


def test_a_span_that_is_none_is_said() -> None:
    for arguments, message in (
        (("--from", "yesterday"), "--from: expected a time such as 2026-11-30T14:00 (UTC), got 'yesterday'"),
        (("--from", "2026-11-30", "--to", "2026-11-29"), "--to: expected a time after --from 2026-11-30"),
    ):
        found = remora("query", str(SHOP), *arguments)
        assert found.returncode == 2
        assert message in found.stderr
