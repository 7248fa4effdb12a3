from __future__ import annotations

import json
import shutil
import tarfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine import kfl
from engine.archive.reading import Archive
from engine.archive.store import FolderStore
from engine.config import Settings
from engine.errors import CaptureError
from engine.kfl.needs import ANYTHING
from engine.query import Query
from engine.units import ALWAYS, Span
from tests.support.instance import SHOP

pytestmark = pytest.mark.slow

FILTERS = [
    "",
    "http",
    "dns",
    "http and response.status >= 500",
    'dst.port == "53"',
    'src.ip == "10.77.0.2" and http',
    'record("web")',
    'record("names") or response.status == 404',
    "redis",
]


def told(item: Mapping[str, Any]) -> str:
    """What two ways of getting at an item must agree about."""
    parts = {key: item[key] for key in ("src", "dst", "request", "response", "timestamp", "elapsedTime", "error")}
    return json.dumps(parts, sort_keys=True)


def asked(source: str | Path, text: str = "", **rest: Any) -> Counter[str]:
    query = Query([str(source)], Settings(), pytest.fail, **rest)
    return Counter(told(item) for item in query.rows(kfl.compile(text, "kfl") if text else None))


@pytest.fixture(scope="session")
def shop() -> dict[str, Counter[str]]:
    """Items of the capture by protocol."""
    found: dict[str, Counter[str]] = {"http": Counter(), "dns": Counter()}
    for item in Query([str(SHOP)], Settings(), pytest.fail).items(None):
        found[item["protocol"]["name"]][told(item)] += 1
    assert all(found.values())
    return found


def test_a_recording_gives_the_items_that_were_recorded(tree: Path, shop: dict[str, Counter[str]]) -> None:
    assert asked(tree / "recording=web") == shop["http"]
    assert asked(tree / "recording=names") == shop["dns"]


def test_packets_that_nobody_took_apart_are_taken_apart(tree: Path, shop: dict[str, Counter[str]]) -> None:
    assert asked(tree / "recording=raw") == shop["http"] + shop["dns"]


def test_packets_are_taken_apart_anew_where_that_is_asked_for(tree: Path, shop: dict[str, Counter[str]]) -> None:
    assert asked(tree / "recording=web", dissect=True) == shop["http"]


