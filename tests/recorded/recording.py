"""Traces from real servers: the place where they run, the capture of what they say, the files that are kept of it.

Servers, clients and tcpdump run in namespaces of their own (network, processes, mounts, host name), which end with all
that is in them, after ``LIMIT_S`` at the latest. A module ``tests/recorded/<protocol>.py`` has one function::

    def record(scene: Scene) -> None:
        scene.start("redis-server", "--port", "6379", port=6379)
        with scene.capture("recorded_redis_pipelines"):
            ...  # a client library, in this very process, talks to 127.0.0.1
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.traces import write_items

LIMIT_S = 180.0
"""A module that has not recorded by then never will."""
PATIENCE_S = 60.0
"""For a server to listen; those that run in a virtual machine of their own take half of it."""
QUIET_S = 0.3
"""So long nothing was captured: what was said has been."""
MAX_BYTES = 200_000
"""Of one trace; they stay in the repository for ever."""
LEAST_NAME_BYTES = 5
"""A shorter name of a machine is in what is encrypted by chance."""
HOST = "server"
"""What the machine is called in there, because servers tell."""
INSIDE = ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
NEEDED = ("unshare", "ip", "mount", "tcpdump")


class Scene:
    """What a recording module has to hand; made inside the namespaces."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._folder = folder
        self.scratch = scratch
        """Room for configuration and data of servers; gone afterwards."""
        self._servers: list[subprocess.Popen[bytes]] = []

    def start(
        self, *command: str, port: int = 0, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """A server, which listens at TCP ``port`` (0: nobody asks) when this returns. Starts no capture."""
        log = self.scratch / f"log-{len(self._servers)}"
        with log.open("wb") as out:
            env = {**os.environ, **(environment or {})}
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)
        self._servers.append(server)
        until_s = time.monotonic() + PATIENCE_S
        while port and not listens(port):
            if server.poll() is not None or time.monotonic() > until_s:
                raise RuntimeError(f"{command[0]} does not listen at {port}: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        return server

    def keep(self, name: str, data: bytes) -> None:
        """A file beside a trace, such as a key log."""
        (self._folder / name).write_bytes(data)

    def stop(self, server: subprocess.Popen[bytes]) -> None:
        """Ask it to end, and wait until it has."""
        if server.poll() is None:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()

    @contextmanager
    def capture(self, name: str, packet_filter: str = "") -> Iterator[None]:
        """Write what is said meanwhile on the loopback to ``<name>.pcap``, once it went well."""
        assert name.startswith("recorded_")
        hidden, target = self._folder / f".{name}.pcap", self._folder / f"{name}.pcap"
        command = [
            "tcpdump",
            "-i",
            "lo",
            "-n",
            "-s",
            "0",
            "-U",
            "--immediate-mode",
            "-B",
            "32768",
            "-Z",
            "root",
            "-w",
            str(hidden),
        ]
        tcpdump = subprocess.Popen([*command, packet_filter], stderr=subprocess.PIPE)
        try:
            _wait_until_itlistens(tcpdump)
            yield
            _wait_until_quiet(hidden)
            tcpdump.send_signal(signal.SIGINT)
            _, told = tcpdump.communicate(timeout=10)
            if b"0 packets dropped by kernel" not in told or not 24 < hidden.stat().st_size <= MAX_BYTES:
                raise RuntimeError(f"{name}: {hidden.stat().st_size} bytes, {told.decode(errors='replace')}")
            hidden.replace(target)
        finally:
            if tcpdump.poll() is None:
                tcpdump.kill()
                tcpdump.wait()
            hidden.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop all servers."""
        for server in reversed(self._servers):
            self.stop(server)


def listens(port: int) -> bool:
    """Whether somebody answers there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until_itlistens(tcpdump: subprocess.Popen[bytes]) -> None:
    assert tcpdump.stderr is not None
    told = b""
    while b"listening on" not in told:
        ready, _, _ = select.select([tcpdump.stderr], [], [], 10)
        more = os.read(tcpdump.stderr.fileno(), 4096) if ready else b""
        if not more:
            raise RuntimeError(f"tcpdump does not capture: {told.decode(errors='replace')}")
        told += more


def _wait_until_quiet(file: Path) -> None:
    until_s, size_bytes = time.monotonic() + 10, -1
    while size_bytes != (size_bytes := file.stat().st_size):
        if time.monotonic() > until_s:
            raise RuntimeError(f"{file.name}: it goes on and on")
        time.sleep(QUIET_S)


def prepare(scratch: Path) -> None:
    """Inside the namespaces: the loopback passes TCP segments as a link would, and the host has a neutral name."""
    for words in ("mtu 1500", "gso_max_segs 1", "up"):
        subprocess.run(["ip", "link", "set", "dev", "lo", *words.split()], check=True)
    socket.sethostname(HOST)
    hosts = scratch / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {HOST}\n::1 localhost\n")
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)


def record(module: str, folder: Path, scratch: Path) -> list[str]:
    """Run ``module`` in namespaces of its own; the names of the traces that it made in ``folder``, with their items.

    Raises:
        RuntimeError: it failed; what it said is on stderr.
    """
    before = {path: path.stat().st_mtime_ns for path in folder.glob("recorded_*.pcap")}
    command = [*INSIDE, sys.executable, "-m", "tests.recorded", "--inside", module, str(folder), str(scratch)]
    done = subprocess.run(command, timeout=LIMIT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} did not record (status {done.returncode})")
    made = sorted(path for path in folder.glob("recorded_*.pcap") if before.get(path) != path.stat().st_mtime_ns)
    name = socket.gethostname().encode()
    for path in made:
        if len(name) >= LEAST_NAME_BYTES and name in path.read_bytes():
            raise RuntimeError(f"{path.name} tells the name of this machine")
        write_items(path)
    return [path.stem for path in made]
