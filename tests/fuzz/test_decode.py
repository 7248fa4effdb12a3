from __future__ import annotations

import pytest

from engine.counters import Drop
from tests.fuzz.decode import fuzz


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_mutated_frames_become_rows_or_reasons(seed: int) -> None:
    reasons = fuzz(15_000, seed)
    assert reasons.total() >= 15_000
    assert set(reasons) >= {Drop.NONE, Drop.NOT_IP, Drop.CUT_BY_SNAPLEN, Drop.BAD_HEADER, Drop.FRAGMENT}
