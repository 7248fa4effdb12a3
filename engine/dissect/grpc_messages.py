"""What gRPC says inside HTTP/2: length-prefixed messages in bodies, the call in the path, its end in the trailers.

::

    +--------------+------------+-----------------+
    | compressed 1 | length u32 | length bytes    |  n times
    +--------------+------------+-----------------+
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from engine.dissect.http_content import decoded, text_of

MAX_SHOWN = 100
"""Messages of one half that an item shows; a call may have millions, and they are counted."""
_PREFIX_BYTES = 5
_CODINGS = ("gzip", "deflate")

STATUS = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""Names of ``grpc-status``, by number."""


def is_grpc(mime_type: str) -> bool:
    """Whether a ``content-type`` is that of gRPC, and not of gRPC-Web, which frames its trailers otherwise."""
    return mime_type.startswith("application/grpc") and not mime_type.startswith("application/grpc-web")


class MessageCount:
    """Counts the messages of one half as its bytes come; they may be far more than are kept."""

    __slots__ = ("_head", "_left", "broken", "bytes", "compressed", "messages")

    def __init__(self) -> None:
        self.messages = 0
        """That began."""
        self.compressed = 0
        self.bytes = 0
        """Of all of them, without their prefixes."""
        self.broken = False
        """A gap took a prefix: where messages begin is not known any more."""
        self._head = b""
        """The beginning of a prefix."""
        self._left = 0
        """Bytes that the message which began still lacks."""

    def feed(self, data: bytes) -> None:
        """The next bytes of the body."""
        pos, size = min(self._left, len(data)), len(data)
        self._left -= pos
        while pos < size and not self.broken:
            head = self._head + data[pos : pos + _PREFIX_BYTES - len(self._head)]
            pos += len(head) - len(self._head)
            if len(head) < _PREFIX_BYTES:
                self._head = head
                return
            self._head = b""
            length = int.from_bytes(head[1:], "big")
            self.messages += 1
            self.compressed += head[0] & 1
            self.bytes += length
            taken = min(length, size - pos)
            self._left, pos = length - taken, pos + taken

    def miss(self, count: int) -> None:
        """The next ``count`` bytes of the body were not captured."""
        self.broken = self.broken or count > self._left or bool(self._head)
        self._left -= min(count, self._left)

    @property
    def cut(self) -> bool:
        """The last message is not whole."""
        return bool(self._left or self._head)


def messages_of(body: bytes, coding: str, limit_bytes: int) -> list[dict[str, Any]]:
    """The messages that begin in ``body``, up to ``MAX_SHOWN`` of them and ``limit_bytes`` of what they decompress to.

    Each with ``size`` on the wire, ``compressed``, ``text`` and ``encoding`` as bodies have them, and a ``comment``
    where it is not whole or not decompressed.
    """
    shown: list[dict[str, Any]] = []
    pos = 0
    while pos + _PREFIX_BYTES <= len(body) and len(shown) < MAX_SHOWN:
        compressed, size = bool(body[pos] & 1), int.from_bytes(body[pos + 1 : pos + _PREFIX_BYTES], "big")
        pos += _PREFIX_BYTES
        data = body[pos : pos + size]
        pos += size
        message, room = _message(data, size, coding if compressed else "", limit_bytes)
        limit_bytes = max(limit_bytes - room, 1)
        shown.append({"size": size, "compressed": compressed, **message})
    return shown


def _message(data: bytes, size: int, coding: str, limit_bytes: int) -> tuple[dict[str, Any], int]:
    """What ``messages_of`` shows of one message, and how many bytes it decompressed to."""
    whole, comment, room = len(data) == size, "", 0
    if coding in _CODINGS:
        data, comment = decoded(data, coding, whole, limit_bytes)
        room = len(data)
    elif coding:
        comment = f"message coding {coding[:32]!r} is not undone"
    if not whole:
        short = "the message is not whole"
        comment = f"{short}; {comment}" if comment else short
    text, encoding = text_of(data, whole=not comment)
    shown = {"text": text, "encoding": encoding}
    return ({**shown, "comment": comment} if comment else shown), room


def call_of(path: str) -> tuple[str, str]:
    """``(service, method)`` of ``/package.Service/Method``."""
    service, _, method = path.rpartition("/")
    return service.removeprefix("/"), method


def status_of(headers: dict[str, str]) -> dict[str, Any]:
    """How a call ended: ``status``, ``statusName``, ``message``; None, "" and "" where the trailers do not say."""
    text = headers.get("grpc-status", "")
    status = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
    name = "" if status is None else STATUS[status] if status < len(STATUS) else f"CODE_{status}"
    return {"status": status, "statusName": name, "message": unquote(headers.get("grpc-message", ""))}
