"""A proxy on loopback that breaks HTTP on purpose: what networks and services do to uploads.

It stands between a client and one server, passes whole requests on, and counts them. ``fault`` says what goes wrong
from now on, for a share of the requests.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import socket
import struct
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer

KINDS = (
    "status",
    "reset before the body",
    "reset in the body",
    "answer lost",
    "stall",
    "answer cut",
    "no answer but noise",
    "body changed",
    "other checksum",
)
STALL_S = 5.0
MAX_HEAD_BYTES = 64 * 1024


@dataclass
class Faults:
    """What goes wrong, and what was asked."""

    kind: str = ""
    """One of ``KINDS``; empty: nothing."""
    status: int = 503
    rate: float = 1.0
    """Share of the requests."""
    latency_s: float = 0.0
    """Before each answer."""
    requests: Counter[str] = field(default_factory=Counter)
    """By method."""
    broken: int = 0
    """Requests that went wrong."""
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, kind: str, *, status: int = 503, rate: float = 1.0) -> None:
        """From now on."""
        assert kind in KINDS
        self.kind, self.status, self.rate = kind, status, rate

    def heal(self) -> None:
        """All is well again."""
        self.kind = ""

    def take(self, method: str) -> str:
        """What happens to this request."""
        with self.lock:
            self.requests[method] += 1
            kind = self.kind if self.kind and self.chance.random() < self.rate else ""
            self.broken += bool(kind)
            return kind


class _Connection(BaseRequestHandler):
    """One connection of a client."""

    faults: Faults
    upstream: tuple[str, int]

    def handle(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):  # a client that went away is no news
            rest = b""
            while (head := self._head(rest)) is not None:
                rest = self._serve(*head)

    def _head(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Head of a request, and what came behind it."""
        while b"\r\n\r\n" not in data:
            piece = self.request.recv(65536)
            if not piece or len(data) > MAX_HEAD_BYTES:
                return None
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n", rest

    def _serve(self, head: bytes, rest: bytes) -> bytes:
        match = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        length = int(match[1]) if match else 0
        kind = self.faults.take(head.split(b" ", 1)[0].decode())
        time.sleep(self.faults.latency_s)
        if kind == "reset before the body":
            self._reset()
        body = self._body(rest, length // 2 if kind == "reset in the body" else length)
        if kind == "reset in the body":
            self._reset()
        if kind == "status":
            self._say(self.faults.status, b'{"error": {"message": "on purpose"}}')
            return body[length:]
        if kind == "stall":
            time.sleep(STALL_S)
            self._reset()
        if kind == "no answer but noise":
            self.request.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
            self._reset()
        return self._pass_on(kind, head, body, length)

    def _pass_on(self, kind: str, head: bytes, body: bytes, length: int) -> bytes:
        sent = body[:length]
        if kind == "body changed" and head.startswith(b"P"):
            sent = sent.replace(b" of b", b" oF b", 1)
        answer = self._ask(head + sent)
        if kind == "answer lost":
            self._reset()
        if kind == "answer cut":
            self.request.sendall(answer[: answer.index(b"\r\n\r\n") + 10])
            self._reset()
        if kind == "other checksum":
            answer = re.sub(rb'"crc32c": "[^"]+"', b'"crc32c": "AAAAAA=="', answer)
        self.request.sendall(answer)
        return body[length:]

    def _body(self, data: bytes, length: int) -> bytes:
        while len(data) < length:
            piece = self.request.recv(1 << 20)
            if not piece:
                raise ConnectionResetError
            data += piece
        return data

    def _ask(self, request: bytes) -> bytes:
        """The whole answer of the server, read until its length is reached."""
        with socket.create_connection(self.upstream, timeout=30) as server:
            server.sendall(request)
            answer = http.client.HTTPResponse(server)
            answer.begin()
            content = answer.read()
        lines = [f"HTTP/1.1 {answer.status} {answer.reason}".encode()]
        lines += [f"{name}: {value}".encode() for name, value in answer.getheaders() if name.lower() != "connection"]
        return b"\r\n".join(lines) + b"\r\n\r\n" + content

    def _say(self, status: int, content: bytes) -> None:
        head = f"HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self.request.sendall(head.encode() + content)

    def _reset(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()
        raise ConnectionResetError


class _Server(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True


@contextmanager
def proxy(address: str, port: int = 0) -> Iterator[tuple[str, Faults]]:
    """In front of the server at ``address``: its own address, and its faults."""
    url = urllib.parse.urlsplit(address)
    assert url.hostname
    assert url.port
    faults = Faults()
    bound = type("BoundConnection", (_Connection,), {"faults": faults, "upstream": (url.hostname, url.port)})
    server = _Server(("127.0.0.1", port), bound)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", faults
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
