"""Live capture from several interfaces, from all of them, and by several workers; between two network namespaces."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.segments.files import numbers_in
from engine.segments.member import range_of
from tests.support.instance import Instance, Recording, remora
from tests.support.netspaces import BIG_BYTES, INSIDE, NEEDED, Netspaces, netspaces

pytestmark = [pytest.mark.slow, *NEEDED]

KEEP = """
seen = 0

def onItemCaptured(data):
    global seen
    if kfl.match("http", data):
        seen += 1
        pcap.record(data.stream, "live")

def onShutdown():
    console.log("items seen by one process:", seen)
"""


IMPATIENT = """
import runpy, sys
from engine import children
children.SILENT_S = 2.0
sys.argv = sys.argv[4:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs what a command ``python -P -m MODULE ARGUMENTS`` behind it would."""


@pytest.fixture
def started() -> Iterator[list[Instance]]:
    instances: list[Instance] = []
    yield instances
    for instance in instances:
        instance.close()


class Capture:
    """A live capture on the server's side."""

    def __init__(
        self,
        tmp_path: Path,
        started: list[Instance],
        spaces: Netspaces,
        *sources: str,
        sets: tuple[str, ...] = (),
        impatient: bool = False,
    ) -> None:
        """``impatient``: a process that says nothing hangs after 2 s instead of 30."""
        wrapper = (*INSIDE, spaces.server, *((sys.executable, "-P", "-c", IMPATIENT) if impatient else ()))
        self.instance = Instance(tmp_path, *sources, scripts={"keep.py": KEEP}, sets=sets, wrapper=wrapper, grace="60s")
        started.append(self.instance)
        self.instance.until(lambda status: status["phase"] == "running")

    def until_items(self, count: int) -> None:
        """So many were made."""
        self.instance.until(lambda status: status["counters"].get("items_total", 0) >= count)

    def numbers(self) -> list[int]:
        """The requests that were recorded, once per item."""
        items = Recording(self.instance.data / "recordings", "live").lines("items")
        return sorted(int(item["request"]["url"].partition("?")[2]) for item in items)

    def check_streams(self) -> list[dict[str, Any]]:
        """Every stream is whole: its packets are in the recording, both directions, from handshake to end."""
        recording = Recording(self.instance.data / "recordings", "live")
        rows = recording.lines("streams")
        assert all(row["state"] == "closed" for row in rows)
        assert sum(row["packets"] for row in rows) == len(recording.frames())
        big = [row for row in rows if row["payload_bytes"] >= BIG_BYTES // 7 * 7]
        assert len(big) == len([number for number in self.numbers() if number % 4 == 0])
        return rows


def test_several_interfaces_are_captured_at_once_and_one_that_vanishes_ends_alone(
    tmp_path: Path, started: list[Instance]
) -> None:
    with netspaces(2, tmp_path) as spaces:
        capture = Capture(tmp_path, started, spaces, "iface:ve0", "--interface", "ve1")
        spaces.request(0, 0, 8)
        spaces.request(1, 8, 16)
        capture.until_items(16)
        spaces.ip("link", "del", "ve1")
        words = "iface:ve1: expected the interface to stay, got its removal; capture goes on with iface:ve0"
        capture.instance.until(lambda _: words in capture.instance.output())
        spaces.request(0, 16, 24)
        assert capture.instance.stop() == 0, capture.instance.output()
    assert capture.numbers() == list(range(24))
    frames = [len(frame) for _, frame in Recording(capture.instance.data / "recordings", "live").frames()]
    assert max(frames) > 20_000, "frames that the kernel has not split yet are captured whole"
    capture.check_streams()


def test_the_end_of_the_last_interface_ends_the_run_with_an_error_and_loses_nothing(
    tmp_path: Path, started: list[Instance]
) -> None:
    with netspaces(1, tmp_path) as spaces:
        capture = Capture(tmp_path, started, spaces, "iface:ve0")
        spaces.request(0, 0, 8)
        spaces.ip("link", "del", "ve0")
        assert capture.instance.wait() == 1
    assert "error: iface:ve0: expected the interface to stay, got its removal" in capture.instance.output()
    assert capture.numbers() == list(range(8))


def test_any_captures_every_interface_also_one_that_comes_later(tmp_path: Path, started: list[Instance]) -> None:
    with netspaces(1, tmp_path) as spaces:
        capture = Capture(tmp_path, started, spaces, "iface:any")
        spaces.request(0, 0, 8)
        spaces.add_pair(1)
        spaces.request(1, 8, 16)
        assert capture.instance.stop() == 0, capture.instance.output()
    assert capture.numbers() == list(range(16))
    assert {row["server"] for row in capture.check_streams()} == {"10.78.0.1:8000", "10.78.1.1:8000"}
    manifests = Recording(capture.instance.data / "recordings", "live").manifests
    assert {manifest["link_type"] for manifest in manifests} == {276}


def test_two_workers_share_an_interface_and_every_part_sees_both(tmp_path: Path, started: list[Instance]) -> None:
    with netspaces(1, tmp_path) as spaces:
        capture = Capture(tmp_path, started, spaces, "iface:ve0", sets=("capture.workers=2",))
        spaces.request(0, 0, 40)
        capture.until_items(40)
        status = capture.instance.status()
        assert {"worker-0", "worker-1"} <= status["processes"].keys()
        segments = numbers_in(capture.instance.data / "segments", "pcap")
        assert {range_of(number) for number in segments} == {0, 1}
        assert capture.instance.stop() == 0, capture.instance.output()
    assert capture.numbers() == list(range(40))
    assert "items seen by one process: 40" in capture.instance.output()
    ids = {int(row["stream"].partition(".")[0]) for row in capture.check_streams()}
    assert len(ids) == 40, "both directions of each connection are one stream"
    assert {stream % 2 for stream in ids} == {0, 1}


@pytest.mark.parametrize("workers", ["0", "17"])
def test_a_number_of_workers_that_cannot_be_is_refused(tmp_path: Path, workers: str) -> None:
    data = str(tmp_path / "data")
    result = remora("run", "iface:lo", "--set", f"capture.workers={workers}", "--data", data)
    assert result.returncode == 2
    assert f"capture.workers (--set): expected 1 to 16, got '{workers}'" in result.stderr


def test_a_worker_that_dies_or_hangs_is_replaced_while_the_other_goes_on(
    tmp_path: Path, started: list[Instance]
) -> None:
    with netspaces(1, tmp_path) as spaces:
        capture = Capture(tmp_path, started, spaces, "iface:ve0", sets=("capture.workers=2",), impatient=True)
        pids = {name: row["pid"] for name, row in capture.instance.status()["processes"].items()}
        os.kill(pids["worker-1"], signal.SIGKILL)
        os.kill(pids["recorder"], signal.SIGSTOP)
        capture.instance.until(
            lambda status: (
                status["phase"] == "running"
                and all(status["processes"][name]["pid"] not in (0, pids[name]) for name in ("worker-1", "recorder"))
                and all(row["state"] == "running" for row in status["scripts"].values())
            )
        )
        spaces.request(0, 0, 20)
        assert capture.instance.stop() == 0, capture.instance.output()
    assert "recorder has not answered for" in capture.instance.output()
    assert capture.instance.output().count("it starts again") == 2
    assert capture.numbers() == list(range(20)), capture.instance.output()
