from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.segments.files import AppendedFile, numbered, numbers_in, size_of
from tests.support.disk import file_size_limit


@pytest.mark.parametrize("seed", range(20))
def test_a_file_grows_by_whole_records_or_not_at_all(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    file = AppendedFile(tmp_path / "f")
    expected = b""
    for _ in range(20):
        record_bytes, count = rng.randint(1, 9), rng.randint(1, 9)
        data = rng.randbytes(record_bytes * count)
        limit = len(expected) + rng.randint(0, 2 * len(data))
        with file_size_limit(limit):
            taken = file.append(data, record_bytes)
        room = min(limit - len(expected), len(data))
        assert taken == room - room % record_bytes
        assert (file.error is not None) or taken == len(data)
        expected += data[:taken]
        assert (tmp_path / "f").read_bytes() == expected
        if rng.random() < 0.2:
            expected = expected[: rng.randint(0, len(expected))]
            file.cut(len(expected))
    file.close()


def test_opening_cuts_a_torn_tail(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"whole|torn")
    file = AppendedFile(tmp_path / "f", 6)
    assert file.append(b"next", 4) == 4
    file.close()
    assert (tmp_path / "f").read_bytes() == b"whole|next"
    assert (size_of(tmp_path / "f"), size_of(tmp_path / "g")) == (10, 0)


def test_only_numbered_files_count(tmp_path: Path) -> None:
    for name in ("00000012.idx", "00000003.idx", "00000003.pcap", ".00000004.idx", "x.idx", "100000000.idx"):
        (tmp_path / name).touch()
    assert numbers_in(tmp_path, "idx") == [3, 12, 100_000_000]
    assert numbers_in(tmp_path / "missing", "idx") == []
    assert numbered(tmp_path, 12, "idx").exists()
