from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.recording.expiry import expire, remove_recording
from engine.recording.names import ENDINGS, PCAPNG_ENDING, object_name

OPENED_NS = 1_700_000_000 * 10**9


def batch(folder: Path, batch: str, arrived_ns: int, pcap: str = ENDINGS["pcap"]) -> None:
    """As a local destination holds it."""
    for kind, ending in {**ENDINGS, "pcap": pcap}.items():
        path = folder / object_name(kind, "a", "local", "n", OPENED_NS, batch, ending)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, ns=(arrived_ns, arrived_ns))


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("ending", [ENDINGS["pcap"], PCAPNG_ENDING])
def test_all_files_of_a_batch_go_whatever_form_its_packets_have(tmp_path: Path, ending: str) -> None:
    batch(tmp_path, "old", 1000, ending)
    batch(tmp_path, "new", 3000, ending)
    assert expire(tmp_path, "a", 2000) == 1
    assert left(tmp_path) == sorted(f"new.{end}" for end in {**ENDINGS, "pcap": ending}.values())
    assert expire(tmp_path, "a", 4000) == 1
    assert list(tmp_path.iterdir()) == [], "and no empty folder stays"


def test_a_batch_whose_manifest_has_not_arrived_stays(tmp_path: Path) -> None:
    batch(tmp_path, "b", 1000)
    next(tmp_path.rglob("*.manifest.json")).unlink()
    assert expire(tmp_path, "a", 2000) == 0
    assert len(left(tmp_path)) == 3


def test_a_recording_that_is_removed_leaves_nothing(tmp_path: Path) -> None:
    batch(tmp_path, "b", 1000, PCAPNG_ENDING)
    assert remove_recording(tmp_path, "a") == 4
    assert remove_recording(tmp_path, "a") == 0
    assert list(tmp_path.iterdir()) == []
