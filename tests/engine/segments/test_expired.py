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
    streams = [*range(10, 100_000, 10), 10**9, 2 * 10**9]
    rows = gone(1, streams).rows()
    assert len(rows) == module.MAX_RANGES
    assert all(((rows["first_stream"] <= stream) & (rows["last_stream"] >= stream)).any() for stream in streams)
    assert not ((rows["first_stream"] <= 5 * 10**8) & (rows["last_stream"] >= 5 * 10**8)).any()


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
