from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from engine.segments import tail as module
from engine.segments.records import EXTENT
from engine.segments.tail import GrowingFile, Tail


@pytest.mark.parametrize("max_unsorted", [0, 5, 1000])
@pytest.mark.parametrize("seed", range(10))
def test_rows_of_a_stream_are_those_of_the_slow_version(
    tmp_path: Path, seed: int, max_unsorted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_UNSORTED", max_unsorted)
    rng = random.Random(seed)
    path = tmp_path / "1.idx"
    tail = Tail(path, EXTENT)
    written: list[tuple[int, ...]] = []
    with pytest.raises(FileNotFoundError, match=r"1\.idx"):
        tail.rows_of(1)
    for step in range(30):
        rows = [
            (rng.choice([0, 1, 2, 2**64 - 2]), 1, rng.randint(1, 99), len(written), step)
            for _ in range(rng.randint(0, 9))
        ]
        with path.open("ab") as file:
            file.write(np.array(rows, EXTENT).tobytes())
        written += rows
        if step == 28:
            tail.file.end()
        if rng.random() < 0.5 or step == 28:
            stream = rng.choice([0, 1, 2, 3, 2**64 - 2])
            assert tail.rows_of(stream).tolist() == [row for row in written if row[0] == stream]
        if tail.file.ended:
            break
    assert tail.file.ended


def test_half_a_record_is_taken_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "1.idx"
    row = np.array([(7, 1, 2, 3, 4)], EXTENT).tobytes()
    path.write_bytes(row + row[:10])
    file = GrowingFile(path, EXTENT)
    assert len(file.take()) == 1
    assert len(file.take()) == 0
    path.write_bytes(row + row)
    assert file.take().tolist() == [(7, 1, 2, 3, 4)]
    file.close()


def test_a_missing_file_has_no_records_and_ends(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "1.idx", EXTENT)
    assert (len(file.take()), file.ended) == (0, False)
    file.end()
    assert (len(file.take()), file.ended) == (0, True)
