"""`remora outbox`, as somebody uses it at night whose bucket refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.gcs_server import Store, serve
from tests.support.instance import SHOP, Instance, remora

pytestmark = pytest.mark.slow

KEEP = 'def onItemCaptured(data):\n    pcap.record(data.stream, "all")\n'
Server = tuple[str, Store]


@pytest.fixture
def server() -> Iterator[Server]:
    with serve("forensics") as (address, store):
        yield address, store


def rows(data: Path) -> list[dict[str, Any]]:
    result = remora("outbox", "list", "--json", "--data", str(data))
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def left_behind(folder: Path, server: Server) -> Path:
    """A data folder whose batch found no bucket."""
    environment = {"STORAGE_EMULATOR_HOST": server[0], "GCS_BUCKET": "forensic"}
    instance = Instance(folder, str(SHOP), scripts={"keep.py": KEEP}, environment=environment, grace="1s")
    assert instance.wait() == 1
    instance.close()
    return instance.data


def test_what_remains_is_listed_and_uploaded_without_a_running_instance(tmp_path: Path, server: Server) -> None:
    address, store = server
    data = left_behind(tmp_path, server)
    (row,) = rows(data)
    assert (row["state"], row["recording"], row["destination"]) == ("ready", "all", "gs://forensic")
    assert "does not exist; create it" in row["reason"]
    table = remora("outbox", "list", "--data", str(data)).stdout
    assert "1 waiting" in table
    assert "1 × gs://forensic" in table
    again = ("outbox", "retry", "--grace", "500ms", "--data", str(data))
    result = remora(*again, environment={"STORAGE_EMULATOR_HOST": address})
    assert (result.returncode, result.stdout) == (1, "0 of 1 were stored\n")
    assert "1 remain in" in result.stderr
    assert "does not exist" in result.stderr
    store.buckets["forensic"] = {}
    result = remora(*again, environment={"STORAGE_EMULATOR_HOST": address})
    assert (result.returncode, result.stdout) == (0, "1 of 1 were stored\n"), result.stderr
    assert len(store.objects("forensic")) == 4
    assert remora(*again).stdout == "nothing waits\n"
    assert f"nothing waits in {data / 'outbox'}" in remora("outbox", "list", "--data", str(data)).stdout


def test_a_running_instance_tries_at_once_and_takes_dead_entries_back(tmp_path: Path, server: Server) -> None:
    address, store = server
    data = left_behind(tmp_path, server)
    (row,) = rows(data)
    folder = data / "outbox/dead" / row["entry"]
    folder.parent.mkdir(exist_ok=True)
    (data / "outbox/ready" / row["entry"]).rename(folder)
    store.buckets["forensic"] = {}
    (tmp_path / "in").mkdir()
    environment = {"STORAGE_EMULATOR_HOST": address}
    instance = Instance(tmp_path, str(tmp_path / "in"), "--follow", scripts={}, environment=environment)
    try:
        instance.until(lambda status: status["phase"] == "running")
        result = remora("outbox", "retry", "--data", str(data))
        assert "nothing to retry; name dead entries" in result.stdout
        result = remora("outbox", "retry", row["entry"][:20], "--data", str(data))
        assert "waits for its upload again\nthe running instance tries now" in result.stdout, result.stderr
        instance.until(lambda status: status["counters"].get("shipper_batches_total", 0) == 1)
        assert instance.stop() == 0, instance.output()
    finally:
        instance.close()
    assert len(store.objects("forensic")) == 4


def test_what_no_destination_has_is_deleted_only_when_it_is_meant(tmp_path: Path, server: Server) -> None:
    data = left_behind(tmp_path, server)
    (row,) = rows(data)
    for arguments, words in (
        (("drop",), "expected names of entries or --dead"),
        (("drop", "nothing"), "expected the name of an entry or its beginning, got 'nothing'"),
        (("drop", row["entry"]), "nothing was deleted"),
    ):
        result = remora("outbox", *arguments, "--data", str(data))
        assert result.returncode != 0
        assert words in result.stderr
    assert remora("outbox", "drop", "--dead", "--data", str(data)).stdout == "nothing is dead\n"
    assert rows(data) == [row]
    result = remora("outbox", "drop", row["entry"], "--yes", "--data", str(data))
    assert f"{row['entry']}: deleted (" in result.stdout
    assert rows(data) == []
    assert "expected a data folder" in remora("outbox", "list", "--data", str(tmp_path)).stderr
