from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli.summary import print_summary
from engine.config import Settings
from engine.supervisor.outcome import Outcome

RUN = "20261201T000000Z-a1b2c3d4"


def told(data: Path, capsys: pytest.CaptureFixture[str]) -> str:
    outcome = Outcome(0, totals={"capture_packets_total": 1, "shipper_batches_total": 1})
    print_summary(replace(Settings(), data=str(data)), outcome, RUN)
    return capsys.readouterr().err


@pytest.mark.parametrize("ending", ["pcap.gz", "pcapng.gz"])
def test_the_files_that_are_named_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str) -> None:
    place = "cluster=local/dt=2026-12-01/hour=00/node=n"
    for kind, name in (("manifest", "manifest.json"), ("pcap", ending), ("items", "items.jsonl.gz")):
        path = tmp_path / f"recordings/recording=r/{kind}/{place}/{RUN}-00000001.{name}"
        path.parent.mkdir(parents=True)
        path.touch()
    found = told(tmp_path, capsys)
    assert f"The recording is in {tmp_path}/recordings" in found
    for word in found.split():
        assert not word.endswith(".gz") or Path(word).is_file()
    assert f"{RUN}-00000001.{ending} | head" in found


def test_jobs_that_send_elsewhere_are_not_looked_for_at_the_usual_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(tmp_path, capsys)
    assert "The recording is in" not in found
    assert f"remora recordings list --json --data {tmp_path}" in found
