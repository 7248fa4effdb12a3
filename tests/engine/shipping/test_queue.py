from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import RemoraError
from engine.shipping.outbox import Upload, UploadFile, publish
from engine.shipping.queue import NoSuchEntry, bring_back, chosen, drop, waiting


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    for number, batch in enumerate(("run-a-00000001", "run-a-00000002", "run-b-00000001")):
        building = tmp_path / "tmp" / batch
        building.mkdir(parents=True)
        (building / "pcap").write_bytes(bytes(100))
        files = [UploadFile("pcap", "recording=my%20shop/pcap/x.pcap.gz", 100, "")]
        publish(building, tmp_path, batch, Upload("gs://forensics", "", files))
        os.utime(tmp_path / "ready" / batch, ns=(number, number))
    (tmp_path / "dead").mkdir()
    (tmp_path / "ready/run-b-00000001").rename(tmp_path / "dead/run-b-00000001")
    (tmp_path / "dead/run-b-00000001/reason.txt").write_text("the name is taken\n")
    return tmp_path


def test_entries_are_listed_the_oldest_first_with_what_is_known(outbox: Path) -> None:
    rows = waiting(outbox)
    assert [(row.entry, row.state, row.recording, row.since_ns) for row in rows[:2]] == [
        ("run-a-00000001", "ready", "my%20shop", 0),
        ("run-a-00000002", "ready", "my%20shop", 1),
    ]
    assert (rows[2].state, rows[2].reason, rows[2].destination) == ("dead", "the name is taken", "gs://forensics")
    assert rows[0].bytes > 100


def test_what_holds_no_upload_is_listed_too(outbox: Path) -> None:
    (outbox / "dead/odd").mkdir()
    (outbox / "ready/odder").mkdir()
    (outbox / "ready/odder/upload.json").write_bytes(b"{")
    assert {row.entry for row in waiting(outbox) if not row.destination} == {"odd", "odder"}


def test_entries_are_chosen_by_a_beginning_that_no_other_has(outbox: Path) -> None:
    rows = waiting(outbox)
    assert [row.entry for row in chosen(rows, ("run-b", "run-a-00000001"))] == ["run-b-00000001", "run-a-00000001"]
    with pytest.raises(NoSuchEntry, match="'run-a': 2 that begin so"):
        chosen(rows, ("run-a",))
    with pytest.raises(NoSuchEntry, match="got 'x': none; see outbox list"):
        chosen(rows, ("x",))


def test_a_dead_entry_waits_again_and_one_of_the_same_name_is_not_overwritten(outbox: Path) -> None:
    bring_back(outbox, "run-b-00000001")
    assert sorted(os.listdir(outbox / "ready/run-b-00000001")) == ["pcap", "upload.json"]
    (outbox / "dead/run-b-00000001").mkdir()
    with pytest.raises(RemoraError, match=r"expected upload\.json"):
        bring_back(outbox, "run-b-00000001")
    (outbox / "dead/run-b-00000001/upload.json").touch()
    with pytest.raises(RemoraError, match="waits already"):
        bring_back(outbox, "run-b-00000001")


def test_what_is_dropped_is_gone(outbox: Path) -> None:
    drop(outbox, "ready", "run-a-00000001")
    drop(outbox, "dead", "run-b-00000001")
    assert [row.entry for row in waiting(outbox)] == ["run-a-00000002"]
    assert list((outbox / "tmp").iterdir()) == []
