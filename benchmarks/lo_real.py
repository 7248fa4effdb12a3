"""The sixth capture: real stacks. nginx and wrk on the loopback of a network namespace, captured by tcpdump.

Super-frames of up to 64 KiB, real windows and retransmissions, keep-alive and short connections, ports used again:
``python -m benchmarks.lo_real FILE`` inside the namespace makes it, ``build`` calls that. At most 440,000 packets and
ten seconds; nothing outside the namespace sees a packet.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.captures import Capture

NEEDED = ("unshare", "ip", "nginx", "wrk", "tcpdump")
PACKETS = 440_000
SECONDS = 8
SIZES = (200, 2_000, 9_000)
"""Of the files that nginx serves."""
START_S, STOP_S = 10.0, 20.0

NGINX = """\
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000; default_type text/plain;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:80; root {folder}/files; }}
}}
"""
LUA = """\
local sizes, turn = {%s}, 0
request = function()
  turn = turn + 1
  return wrk.format("GET", "/" .. sizes[turn %% #sizes + 1] .. "?turn=" .. turn)
end
"""


def possible() -> bool:
    """Whether all that is needed is there."""
    return os.geteuid() == 0 and all(shutil.which(name) for name in NEEDED)


def build(folder: Path) -> Capture:
    """The capture, made where it is not there yet. How many exchanges it holds, nobody knows beforehand."""
    path = folder / "lo_real.pcap"
    facts = path.with_suffix(".json")
    if not facts.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["unshare", "--net", sys.executable, "-m", "benchmarks.lo_real", str(path)], check=True)
        facts.write_text(json.dumps({"packets": count(path), "http": 0, "dns": 0}))
    return Capture(path, **json.loads(facts.read_text()))


def count(path: Path) -> int:
    """Records of a little-endian pcap file."""
    packets, offset, size = 0, 24, path.stat().st_size
    with path.open("rb") as file:
        while offset < size:
            file.seek(offset + 8)
            offset += 16 + int.from_bytes(file.read(4), "little")
            packets += 1
    return packets


def record(path: Path) -> None:
    """Inside the namespace: two thirds of the time keep-alive, the rest a connection per request."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = subprocess.Popen(["nginx", "-c", str(configured(folder)), "-e", str(folder / "error.log")])
        try:
            _wait_for(folder / "nginx.pid", server)
            _capture(path, folder / "wrk.lua")
        finally:
            server.terminate()
            server.wait(STOP_S)


def configured(folder: Path) -> Path:
    """The files, the script of wrk, and the configuration of nginx."""
    folder.chmod(0o755)
    (folder / "files").mkdir()
    for size in SIZES:
        (folder / "files" / str(size)).write_bytes((b"remora rides on a shark. " * size)[:size])
    (folder / "wrk.lua").write_text(LUA % ", ".join(map(str, SIZES)))
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder))
    return configuration


def _capture(path: Path, script: Path) -> None:
    words = ["-i", "lo", "-s", "0", "-B", "262144", "-U", "-c", str(PACKETS), "-w", str(path)]
    tap = subprocess.Popen(["tcpdump", "-Z", "root", *words, "tcp port 80"], stderr=subprocess.DEVNULL)
    try:
        _wait_for(path, tap)
        wrk = ["wrk", "-t", "1", "-s", str(script), "http://127.0.0.1/"]
        for seconds, more in ((SECONDS * 2 // 3, []), (SECONDS // 3, ["-H", "Connection: close"])):
            command = [*wrk, "-c", "20", "-d", f"{seconds}s", *more]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=STOP_S)
    finally:
        tap.terminate()
        tap.wait(STOP_S)


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the file holds something.

    Raises:
        SystemExit: the process ended, or took too long.
    """
    until_s = time.monotonic() + START_S
    while not (path.exists() and path.stat().st_size):
        if process.poll() is not None or time.monotonic() > until_s:
            raise SystemExit(f"{process.args!r} did not start")
        time.sleep(0.05)


if __name__ == "__main__":
    record(Path(sys.argv[1]))
