from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import live, rpc_live

SUMMARY = """\
Actual: 200000 packets (58272304 bytes) sent in 4.00 seconds
Rated: 14565183.8 Bps, 116.52 Mbps, 49989.75 pps
Flows: 18331 flows, 4581.81 fps, 200000 unique flow packets, 0 unique non-flow packets
"""


def test_the_senders_summary_is_read() -> None:
    assert live.told(SUMMARY) == {"sent": 200_000, "sent_pps": 49_990}


def test_a_sender_that_sent_nothing_is_not_a_result() -> None:
    with pytest.raises(SystemExit, match="expected its summary"):
        live.told("Fatal Error: no such interface")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not all(map(shutil.which, live.NEEDED)), reason="needs root and tcpreplay")
def test_all_that_is_sent_is_captured_or_counted_by_the_kernel(
    tmp_path: Path,
) -> None:
    words = ["2000", "--seconds", "1", "--scale", "0.05", "--folder", str(tmp_path)]
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.live", *words], check=True, capture_output=True, text=True
    )
    names, _, values = ([cell.strip() for cell in line.strip("|").split("|")] for line in answer.stdout.splitlines())
    row = dict(zip(names, map(float, values), strict=True))
    assert row["sent"] == 2000
    assert row["captured"] + row["lost_by_kernel"] == row["sent"]
    assert row["stored"] == row["captured"]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not all(map(shutil.which, live.NEEDED)), reason="needs root and tcpreplay")
def test_helper_calls_are_timed_beside_a_capture_that_runs(tmp_path: Path) -> None:
    words = ["500", "--seconds", "5", "--folder", str(tmp_path)]
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.rpc_live", *words], check=True, capture_output=True, text=True
    )
    names, _, values = ([cell.strip() for cell in line.strip("|").split("|")] for line in answer.stdout.splitlines())
    assert tuple(names) == rpc_live.COLUMNS
    asked, captured, lost, items, calls, middle, high, *_ = map(float, values)
    assert (asked, lost) == (500, 0)
    assert captured >= 500
    assert items > 0
    assert calls >= rpc_live.CALLS
    assert 0 < middle <= high
