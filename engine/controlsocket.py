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

from engine.clock import monotonic_s
from engine.errors import RemoraError
from engine.frames.control import MAX_STREAM_FRAME_BYTES
from engine.owner import NotAllowed

LENGTH = struct.Struct("<I")
MAX_REQUEST_BYTES = 16 << 20
PATIENCE_S, ASKER_PATIENCE_S = 1.0, 5.0
"""How long a whole exchange may take: the supervisor waits for one asker at a time."""

QUERIED = "queried"
"""Says that items are fetched: ``items`` is ``[(stream, item as msgpack)]``; rows are those to be shown instead.

``without`` names scripts that are not to be asked, if there is reason to.
"""
HURRY = "hurry"
"""Has everything that waits in the outbox tried once now."""
HELD = "query"
"""The operation that lasts until the asker closes its connection."""
MAX_HELD = 16
RECORDINGS = "recordings."
"""Begins the operations that the recorder answers."""
LATER_S = 60.0
"""How long an answer that somebody else gives may take."""
Answer = Callable[[str, Mapping[str, Any]], tuple[list[dict[str, Any]], dict[str, Any]]]


class Later(Exception):
    """Raised by an ``Answer``: it comes by ``ControlSocket.tell``."""

    def __init__(self, asked: int) -> None:
        """``asked``: which question, a number that the answer will name."""
        self.asked = asked
        super().__init__(f"question {asked} is answered later")


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    op: str
    args: dict[str, Any] = {}


class ControlSocket:
    """The supervisor's end; one request a connection, answered at once."""

    def __init__(
        self, path: Path, selector: selectors.BaseSelector, answer: Answer, held: Callable[[int], None] = lambda _: None
    ) -> None:
        """``held`` is told how many connections asked for ``HELD`` and are still there, whenever that changes."""
        self._path, self._selector, self._answer, self._tell_held = path, selector, answer, held
        self._held: set[socket.socket] = set()
        self._later: dict[int, tuple[socket.socket, float]] = {}
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        previous = os.umask(0o177)
        try:
            with _address(path) as address:
                self._listener.bind(address)
        finally:
            os.umask(previous)
        self._listener.listen(8)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # gone already, or no descriptor is left: it asks again
        until_s = monotonic_s() + PATIENCE_S
        keep = False
        try:
            for message in self._reply(_receive(connection, MAX_REQUEST_BYTES, until_s)):
                _send(connection, message, until_s)
                keep = message.get("done", {}).get(HELD, False)
        except Later as later:
            self._later[later.asked] = connection, monotonic_s() + LATER_S
            return
        except (TimeoutError, ConnectionError):
            pass  # an asker that is gone or stuck
        if keep:
            self._hold(connection)
        else:
            connection.close()

    def _hold(self, connection: socket.socket) -> None:
        self._held.add(connection)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._let_go(connection))
        self._tell_held(len(self._held))

    def _let_go(self, connection: socket.socket) -> None:
        """It was closed; one that says anything more breaks the protocol, and is closed here."""
        self._selector.unregister(connection)
        self._held.remove(connection)
        connection.close()
        self._tell_held(len(self._held))

    def tell(self, asked: int, rows: list[dict[str, Any]], done: dict[str, Any] | None = None, error: str = "") -> None:
        """An answer that comes later, or a part of it; ``done`` or ``error`` ends it. Nobody may wait any more."""
        connection, until_s = self._later.get(asked, (None, 0.0))
        if connection is None:
            return
        messages: list[dict[str, Any]] = [{"row": row} for row in rows]
        messages += [{"error": error}] if error else [{"done": done}] if done is not None else []
        try:
            for message in messages:
                _send(connection, message, monotonic_s() + PATIENCE_S)
        except (TimeoutError, ConnectionError):
            error = "gone"
        if error or done is not None or monotonic_s() > until_s:
            del self._later[asked]
            connection.close()

    def give_up_later(self, error: str, now_s: float | None = None) -> None:
        """Answers that will not come: all of them, or those that had come by ``now_s``."""
        for asked, (_, until_s) in list(self._later.items()):
            if now_s is None or now_s > until_s:
                self.tell(asked, [], error=error)

    @property
    def waiting(self) -> int:
        """Answers that are still to come."""
        return len(self._later)

    def _reply(self, data: bytes) -> Iterator[dict[str, Any]]:
        try:
            request = msgspec.msgpack.decode(data, type=_Request)
            if request.op == HELD and len(self._held) >= MAX_HELD:
                raise RemoraError(f"control socket: expected at most {MAX_HELD} connected queries")
            rows, done = self._answer(request.op, request.args)
        except (RemoraError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield {"error": str(error)}
            return
        yield from ({"row": row} for row in rows)
        yield {"done": done}

    def close(self) -> None:
        """Answer no more; the path disappears, and who is connected notices."""
        for connection in self._held:
            self._selector.unregister(connection)
            connection.close()
        self._held.clear()
        self.give_up_later("the instance ends")
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)


def ask(
    path: Path, operation: str, arguments: Mapping[str, Any], patience_s: float = ASKER_PATIENCE_S
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows and closing of an answer, which may take ``patience_s``.

    Raises:
        FileNotFoundError, ConnectionRefusedError: nothing runs there.
        OSError: it runs and does not answer.
        NotAllowed: it is somebody else's.
        RemoraError: the instance refused.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        return _exchange(connection, path, operation, arguments, patience_s)


def connect(path: Path) -> socket.socket:
    """A connection of a query: items are made as long as it is open. It becomes readable when the instance ends.

    Raises: as ``ask``.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _exchange(connection, path, HELD, {}, ASKER_PATIENCE_S)
    except BaseException:
        connection.close()
        raise
    return connection


def _exchange(
    connection: socket.socket, path: Path, operation: str, arguments: Mapping[str, Any], patience_s: float
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    until_s = monotonic_s() + patience_s
    connection.settimeout(patience_s)
    try:
        with _address(path) as address:
            connection.connect(address)
    except PermissionError:
        raise NotAllowed(path) from None
    _send(connection, {"op": operation, "args": dict(arguments)}, until_s)
    rows: list[dict[str, Any]] = []
    while True:
        message = msgspec.msgpack.decode(_receive(connection, MAX_STREAM_FRAME_BYTES, until_s))
        if "row" in message:
            rows.append(message["row"])
        elif "done" in message:
            return rows, message["done"]
        else:
            raise RemoraError(message["error"])


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """A socket's address holds 107 bytes; a longer path is reached by the descriptor of its folder."""
    if len(bytes(path)) < 100:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _send(connection: socket.socket, message: Mapping[str, Any], until_s: float) -> None:
    data = msgspec.msgpack.encode(message)
    connection.settimeout(max(until_s - monotonic_s(), 0.001))
    connection.sendall(LENGTH.pack(len(data)) + data)


def _receive(connection: socket.socket, limit_bytes: int, until_s: float) -> bytes:
    (length,) = LENGTH.unpack(_exactly(connection, LENGTH.size, until_s))
    if length > limit_bytes:
        raise ConnectionAbortedError(f"a frame of {length} bytes exceeds the limit of {limit_bytes}")
    return _exactly(connection, length, until_s)


def _exactly(connection: socket.socket, count: int, until_s: float) -> bytes:
    parts = []
    while count:
        connection.settimeout(max(until_s - monotonic_s(), 0.001))
        part = connection.recv(min(count, 1 << 16))
        if not part:
            raise ConnectionResetError("the other side closed the connection")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
