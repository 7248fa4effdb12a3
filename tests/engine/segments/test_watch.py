from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.segments.files import numbers_in
from engine.segments.watch import NumberedFiles


@pytest.mark.parametrize("seed", range(10))
def test_no_change_is_missed_however_fast_they_come(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    files, highest = NumberedFiles(tmp_path, "pcap"), 0
    for _ in range(200):
        if rng.random() < 0.5:
            highest += 1
            (tmp_path / f"{highest:08d}.pcap").touch()
        files.refresh()
        assert files.numbers[-1:] == [highest] * (highest > 0)
    assert files.numbers == numbers_in(tmp_path, "pcap")


def test_a_folder_that_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    files = NumberedFiles(tmp_path / "later", "pcap")
    assert (files.refresh(), files.numbers) == (False, [])
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "00000001.pcap").touch()
    assert (files.refresh(), files.numbers) == (True, [1])
