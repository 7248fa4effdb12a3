"""A capture that is still being written, replayed by a whole instance."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.support.instance import PATIENCE_S, SHOP, Instance, remora

pytestmark = pytest.mark.slow

WHOLE = gzip.decompress((SHOP / "shop.pcap.gz").read_bytes())
SCRIPT = {"count.py": "def onItemCaptured(data):\n    pass\n"}


def packets(status: dict[str, object]) -> int:
    counters = status["counters"]
    assert isinstance(counters, dict)
    return int(counters.get("segments_offered_total", 0))


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_a_growing_capture_is_read_until_the_run_is_stopped(tmp_path: Path, folder: bool) -> None:
    growing = tmp_path / "in"
    growing.mkdir()  # the worker may not go through tmp_path, and need not
    path = growing / "one.pcap"
    path.write_bytes(WHOLE[:100_001])
    instance = Instance(tmp_path, str(growing if folder else path), "--follow", scripts=SCRIPT)
    first = packets(instance.until(lambda status: packets(status) > 50))
    with path.open("ab") as file:
        file.write(WHOLE[100_001:])
    instance.until(lambda status: packets(status) > first)
    assert instance.stop() == 0, instance.output()
    instance.close()


def test_a_followed_file_that_shrinks_ends_the_run_with_one_message(tmp_path: Path) -> None:
    growing = tmp_path / "in"
    growing.mkdir()
    path = growing / "one.pcap"
    path.write_bytes(WHOLE[:100_001])
    instance = Instance(tmp_path, str(path), "--follow", scripts=SCRIPT)
    instance.until(lambda status: packets(status) > 50)
    path.write_bytes(WHOLE[:50_000])
    assert instance.process.wait(PATIENCE_S) == 1, instance.output()
    assert "one.pcap: expected a file that grows, got one that became shorter" in instance.output()
    instance.close()


@pytest.mark.parametrize("arguments", [["--interface", "lo"], ["-"], [str(SHOP), str(SHOP)]], ids=" ".join)
def test_only_one_file_or_folder_can_be_followed(tmp_path: Path, arguments: list[str]) -> None:
    result = remora("run", "--follow", "--data", str(tmp_path / "d"), *arguments)
    assert result.returncode == 2
    assert "--follow: expected one capture file or one folder" in result.stderr
