"""Live capture from a veth pair between two network namespaces that the test makes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.instance import PATIENCE_S, Recording, clean, command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root for network namespaces and AF_PACKET"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="needs the package iproute2"),
]

REQUESTS = 40
KEEP = """
def onItemCaptured(data):
    if kfl.match("http and request.path == r'^/page'", data):
        pcap.record(data.stream, "live")
"""
CLIENT = f"""
import http.client
for number in range({REQUESTS}):
    connection = http.client.HTTPConnection("10.78.0.1", 8000, timeout=10)
    connection.request("GET", f"/page{{number}}")
    assert connection.getresponse().read() is not None
    connection.close()
"""


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    tag = uuid.uuid4().hex[:6]
    server, client = f"rs{tag}", f"rc{tag}"
    made = subprocess.run(["ip", "netns", "add", server], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"this machine does not let us make a network namespace: {made.stderr.strip()}")
    try:
        for arguments in (
            ["netns", "add", client],
            ["link", "add", "ve0", "netns", server, "type", "veth", "peer", "name", "ve1", "netns", client],
            ["-n", server, "addr", "add", "10.78.0.1/24", "dev", "ve0"],
            ["-n", client, "addr", "add", "10.78.0.2/24", "dev", "ve1"],
            ["-n", server, "link", "set", "ve0", "up"],
            ["-n", client, "link", "set", "ve1", "up"],
        ):
            subprocess.run(["ip", *arguments], check=True, capture_output=True)
        yield server, client
    finally:
        for name in (server, client):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def test_live_traffic_is_captured_recorded_and_shipped(tmp_path: Path, namespaces: tuple[str, str]) -> None:
    server_space, client_space = namespaces
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/keep.py").write_text(KEEP)
    inside = ["ip", "netns", "exec"]
    server = subprocess.Popen(
        [*inside, server_space, sys.executable, "-u", "-m", "http.server", "8000", "--directory", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert server.stdout is not None
    remora = subprocess.Popen(
        [*inside, server_space, *command("run", "--interface", "ve0", "--scripts", str(tmp_path / "scripts")),
         "--data", str(tmp_path / "data"), "--grace", "5s"],
        env=clean(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert b"Serving" in server.stdout.readline()
        assert remora.stderr is not None
        assert any("script 'keep.py' loaded" in line for line in iter(remora.stderr.readline, ""))
        subprocess.run([*inside, client_space, sys.executable, "-c", CLIENT], check=True, timeout=PATIENCE_S)
        remora.terminate()
        _, told = remora.communicate(timeout=PATIENCE_S)
        assert remora.returncode == 0, told
    finally:
        for process in (server, remora):
            process.kill()
            process.communicate()
    recording = Recording(tmp_path / "data/recordings", "live")
    paths = sorted(item["request"]["path"] for item in recording.lines("items"))
    assert paths == sorted(f"/page{number}" for number in range(REQUESTS))
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
