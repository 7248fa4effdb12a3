"""``<data>/control.sock``: questions about a running instance. ``docs/formats.md`` draws the frames."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from engine.errors import RemoraError
from engine.frames.control import MAX_STREAM_FRAME_BYTES

LENGTH = struct.Struct("<I")
MAX_REQUEST_BYTES = 64 * 1024

Answer = Callable[[str, Mapping[str, Any]], tuple[list[dict[str, Any]], dict[str, Any]]]


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    op: str
    args: dict[str, Any] = {}


class ControlSocket:
    """The supervisor's end; one request a connection, answered at once."""

    def __init__(self, path: Path, selector: selectors.BaseSelector, answer: Answer) -> None:
        self._path, self._selector, self._answer = path, selector, answer
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        previous = os.umask(0o177)
        try:
            self._listener.bind(_short(path))
        finally:
            os.umask(previous)
        self._listener.listen(8)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(1.0)
        with connection, contextlib.suppress(TimeoutError, ConnectionError):  # an asker that is gone or stuck
            for message in self._reply(_receive(connection, MAX_REQUEST_BYTES)):
                _send(connection, message)

    def _reply(self, data: bytes) -> Iterator[dict[str, Any]]:
        try:
            request = msgspec.msgpack.decode(data, type=_Request)
            rows, done = self._answer(request.op, request.args)
        except (RemoraError, msgspec.DecodeError, UnicodeDecodeError) as error:
            yield {"error": str(error)}
            return
        yield from ({"row": row} for row in rows)
        yield {"done": done}

    def close(self) -> None:
        """Answer no more; the path disappears."""
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)


def ask(path: Path, operation: str, arguments: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows and closing of an answer.

    Raises:
        FileNotFoundError, ConnectionRefusedError: nothing runs there.
        OSError: it runs and does not answer.
        RemoraError: the instance refused.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5.0)
        connection.connect(_short(path))
        _send(connection, {"op": operation, "args": dict(arguments)})
        rows: list[dict[str, Any]] = []
        while True:
            message = msgspec.msgpack.decode(_receive(connection, MAX_STREAM_FRAME_BYTES))
            if "row" in message:
                rows.append(message["row"])
            elif "done" in message:
                return rows, message["done"]
            else:
                raise RemoraError(message["error"])


def _short(path: Path) -> str:
    """A socket's path holds 107 bytes; a long one is reached from the working directory."""
    return str(path) if len(bytes(path)) < 100 else os.path.relpath(path)


def _send(connection: socket.socket, message: Mapping[str, Any]) -> None:
    data = msgspec.msgpack.encode(message)
    connection.sendall(LENGTH.pack(len(data)) + data)


def _receive(connection: socket.socket, limit_bytes: int) -> bytes:
    (length,) = LENGTH.unpack(_exactly(connection, LENGTH.size))
    if length > limit_bytes:
        raise ConnectionAbortedError(f"a frame of {length} bytes exceeds the limit of {limit_bytes}")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = connection.recv(min(count, 1 << 16))
        if not part:
            raise ConnectionResetError("the other side closed the connection")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
