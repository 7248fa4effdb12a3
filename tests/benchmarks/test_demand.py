from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.captures import build
from benchmarks.demand import WAYS, measure


@pytest.mark.slow
def test_every_way_does_the_work_it_says(tmp_path: Path) -> None:
    costs = measure(build("mixed", tmp_path, scale=0.002), 1, tmp_path)
    assert list(costs) == [way.name for way in WAYS]
    assert all(cost > 0 for found in costs.values() for cost in found)