@pytest.mark.parametrize("text", FILTERS)
def test_choosing_batches_changes_no_answer(tree: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = asked(tree, text)
    monkeypatch.setattr("engine.kfl.needs.needs_of", lambda _: ANYTHING)
    assert asked(tree, text) == quick
    assert bool(quick) == (text != "redis")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what is read, manifests aside."""
    names: list[str] = []
    original = FolderStore.read

    def reading(store: FolderStore, name: str, start: int = 0, end: int | None = None) -> bytes:
        if not name.endswith(".manifest.json"):
            names.append(name.split("recording=")[1])
        return original(store, name, start, end)

    monkeypatch.setattr(FolderStore, "read", reading)
    return names


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ('dns and record("names")', {("names", "items")}),
        ("redis", {("raw", "pcap")}),
        ('record("web") and src.ip == "192.0.2.1"', {("web", "streams")}),
        ('record("nothing")', set()),
        ("timestamp < 1000", set()),
    ],
)
def test_only_what_can_match_is_read(tree: Path, read: list[str], text: str, kinds: set[tuple[str, str]]) -> None:
    asked(tree, text)
    assert {tuple(name.split("/")[:2]) for name in read} == kinds


def test_of_packets_only_the_members_of_a_span_are_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = Archive(FolderStore(tree / "recording=raw")).batches
    assert len(batches) > 3
    middle = batches[len(batches) // 2].manifest
    span = Span(middle.first_packet_ns // 10**6, middle.last_packet_ns // 10**6)
    whole = Query([str(tree / "recording=raw")], Settings(), pytest.fail)
    expected = Counter(told(item) for item in whole.items(None) if span.since_ms <= item["timestamp"] <= span.until_ms)
    read_bytes = 0
    original = FolderStore.read

    def counting(store: FolderStore, name: str, start: int = 0, end: int | None = None) -> bytes:
        nonlocal read_bytes
        data = original(store, name, start, end)
        read_bytes += len(data) if "/pcap/" in name else 0
        return data

    monkeypatch.setattr(FolderStore, "read", counting)
    found = asked(tree / "recording=raw", span=span)
    assert set(found) <= set(expected)
    assert found.total() > expected.total() * 0.8, "streams that the span cuts have less"
    assert read_bytes < sum(batch.manifest.files["pcap"].bytes for batch in batches) / 2


def test_a_span_bounds_recorded_items_and_captures_alike(tree: Path) -> None:
    times = sorted(item["timestamp"] for item in Query([str(SHOP)], Settings(), pytest.fail).items(None))
    span = Span(times[len(times) // 3], times[len(times) // 2])
    recorded = asked(tree / "recording=web", "http", span=span) + asked(tree / "recording=names", span=span)
    assert recorded == asked(SHOP, span=span)
    assert 0 < recorded.total() < len(times)
    assert asked(SHOP, span=ALWAYS).total() == len(times)


def test_rows_of_streams_are_summed_over_batches(tree: Path) -> None:
    names = "protocol", "client", "server", "packets", "bytes", "payload_bytes", "start", "end"
    rows = [
        Counter(tuple(row[name] for name in names) for row in Query([str(source)], Settings(), pytest.fail).streams())
        for source in (tree / "recording=raw", SHOP)
    ]
    assert rows[0] == rows[1]


def test_a_tar_of_a_recording_or_of_captures_is_read(tree: Path, shop: dict[str, Counter[str]], tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "r.tar.gz", "w:gz") as tar:
        tar.add(tree / "recording=names", "some/where/recording=names")
    assert asked(tmp_path / "r.tar.gz") == shop["dns"]
    with tarfile.open(tmp_path / "c.tar", "w") as tar:
        tar.add(SHOP / "shop.pcap.gz", "node_10.0.0.1/1700000000.pcap.gz")
        tar.add(SHOP / "shop.py", "node_10.0.0.1/content.json")
    assert asked(tmp_path / "c.tar") == shop["http"] + shop["dns"]


def test_one_manifest_is_a_source_as_well(tree: Path) -> None:
    batch = next(batch for batch in Archive(FolderStore(tree / "recording=web")).batches if batch.manifest.items)
    path = next(tree.glob(f"recording=web/manifest/**/{batch.manifest.batch}.manifest.json"))
    assert asked(path).total() == batch.manifest.items


def broken(tree: Path, folder: Path, kind: str, change: Any) -> Path:
    """A copy with one file of ``names`` changed."""
    shutil.copytree(tree / "recording=names", folder / "recording=names")
    path = next((folder / f"recording=names/{kind}").rglob("*.*"))
    path.write_bytes(change(path.read_bytes()))
    return folder / "recording=names"


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("manifest", lambda data: data[:50], "expected the manifest of a batch, got something else"),
        ("manifest", lambda data: data.replace(b'"format":1', b'"format":2'), "a manifest of format 1, got format 2"),
        ("manifest", lambda _: b'{"format":2,"batches":[]}', "a manifest of format 1, got format 2"),
        ("manifest", lambda data: data.replace(b'"items":{', b'"itemz":{'), "a manifest without items"),
        ("items", lambda data: data[:-9], "bytes, as its manifest says"),
        ("items", lambda data: data[:20] + bytes([data[20] ^ 255]) + data[21:], "expected gzip, whole"),
    ],
    ids=["cut manifest", "later format", "later format of another shape", "file missing", "cut items", "damaged items"],
)
def test_what_is_damaged_is_named(tree: Path, tmp_path: Path, kind: str, change: Any, message: str) -> None:
    with pytest.raises(CaptureError, match=message):
        asked(broken(tree, tmp_path, kind, change))


def test_a_folder_without_batches_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "recording=empty").mkdir()
    with pytest.raises(CaptureError, match="expected a recording with sealed batches, got no manifest in it"):
        asked(tmp_path)
