from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.line import fuzz


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_mutated_frames_go_through_the_whole_line(tmp_path: Path, seed: int) -> None:
    outcomes = fuzz(8_000, seed, tmp_path / "data")
    assert outcomes["capture_packets"] >= 8_000
    assert outcomes["items"] > 100
    assert outcomes["decode_dropped"] > 1_000
