from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.files import fuzz


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_are_refused_warned_of_or_read(tmp_path: Path, seed: int) -> None:
    outcomes = fuzz(seed, 0, 250, tmp_path)
    assert min(outcomes["refused"], outcomes["warned of"], outcomes["read"]) > 10
    assert outcomes["packets"] > 500
