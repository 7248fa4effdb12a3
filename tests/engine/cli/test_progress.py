from __future__ import annotations

import pytest

from engine.cli.progress import LOG_STEP_S, LogView
from engine.cli.summary import print_summary
from engine.config import Settings
from engine.supervisor.outcome import Outcome

TOTALS = {
    "decode_dropped_total{reason=not_ip}": 100,
    "scripts_dropped_total{reason=script_queue_full}": 7,
    "script_dropped_total{reason=script_queue_full,script=a.py}": 3,
    "script_dropped_total{reason=script_queue_full,script=b.py}": 4,
    "segments_dropped_total{reason=storage_full}": 2,
}


def test_what_scripts_lost_counts_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    view = LogView()
    monkeypatch.setattr("engine.clock.monotonic_s", lambda: view._due_s + LOG_STEP_S)
    view.progress(TOTALS, "running")
    assert capsys.readouterr().err.rstrip().endswith(" dropped=9")


def test_the_summary_names_each_loss_once(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(Settings(), Outcome(0, TOTALS), "run")
    lost = [line.strip() for line in capsys.readouterr().err.splitlines() if "dropped" in line]
    assert lost == [
        "dropped: 100 (decode: not_ip)",
        "dropped: 7 (scripts: script_queue_full)",
        "dropped: 2 (segments: storage_full)",
    ]
