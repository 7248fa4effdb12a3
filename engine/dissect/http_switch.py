"""Where HTTP/1 ends and another protocol goes on: CONNECT (RFC 9110, 9.3.6) and Upgrade (RFC 9110, 7.8).

What follows a CONNECT, and an upgrade to what is not in ``UPGRADES``, is found out by its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from engine.dissect import http2, websocket
from engine.dissect.http_head import head_of
from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.table import Dissector, ProtocolRow, Successor
from engine.streams.chunk import Chunk

Agreed = tuple[ProtocolRow, Callable[[DissectOptions], Dissector]]

UPGRADES: dict[str, Callable[[bytes, bytes, int], Agreed]] = {
    "websocket": websocket.agreed,
}
"""Token of an Upgrade -> who goes on, by the heads of the request (empty: it was not seen) and of the response, and by
the direction of the request."""
ANSWERS: dict[str, Callable[[Message], Agreed]] = {"h2c": http2.upgraded}
"""The same, for who answers the very request that asked for it, and so has it."""
LEADS = {"websocket": "ws", "h2c": "http"}
"""Token of an Upgrade -> ``protocol.name`` of what follows."""
_UPGRADE = re.compile(rb"\n(?i:upgrade)[ \t]*:([^\n]*)")


class Switch:
    """A request for another protocol, and what its sender said behind it before the answer came."""

    __slots__ = ("chunks", "head", "request", "size_bytes")

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.request: Message | None = None
        """The whole of it, once its body has come."""
        self.chunks: list[Chunk] = []
        self.size_bytes = 0
        """Of memory."""

    def keep(self, chunk: Chunk) -> None:
        """Its sender says more."""
        if chunk.data:
            self.chunks.append(chunk)
            self.size_bytes += len(chunk.data) + 256


def may_switch(head: bytes) -> bool:
    """Whether this request asks for another protocol, so that what follows it may be no HTTP."""
    return head.startswith(b"CONNECT ") or _UPGRADE.search(head) is not None


def successor_of(switch: Switch | None, response: bytes, rest: Chunk) -> Successor:
    """Behind the ``response`` that switched; ``rest`` came with it. Without a ``switch`` the request was not seen."""
    chunks = [*switch.chunks] if switch is not None else []
    if rest.data:
        chunks.append(rest)
    if response[9:12] == b"101":
        fields = {name.lower(): value for name, value in head_of(response)[1].items()}
        token = _token(fields.get("upgrade", ""))
        agreed, answers = UPGRADES.get(token), ANSWERS.get(token)
        if answers is not None and switch is not None and switch.request is not None:
            return Successor(*answers(switch.request), chunks)
        if agreed is not None:
            return Successor(*agreed(switch.head if switch is not None else b"", response, 1 - rest.direction), chunks)
    return Successor(None, None, chunks)


def leads(data: bytes, wanted: frozenset[str]) -> bool:
    """Whether the first request asks for what may carry a ``wanted`` protocol.

    A stream that upgrades later than with its first request is missed, one whose head is not complete is not.
    """
    if data.startswith(b"CONNECT "):
        return True
    end = data.find(b"\n\r\n")
    asked = _UPGRADE.search(data, 0, end + 1 if end >= 0 else len(data))
    if asked is None:
        return end < 0 and not data.startswith(b"HTTP/")
    tokens = [_token(token) for token in asked[1].decode("latin-1").split(",")]
    return any(LEADS.get(token) in wanted or token not in LEADS for token in tokens)


def _token(value: str) -> str:
    """Without a version: ``WebSocket/13``."""
    return value.partition("/")[0].strip().lower()
