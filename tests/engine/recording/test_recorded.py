"""``record("name")`` wherever the data of a recording lies by now."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engine.clock import rfc3339
from engine.counters import Counters
from engine.recorder import seal
from engine.recording.collector import Collector
from engine.recording.options import RecordingOptions
from engine.recording.profile import Facts
from engine.recording.recorded import Recorded, start_ns
from engine.recording.sealing import Origin
from engine.shipping.outbox import Upload
from tests.support.data_folder import START_NS, DataFolder

RUN = "20261120T103000Z-a1b2c3d4"
PLACES = ["open", "ready", "recordings"]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path / "data", segment_bytes=65536)
    yield folder
    folder.close()


def record(data: DataFolder, place: str, batch: int = 1) -> None:
    """What is kept by now, taken to one of the places where it may lie."""
    collector = Collector(data.root, f"{RUN[:-1]}{batch}", RecordingOptions(), Counters())
    collector.collect(START_NS)
    if place != "open":
        collector.freeze([state.id for state in collector.batches.filled()], Facts("1.0"))
        for state in collector.batches.frozen():
            seal(data.root, state, Origin("local", "n1"), "recordings")
            collector.remove(state.id)
    collector.close()
    if place == "recordings":
        ship(data.root)


def ship(root: Path) -> None:
    """As the shipper does it with a local destination."""
    for entry in (root / "outbox" / "ready").iterdir():
        for file in msgspec.json.decode((entry / "upload.json").read_bytes(), type=Upload).files:
            target = root / "recordings" / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            (entry / file.file).rename(target)
        shutil.rmtree(entry)


def names(recorded: Recorded) -> dict[str, set[str]]:
    return {item["id"]: of for item, of in recorded.items()}


@pytest.mark.parametrize("place", PLACES)
def test_items_are_found_where_they_lie(data: DataFolder, place: str) -> None:
    for stream in (1, 2, 3):
        data.capture([(stream, START_NS + stream, 60)])
        data.item(stream, START_NS + stream)
    data.worker.keep(1, "a", 0, 0)
    data.worker.keep(2, "a", 0, 0)
    data.broker.keep(2, "b", 0, 0)
    record(data, place)
    recorded = Recorded(data.root, ["a", "b"])
    assert names(recorded) == {"000000000001.pcap-0": {"a"}, "000000000002.pcap-0": {"a", "b"}}
    assert recorded.warnings() == []
    assert {item["record"] for item, _ in Recorded(data.root, ["b"]).items()} == {"b"}


def test_a_recording_lies_in_several_places_at_once_and_each_item_comes_once(data: DataFolder) -> None:
    data.worker.keep(1, "a", 0, 0)
    for batch, place in enumerate(("recordings", "ready", "open")):
        data.capture([(1, START_NS + batch, 60)])
        data.item(1, START_NS + batch)
        record(data, place, batch)
    recorded = Recorded(data.root, ["a"])
    found = [item["id"] for item, _ in recorded.items()]
    assert found == [f"000000000001.pcap-{n}" for n in range(3)]


def test_a_batch_that_moves_on_while_it_is_read_is_found_where_it_went(data: DataFolder) -> None:
    """Listed where it waited, opened when it had arrived; open when it was listed, sealed when it was read."""
    data.worker.keep(1, "a", 0, 0)
    data.capture([(1, START_NS, 60)])
    data.item(1, START_NS)
    record(data, "ready", 1)
    data.capture([(1, START_NS + 1, 60)])
    data.item(1, START_NS + 1)
    record(data, "open", 2)
    recorded = Recorded(data.root, ["a"])
    found = recorded._items_of("a")
    first = next(found)
    ship(data.root)
    record(data, "ready", 3)
    assert [first["id"], *(item["id"] for item in found)] == ["000000000001.pcap-0", "000000000001.pcap-1"]
    (ready,) = [files for files in recorded.files("a") if "ready" in str(files["items"])]
    ship(data.root)
    assert len(list(recorded.lines("a", ready, "streams"))) == 1
    assert recorded.found("a", ready, "pcap") is not None
    shutil.rmtree(data.root / "recordings")
    assert list(recorded.lines("a", ready, "items")) == []


def test_what_was_read_is_known_by_stream_and_start_not_by_its_index(data: DataFolder) -> None:
    """Live dissection may have begun in the middle of a stream, where a later one begins at its start."""
    data.capture([(1, START_NS, 60)])
    data.item(1, START_NS)
    data.worker.keep(1, "a", 0, 0)
    record(data, "recordings")
    recorded = Recorded(data.root, ["a"])
    list(recorded.items())
    item = {"stream": "000000000001.pcap", "startTime": rfc3339(START_NS), "index": 7}
    assert recorded.was_read(item)
    assert recorded.of(item) == {"a"}
    assert not recorded.was_read({**item, "startTime": rfc3339(START_NS + 1)})


def test_membership_outlives_the_journal_as_long_as_a_stream_is_followed(data: DataFolder) -> None:
    data.capture([(1, START_NS, 60)])
    data.worker.keep(1, "a", START_NS, 0)
    record(data, "open")
    for path in (data.root / "keep").glob("*.log"):
        path.unlink()
    recorded = Recorded(data.root, ["a"])
    assert recorded.of({"stream": "000000000001.pcap", "startTime": rfc3339(START_NS)}) == {"a"}
    assert recorded.of({"stream": "000000000001.pcap", "startTime": rfc3339(START_NS - 1)}) == set()


def test_a_recording_that_nobody_knows_is_said(data: DataFolder) -> None:
    (warning,) = Recorded(data.root, ["nope"]).warnings()
    assert warning == f"no recording 'nope' is known in {data.root}: record('nope') is false"


@pytest.mark.parametrize("at_ns", [0, 1, 999_999_999, START_NS, START_NS + 123_456_789])
def test_the_start_of_an_item_is_read_to_the_nanosecond(at_ns: int) -> None:
    assert start_ns({"startTime": rfc3339(at_ns)}) == at_ns
