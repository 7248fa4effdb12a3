"""What curl says to a proxy: tunnels to nginx with TLS and HTTP/2 inside, a refused one, targets in absolute form.

And what it says to a server that refuses a body before it was sent (``Expect: 100-continue``), and to one that sends
trailers.
"""

from __future__ import annotations

import os
import select
import socket
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.recorded import tls
from tests.recorded.recording import Scene

PROXY, ORIGIN = 3128, 8000
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: fishmonger\r\n\r\n"
DENIED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\ndenied\n"
UNEXPECTED = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"
TRAILED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"7;first\r\nherring\r\n8\r\n and eel\r\n0\r\nX-Sum: 15\r\n\r\n"
)


class Server(socketserver.ThreadingTCPServer):
    """Ends with its process."""

    allow_reuse_address = daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has what it wants may reset its connection."""
        if not isinstance(sys.exception(), ConnectionResetError):
            super().handle_error(request, client_address)


class Proxy(socketserver.StreamRequestHandler):
    """Tunnels to ``shop.test``, and to nobody else; answers for all others itself, in chunks with a trailer."""

    def handle(self) -> None:
        """Heads, until one of them makes it a tunnel."""
        while line := self.rfile.readline():
            fields = _fields(self)
            if line.startswith(b"CONNECT shop.test:443 "):
                self.wfile.write(ESTABLISHED)
                _pass_on(self.connection)
                return
            self.rfile.read(int(fields.get("content-length", 0)))
            self.wfile.write(DENIED if line.startswith(b"CONNECT ") else TRAILED)


class Origin(socketserver.StreamRequestHandler):
    """Wants nobody to ask before he sends, and gives in the second time."""

    def handle(self) -> None:
        """Two requests for each thing."""
        refused: set[bytes] = set()
        while line := self.rfile.readline():
            fields = _fields(self)
            if line not in refused:
                refused.add(line)
                self.wfile.write(UNEXPECTED)
            else:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.rfile.read(int(fields.get("content-length", 0)))
                self.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nyes")


def _fields(of: socketserver.StreamRequestHandler) -> dict[str, str]:
    found: dict[str, str] = {}
    while line := of.rfile.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        found[name.lower()] = value.strip()
    return found


def _pass_on(client: socket.socket) -> None:
    """Bytes both ways, until one side has said all."""
    with socket.create_connection(("127.0.0.1", 443)) as server:
        other = {client: server, server: client}
        while True:
            ready, _, _ = select.select([client, server], [], [], 10)
            for side in ready:
                data = side.recv(65536)
                if not data:
                    return
                other[side].sendall(data)


def record(scene: Scene) -> None:
    """nginx is set up as for TLS."""
    tls.prepare(scene)
    tls.serve_nginx(scene)
    for port, handler in ((PROXY, Proxy), (ORIGIN, Origin)):
        threading.Thread(target=Server(("127.0.0.1", port), handler).serve_forever, daemon=True).start()
    keys = scene.scratch / "keys"
    with scene.capture("recorded_proxy_tunnels", f"tcp port {PROXY}"):
        _curl(scene, keys, "--http2", "https://shop.test/index.txt", "https://shop.test/missing")
        _curl(scene, keys, "--http1.1", "--data", "fish=cod", "https://shop.test/echo")
        _curl(scene, keys, "https://elsewhere.test/", fails=True)
        _curl(scene, keys, "http://fish.test/one?x=1", "http://fish.test:8080", "--data", "b=2", "http://[fd00::1]/c")
    scene.keep("recorded_proxy_tunnels.keys", keys.read_bytes())
    with scene.capture("recorded_proxy_expectations", f"tcp port {ORIGIN}"):
        expect = ("-H", "Expect: 100-continue", "--expect100-timeout", "5", "--data", "fish=herring", "--noproxy", "*")
        origin = f"http://127.0.0.1:{ORIGIN}"
        _curl(scene, keys, *expect, f"{origin}/one", f"{origin}/two")


def _curl(scene: Scene, keys: Path, *words: str, fails: bool = False) -> None:
    command = ["curl", "-sS", "--cacert", f"{scene.scratch}/server.pem", "-x", f"http://127.0.0.1:{PROXY}", *words]
    environment = {**os.environ, "SSLKEYLOGFILE": str(keys)}
    done = subprocess.run(command, check=False, capture_output=True, timeout=20, env=environment)
    if bool(done.returncode) != fails:
        raise RuntimeError(done.stderr.decode(errors="replace"))
