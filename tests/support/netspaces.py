"""Network namespaces with veth pairs between them, a web server in one and clients in the other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.instance import PATIENCE_S

INSIDE = ["ip", "netns", "exec"]
NEEDED = [
    pytest.mark.skipif(os.getuid() != 0, reason="needs root for network namespaces and AF_PACKET"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="needs the package iproute2"),
]
CLIENT = """
import http.client, sys
host, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(first, last):
    connection = http.client.HTTPConnection(host, 8000, timeout=20)
    connection.request("GET", f"/{'big' if number % 4 == 0 else 'page'}?{number}")
    assert connection.getresponse().read() is not None
    connection.close()
"""
BIG_BYTES = 300_000


@dataclass(frozen=True, slots=True)
class Netspaces:
    """Two names; the pairs between them are ``ve0`` to ``vc0`` (10.78.0.1 to .2), ``ve1`` to ``vc1`` (10.78.1.1) …"""

    server: str
    client: str

    def request(self, pair: int, first: int, last: int) -> None:
        """Requests with these numbers, one connection each; every fourth for a large file."""
        command = [*INSIDE, self.client, sys.executable, "-c", CLIENT, f"10.78.{pair}.1", str(first), str(last)]
        subprocess.run(command, check=True, timeout=PATIENCE_S)

    def ip(self, *arguments: str) -> None:
        """The ``ip`` command on the server's side."""
        subprocess.run(["ip", "-n", self.server, *arguments], check=True, capture_output=True)

    def add_pair(self, pair: int) -> None:
        """Connect both by one more pair of interfaces; it passes frames when this returns."""
        here, there = f"ve{pair}", f"vc{pair}"
        self.ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self.client)
        for space, name, host in ((self.server, here, 1), (self.client, there, 2)):
            address = f"10.78.{pair}.{host}/24"
            for words in (["addr", "add", address, "dev", name], ["link", "set", name, "up"]):
                subprocess.run(["ip", "-n", space, *words], check=True, capture_output=True)
        until_s = time.monotonic() + PATIENCE_S
        while "state UP" not in self._shown(here):
            assert time.monotonic() < until_s, f"{here} does not come up"

    def _shown(self, name: str) -> str:
        command = ["ip", "-n", self.server, "link", "show", name]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def netspaces(pairs: int, folder: Path) -> Iterator[Netspaces]:
    """Both namespaces, with a web server that serves ``folder``; skips where they cannot be made."""
    tag = uuid.uuid4().hex[:6]
    spaces = Netspaces(f"rs{tag}", f"rc{tag}")
    made = subprocess.run(["ip", "netns", "add", spaces.server], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"this machine does not let us make a network namespace: {made.stderr.strip()}")
    web: subprocess.Popen[bytes] | None = None
    try:
        subprocess.run(["ip", "netns", "add", spaces.client], check=True, capture_output=True)
        for pair in range(pairs):
            spaces.add_pair(pair)
        (folder / "big").write_bytes(b"remora " * (BIG_BYTES // 7))
        (folder / "page").write_bytes(b"page")
        command = [
            *INSIDE,
            spaces.server,
            sys.executable,
            "-u",
            "-m",
            "http.server",
            "8000",
            "--directory",
            str(folder),
        ]
        web = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert web.stdout is not None
        assert b"Serving" in web.stdout.readline()
        yield spaces
    finally:
        if web is not None:
            web.kill()
            web.communicate()
        for name in (spaces.server, spaces.client):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
