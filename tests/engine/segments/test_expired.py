from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from engine.segments import expired as module
from engine.segments.expired import (
    EXPIRED,
    PCAP_ERROR_TTL,
    PCAP_TTL,
    STORAGE_LIMIT,
    Expired,
    ExpiredLog,
    read_expired,
    why_expired,
)
from engine.segments.member import NUMBERS, Member
from tests.support.disk import file_size_limit

TEN_S = 10 * 10**9


def gone(segment: int, streams: Iterable[int], reason: int = PCAP_TTL, limit: int = TEN_S) -> Expired:
    return Expired(segment, 1_700_000_000 * 10**9, {reason: (limit, streams)})


@pytest.mark.parametrize("seed", range(10))
def test_the_log_knows_exactly_what_went(tmp_path: Path, seed: int) -> None:
    streams = set(random.Random(seed).sample(range(1, 300), 100))
    log = ExpiredLog(tmp_path)
    log.add(gone(3, streams))
    rows = read_expired(tmp_path)
    assert {stream for stream in range(1, 300) if why_expired(rows, stream, "x")} == streams
    assert log.size_bytes == rows.nbytes == (tmp_path / "expired.log").stat().st_size


def test_scattered_streams_share_a_bounded_number_of_ranges() -> None:
    streams = [*(number * number for number in range(10, 3000)), 10**9, 2 * 10**9]
    rows = gone(1, streams).rows()
    assert len(rows) == module.MAX_RANGES
    assert all(((rows["first_stream"] <= stream) & (rows["last_stream"] >= stream)).any() for stream in streams)
    assert not ((rows["first_stream"] <= 5 * 10**8) & (rows["last_stream"] >= 5 * 10**8)).any()


@pytest.mark.parametrize("workers", [1, 2, 3, 16, 300])
def test_the_streams_of_one_of_several_workers_are_one_range(workers: int) -> None:
    streams = range(5, 5 + 100 * workers, workers)
    rows = gone(1, streams).rows()
    assert len(rows) == (1 if workers <= module.MAX_STEP else 100)
    assert {stream for stream in range(1, 600) if why_expired(rows, stream, "x")} == set(streams) & set(range(600))


def test_each_worker_has_a_log_and_all_are_read_as_one(tmp_path: Path) -> None:
    logs = [ExpiredLog(tmp_path, Member(index, 2)) for index in range(2)]
    logs[1].add(Expired(NUMBERS + 3, 20, {PCAP_TTL: (TEN_S, [2, 4])}))
    logs[0].add(Expired(7, 30, {PCAP_TTL: (TEN_S, [1])}))
    logs[1].add(Expired(NUMBERS + 4, 10, {PCAP_TTL: (TEN_S, [6])}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expired-1.log", "expired.log"]
    assert read_expired(tmp_path)["expired_ns"].tolist() == [10, 20, 30]
    assert [ExpiredLog(tmp_path, Member(index, 4)).last_segment for index in range(4)] == [
        7, NUMBERS + 4, 2 * NUMBERS, 3 * NUMBERS,
    ]  # fmt: skip


def test_the_highest_number_of_a_worker_that_is_no_more_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 10 * EXPIRED.itemsize)
    log = ExpiredLog(tmp_path)
    log.add(gone(NUMBERS + 9, [2]))
    for segment in range(1, 100):
        log.add(gone(segment, [2 * segment]))
        assert log.size_bytes <= 11 * EXPIRED.itemsize
    assert ExpiredLog(tmp_path, Member(1, 2)).last_segment == NUMBERS + 9


@pytest.mark.parametrize(
    ("reason", "limit", "words"),
    [
        (PCAP_TTL, TEN_S, "(pcapTTL 10s); raise tap.misc.pcapTTL to keep"),
        (PCAP_ERROR_TTL, 6 * TEN_S, "(pcapErrorTTL 1m); raise tap.misc.pcapErrorTTL to keep"),
        (STORAGE_LIMIT, 500 << 20, "(storageLimit 500.0 MiB); raise tap.storageLimit to keep"),
    ],
)
def test_the_newest_reason_is_told(reason: int, limit: int, words: str) -> None:
    rows = np.concatenate([gone(1, [7], STORAGE_LIMIT, 5).rows(), gone(2, [7], reason, limit).rows()])
    error = why_expired(rows, 7, "000000000007.pcap")
    assert error is not None
    assert words in str(error)
    assert "000000000007.pcap: its packets expired at 2023-11-14T22:13:20" in str(error)


def test_a_segment_without_streams_is_remembered_but_no_stream_is(tmp_path: Path) -> None:
    log = ExpiredLog(tmp_path)
    log.add(gone(12, []))
    log.close()
    assert ExpiredLog(tmp_path).last_segment == 12
    assert why_expired(read_expired(tmp_path), 0, "x") is None


def test_the_log_is_bounded_and_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 100 * EXPIRED.itemsize)
    log = ExpiredLog(tmp_path)
    for segment in range(1, 1000):
        log.add(gone(segment, [segment]))
        assert log.size_bytes <= 100 * EXPIRED.itemsize
    rows = read_expired(tmp_path)
    assert rows["segment"].tolist() == list(range(1000 - len(rows), 1000))
    assert len(rows) >= 50
    assert [path.name for path in tmp_path.iterdir()] == ["expired.log"]


def test_what_the_disk_refuses_is_written_later(tmp_path: Path) -> None:
    log = ExpiredLog(tmp_path)
    with file_size_limit(EXPIRED.itemsize + 5):
        log.add(gone(1, [1]))
        log.add(gone(2, [2]))
    assert read_expired(tmp_path)["segment"].tolist() == [1]
    log.flush()
    assert read_expired(tmp_path)["segment"].tolist() == [1, 2]


def test_a_torn_tail_is_cut(tmp_path: Path) -> None:
    ExpiredLog(tmp_path).add(gone(1, [1]))
    with (tmp_path / "expired.log").open("ab") as file:
        file.write(b"torn")
    ExpiredLog(tmp_path).add(gone(2, [2]))
    assert read_expired(tmp_path)["segment"].tolist() == [1, 2]
