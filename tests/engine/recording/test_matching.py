"""What a worker asks to be kept, with items of a real capture."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.clock import NS_PER_S
from engine.config import Settings
from engine.counters import Counters
from engine.items.item import LazyItem
from engine.query import Query
from engine.recording.job import Job, read_job, stopped
from engine.recording.journal import Keep, KeepJournal, read_journal
from engine.recording.matching import Matching
from engine.recording.published import Published, publish
from tests.support.disk import file_size_limit
from tests.support.instance import SHOP

NOW_NS = 1_795_170_600 * NS_PER_S
KFL = [
    "http",
    "dns",
    "http and response.status >= 400",
    'request.path == "/index.html"',
    "true",
    "redis",
    "elapsedTime > 5",
]


@cache
def shop() -> tuple[LazyItem, ...]:
    items = Query([str(SHOP / "shop.pcap.gz")], Settings(), print).items(None)
    return tuple(item for item in items if isinstance(item, LazyItem))


@pytest.fixture
def items() -> list[LazyItem]:
    for item in shop():
        item.recording = ""
    return list(shop())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "keep").mkdir()
    return tmp_path


def job(name: str, kfl: str, **given: Any) -> Job:
    return read_job({"name": name, "kfl": kfl, **given}, NOW_NS, "").job


def matching(data: Path, jobs: list[Job], counters: Counters | None = None) -> Matching:
    publish(data, Published(jobs))
    made = Matching(data, "worker-0.log", counters or Counters())
    made.refresh(NOW_NS)
    return made


def wishes(data: Path) -> list[Keep]:
    return [entry for entry in read_journal(data / "keep" / "worker-0.log", 0)[0] if isinstance(entry, Keep)]


def kept(data: Path) -> dict[tuple[str, int], int]:
    """The earliest time by recording and stream, as the recorder understands it."""
    found: dict[tuple[str, int], int] = {}
    for wish in wishes(data):
        key = (wish.recording, wish.stream)
        found[key] = min(wish.from_ns, found.get(key, wish.from_ns))
    return found


@pytest.mark.parametrize("seed", range(8))
def test_each_stream_is_kept_from_the_first_item_that_matches(data: Path, items: list[LazyItem], seed: int) -> None:
    """Against the obvious: every item is asked by every filter."""
    chance = random.Random(seed)
    jobs = [job(f"r{n}", kfl, fromStart=chance.random() < 0.3) for n, kfl in enumerate(chance.sample(KFL, 4))]
    tried = matching(data, jobs)
    wanted: dict[tuple[str, int], int] = {}
    part = items[: chance.randrange(200, 1200)]
    for item in part:
        for one in jobs:
            if one.compiled.matches(item):
                key = (one.name, item.stream.id)
                from_ns = 0 if one.from_start else item.timestamp_ns
                wanted[key] = min(from_ns, wanted.get(key, from_ns))
    while part:
        cut = chance.randrange(1, 50)
        tried.keep_items(part[:cut], NOW_NS)
        part = part[cut:]
    assert kept(data) == wanted
    assert len(wishes(data)) < 2 * len(wanted)


def test_an_item_knows_the_first_recording_that_wants_it(data: Path, items: list[LazyItem]) -> None:
    tried = matching(data, [job("errors", "http and response.status >= 400"), job("web", "http")])
    tried.keep_items(items[:500], NOW_NS)
    named = {item.recording for item in items[:500]}
    assert named == {"errors", "web", ""}
    for item in items[:500]:
        assert item.whole()["record"] == item.recording
        assert (item.recording == "") == (item["protocol"]["name"] != "http")


def test_record_asks_about_what_was_kept_before(data: Path, items: list[LazyItem]) -> None:
    """Of this worker at once; of scripts as soon as their wish is written."""
    jobs = [job("web", "http"), job("rest", '!record("web") and !record("script")')]
    other = items[-1].stream.id
    with KeepJournal(data / "keep" / "broker.log", sync=False) as broker:
        broker.keep(other, "script", 0, 0)
    matching(data, jobs).keep_items(items, NOW_NS)
    streams: dict[str, set[int]] = {"web": set(), "rest": set()}
    for name, stream in kept(data):
        streams[name].add(stream)
    assert streams["web"] == {item.stream.id for item in items if item["protocol"]["name"] == "http"}
    assert streams["rest"] == {item.stream.id for item in items} - streams["web"] - {other}


def test_a_limit_counts_items_and_begins_again_with_the_next_run(data: Path, items: list[LazyItem]) -> None:
    one = job("few", "http and limit(3)", duration="60", iterations=2)
    tried = matching(data, [one])
    tried.keep_items(items[:300], NOW_NS)
    tried.keep_items(items[300:600], NOW_NS)
    assert [(wish.limit, wish.run) for wish in wishes(data)] == [(3, 0)] * 3
    tomorrow_ns = NOW_NS + 86_400 * NS_PER_S
    tried.refresh(tomorrow_ns)
    tried.keep_items(items[600:900], tomorrow_ns)
    assert [(wish.limit, wish.run) for wish in wishes(data)] == [(3, 0)] * 3 + [(3, 1)] * 3


def test_nothing_is_kept_before_the_start_nor_behind_the_end_nor_once_it_is_stopped(
    data: Path, items: list[LazyItem]
) -> None:
    """By the plan, to the nanosecond, whenever ``refresh`` was called last."""
    one = job("r", "http", start="10:31", duration="10")
    begin_ns, end_ns = NOW_NS + 60 * NS_PER_S, NOW_NS + 660 * NS_PER_S
    tried = matching(data, [one])
    tried.keep_items(items[:100], begin_ns - 1)
    tried.refresh(begin_ns)
    tried.keep_items(items[:100], end_ns)
    assert wishes(data) == []
    tried.keep_items(items[:100], end_ns - 1)
    assert wishes(data) != []
    before = len(wishes(data))
    publish(data, Published([stopped(one, begin_ns + 5)]))
    tried.refresh(begin_ns + 6)
    tried.keep_items(items[100:200], begin_ns + 6)
    assert len(wishes(data)) == before
    assert not tried.wants.items


def test_everything_is_kept_as_it_starts_and_asks_for_no_items(data: Path) -> None:
    tried = matching(data, [job("all", "")])
    assert tried.wants == (False, True)
    ids, times = np.array([4, 7, 9], np.uint64), np.array([50, 40, 60, 70, 90], np.int64)
    starts, begun = np.array([0, 2, 4]), np.array([False, True, False])
    for _ in range(2):
        tried.keep_streams(ids, times, starts, begun, NOW_NS)
    assert [(wish.stream, wish.from_ns) for wish in wishes(data)] == [(4, 40), (7, 0), (9, 90)]
    tried.keep_streams(ids[:0], times[:0], starts[:0], begun[:0], NOW_NS)


def test_wishes_that_the_disk_does_not_take_are_written_when_it_does(
    data: Path, items: list[LazyItem], caplog: pytest.LogCaptureFixture
) -> None:
    tried = matching(data, [job("web", "http")])
    tried.keep_items(items[:20], NOW_NS)
    size = (data / "keep" / "worker-0.log").stat().st_size
    with file_size_limit(size):
        tried.keep_items(items[20:400], NOW_NS)
        tried.refresh(NOW_NS + 1)
    assert sum("keep_journal_unwritten" in record.message for record in caplog.records) == 1
    tried.refresh(NOW_NS + 2)
    wanted = {item.stream.id for item in items[:400] if item["protocol"]["name"] == "http"}
    assert {stream for _, stream in kept(data)} == wanted


def test_a_worker_that_was_replaced_keeps_on(data: Path, items: list[LazyItem]) -> None:
    jobs = [job("web", "http")]
    matching(data, jobs).keep_items(items[:200], NOW_NS)
    matching(data, jobs).keep_items(items[100:400], NOW_NS)
    wanted = {item.stream.id for item in items[:400] if item["protocol"]["name"] == "http"}
    assert {stream for _, stream in kept(data)} == wanted
