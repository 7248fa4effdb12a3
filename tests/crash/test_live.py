from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.crash.live import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root for a network namespace and AF_PACKET"),
    pytest.mark.skipif(shutil.which("unshare") is None, reason="needs the package util-linux"),
]
KILLS = 4


def test_what_is_missing_when_a_worker_was_killed_is_a_gap_with_its_time(tmp_path: Path) -> None:
    ran = run(tmp_path, KILLS, seed=1)
    assert ran.exit_code == 0, ran.output
    assert ran.recorded == ran.stored, "what was in a segment arrives, once"
    numbers = ran.numbers()
    assert set(numbers.values()) == {1}
    died = [gap for gap in ran.gaps if gap["reason"] == "worker_died"]
    assert len(died) == KILLS, ran.gaps
    assert all(gap["from_ns"] < gap["to_ns"] for gap in died)
    assert ran.unexplained(min(numbers), max(numbers), slack_ns=5_000_000) == []
    assert len(numbers) < max(numbers) - min(numbers) + 1, "something was missed, or nothing was tried"
