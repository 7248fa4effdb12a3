"""``record("name")`` wherever the data of a recording lies by now."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.archive import lines as archive_lines
from engine.archive.recorded import Recorded, start_ns
from engine.clock import rfc3339
from engine.counters import Counters
from engine.errors import CaptureError
from engine.recorder import seal
from engine.recording.collector import Collector
from engine.recording.options import RecordingOptions
from engine.recording.profile import Facts
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
    (ready,) = [batch for batch in recorded.batches("a") if "ready" in batch.path("items")]
    ship(data.root)
    assert len(list(recorded.rows(ready))) == 1
    assert len(recorded.packets("a")) == 2
    shutil.rmtree(data.root / "recordings")
    assert list(recorded.lines(ready, "items")) == []
    assert recorded.packets("a") == []


def test_lines_that_were_given_are_not_given_again_where_a_batch_went(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.worker.keep(1, "a", 0, 0)
    data.capture([(1, START_NS, 60)])
    for number in range(500):
        data.item(1, START_NS + number)
    record(data, "ready")
    (path,) = (data.root / "outbox" / "ready").glob("*/*.items.jsonl.gz")
    assert path.stat().st_size > 3000, "several pieces"
    monkeypatch.setattr(archive_lines, "AT_ONCE_BYTES", 1000)
    monkeypatch.setattr(archive_lines, "_UNPACKED_BYTES", 1000)
    items = Recorded(data.root, ["a"])._items_of("a")
    first = next(items)
    ship(data.root)
    assert [first["index"], *(item["index"] for item in items)] == list(range(500))


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


# ---- manifests and files of somebody who means ill -------------------------------------------------------------------

Change = Callable[[dict[str, Any]], None]


def forge(data: DataFolder, place: str, change: Change) -> dict[str, Path]:
    """A batch of one item whose manifest says something else; its files."""
    data.worker.keep(1, "a", 0, 0)
    data.capture([(1, START_NS, 60)])
    data.item(1, START_NS)
    record(data, place)
    folder = data.root / ("outbox/ready" if place == "ready" else place)
    (path,) = folder.rglob("*.manifest.json")
    manifest = msgspec.json.decode(path.read_bytes())
    change(manifest)
    path.write_bytes(msgspec.json.encode(manifest))
    return {kind: next(folder.rglob(f"*.{kind}*.gz")) for kind in ("pcap", "streams", "items")}


def read_all(data: DataFolder) -> None:
    """As ``query`` and ``export`` do it."""
    recorded = Recorded(data.root, ["a"])
    list(recorded.items())
    recorded.packets("a")
    for batch in recorded.batches("a"):
        list(recorded.rows(batch))


def named(kind: str, name: str) -> Change:
    return lambda manifest: manifest["files"][kind].update(name=name)


@pytest.mark.parametrize("place", ["ready", "recordings"])
@pytest.mark.parametrize(
    "name", ["../../secret", "recording=a/../../secret", "/etc/passwd", "a\0b", "recording=a", "\x1b[31m/x", "x" * 5000]
)
@pytest.mark.parametrize("kind", ["pcap", "items"])
def test_a_manifest_names_nothing_outside_of_its_recording(data: DataFolder, place: str, kind: str, name: str) -> None:
    (data.root / "secret").write_bytes(gzip.compress(b"{}"))
    forge(data, place, named(kind, name))
    with pytest.raises(CaptureError, match="expected names of files below"):
        read_all(data)


@pytest.mark.parametrize("place", ["ready", "recordings"])
@pytest.mark.parametrize("kind", ["pcap", "streams", "items"])
def test_no_link_leads_out_of_a_batch(data: DataFolder, tmp_path: Path, place: str, kind: str) -> None:
    path = forge(data, place, lambda _: None)[kind]
    path.rename(tmp_path / "secret")
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(CaptureError, match="got a link out of it"):
        read_all(data)


@pytest.mark.parametrize("place", ["ready", "recordings"])
@pytest.mark.parametrize("kind", ["pcap", "streams", "items"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "expected the content with SHA-256 0{64}, got"),
        ({"bytes": 10**15}, "expected 1000000000000000 bytes, as its manifest says"),
        ({"bytes": 10**30}, "expected the size of"),
        ({"bytes": -1}, "expected the size of"),
        ({"bytes": "many"}, "expected the manifest of a batch"),
    ],
    ids=["hash", "too many bytes", "no number of bytes", "fewer than none", "a text"],
)
def test_content_is_what_the_manifest_says(
    data: DataFolder, place: str, kind: str, change: dict[str, Any], message: str
) -> None:
    forge(data, place, lambda manifest: manifest["files"][kind].update(change))
    with pytest.raises(CaptureError, match=message):
        read_all(data)


@pytest.mark.parametrize("place", ["ready", "recordings"])
def test_packets_behind_the_end_that_the_manifest_says_are_damage(data: DataFolder, place: str) -> None:
    path = forge(data, place, lambda _: None)["pcap"]
    path.write_bytes(path.read_bytes() + gzip.compress(bytes(100)))
    with pytest.raises(CaptureError, match=rf"{path.name}: expected \d+ bytes, as its manifest says, got \d+"):
        read_all(data)


@pytest.mark.parametrize("place", ["ready", "recordings"])
@pytest.mark.parametrize(
    "line",
    [b"{}", b"[]", b'{"stream":[1]}', b"[" * 200_000, b'{"stream":"\xff"}'],
    ids=["no keys", "no object", "odd stream", "nested", "no UTF-8"],
)
def test_lines_that_are_none_are_named(data: DataFolder, place: str, line: bytes) -> None:
    content = gzip.compress(line + b"\n")
    path = forge(data, place, lambda m: m["files"]["items"].update(bytes=len(content), sha256=""))["items"]
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=rf"{path.name}: expected lines "):
        read_all(data)


def test_what_hides_its_stream_and_start_is_read_all_the_same(data: DataFolder) -> None:
    item = {"stream": "[REDACTED]", "startTime": "[REDACTED]", "index": 0, "timestamp": 1, "elapsedTime": 1}
    item |= {"protocol": {}, "src": {}, "dst": {}, "request": {}, "response": {}, "error": None}
    content = gzip.compress(msgspec.json.encode({**item, "requestSize": 1, "responseSize": 1}))
    path = forge(data, "recordings", lambda m: m["files"]["items"].update(bytes=len(content), sha256=""))["items"]
    path.write_bytes(content)
    recorded = Recorded(data.root, ["a"])
    ((found, names),) = recorded.items()
    assert (names, recorded.of(found)) == ({"a"}, {"a"})
    assert list(recorded.items(since_ns=1)) == []


def test_a_batch_of_another_recording_is_not_taken_for_one(data: DataFolder) -> None:
    forge(data, "recordings", lambda manifest: manifest.update(recording="b"))
    with pytest.raises(CaptureError, match="expected a batch of recording 'a', got 'b'"):
        read_all(data)


def test_what_scripts_put_into_the_outbox_is_no_batch(data: DataFolder) -> None:
    forge(data, "ready", lambda _: None)
    folder = data.root / "outbox" / "ready" / "put-1-1"
    folder.mkdir()
    (folder / "x.manifest.json").write_text("{}")
    read_all(data)
