"""Live capture from a veth pair between two network namespaces that the test makes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.instance import Instance, Recording, clean, command
from tests.support.netspaces import INSIDE, NEEDED, netspaces

pytestmark = [pytest.mark.slow, *NEEDED]

REQUESTS = 40
KEEP = """
def onItemCaptured(data):
    if kfl.match("http and request.path == r'^/page'", data):
        pcap.record(data.stream, "live")
"""


def test_live_traffic_is_captured_recorded_and_shipped(tmp_path: Path) -> None:
    with netspaces(1, tmp_path) as spaces:
        inside = (*INSIDE, spaces.server)
        # A minute of grace, of which nothing is used but what a busy machine needs.
        instance = Instance(tmp_path, "--interface", "ve0", scripts={"keep.py": KEEP}, wrapper=inside, grace="60s")
        try:
            instance.until(lambda _: "script 'keep.py' loaded" in instance.output())
            spaces.request(0, 0, REQUESTS)
            assert instance.stop() == 0, instance.output()
        finally:
            instance.close()
    recording = Recording(tmp_path / "data/recordings", "live")
    numbers = sorted(int(item["request"]["url"].partition("?")[2]) for item in recording.lines("items"))
    assert numbers == [number for number in range(REQUESTS) if number % 4]
    assert sum(row["packets"] for row in recording.lines("streams")) == len(recording.frames())
    assert all(row["state"] == "closed" for row in recording.lines("streams"))


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of the package util-linux")
def test_without_the_right_to_capture_it_says_what_is_needed(tmp_path: Path) -> None:
    stripped = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
    arguments = command("run", "iface:lo", "--data", str(tmp_path / "data"))
    result = subprocess.run([*stripped, *arguments], env=clean(), capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "iface:lo: expected the right to capture, got none; run as root or with CAP_NET_RAW" in result.stderr
    assert "Traceback" not in result.stderr
