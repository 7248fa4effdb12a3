"""Frames of WebSocket (RFC 6455, 5.2), and what is remembered of one direction of a stream of them.

::

    |0|1 2 3|4 5 6 7|8| 9..15 |                                        |         |
    |F|R R R|       |M| length|  16 or 64 bits more of the length      |  mask   |  payload ...
    |I|S S S|opcode |A|       |  where it is 126 or 127                |  if M   |
    |N|1 2 3|       |S|       |                                        |         |
"""

from __future__ import annotations

from typing import NamedTuple

from engine.dissect.websocket_deflate import Inflater
from engine.dissect.websocket_payload import WebSocketPayload

FIN, RSV, RSV1, CONTROL = 0x80, 0x70, 0x40, 8
MAX_CONTROL_BYTES = 125


class Header(NamedTuple):
    """What stands before the payload of a frame."""

    end: int
    """Where the payload begins."""
    first: int
    """The first byte: FIN, reserved bits, opcode."""
    length: int
    masked: bool
    wasteful: bool
    """The length could be written shorter, which is not allowed."""


def header_at(data: bytes, pos: int) -> Header | None:
    """Of the frame at ``pos``; None: there is not enough of it."""
    if len(data) - pos < 2:
        return None
    first, second = data[pos], data[pos + 1]
    length, end, least = second & 127, pos + 2, 0
    if length > 125:
        end += 2 if length == 126 else 8
        least = 126 if length == 126 else 1 << 16
        length = int.from_bytes(data[pos + 2 : end], "big")
    end += (second & 128) >> 5
    return Header(end, first, length, second > 127, length < least) if end <= len(data) else None


def unmask(data: bytes, key: bytes, phase: int) -> bytes:
    """``data`` without its mask, of whose key the byte ``phase`` comes first.

    As one large number: 0.7 us for 100 bytes and 3 ms for a megabyte; byte by byte it takes 8 and 20 times as long.
    """
    size = len(data)
    mask = (key[phase:] + key[:phase]) * (size // 4 + 1)
    return (int.from_bytes(data, "little") ^ int.from_bytes(mask[:size], "little")).to_bytes(size, "little")


class Draft:
    """A message that is arriving."""

    __slots__ = ("end_ns", "inflater", "payload", "size_bytes", "start_ns")

    def __init__(self, payload: WebSocketPayload, inflater: Inflater | None, start_ns: int) -> None:
        self.payload = payload
        self.inflater = inflater
        """Where its bytes go; None: into the payload as they are."""
        self.start_ns = self.end_ns = start_ns
        self.size_bytes = 0
        """On the wire."""

    @property
    def held_bytes(self) -> int:
        """Of memory."""
        return len(self.payload.data) if self.inflater is None else self.inflater.kept_bytes


class Side:
    """State of one direction."""

    __slots__ = (
        "after_gap",
        "control",
        "data",
        "fin",
        "held",
        "held_ns",
        "hunting",
        "inflater",
        "key",
        "left",
        "taken",
    )

    def __init__(self, inflater: Inflater | None) -> None:
        self.inflater = inflater
        """None: nothing was agreed."""
        self.held = b""
        """The beginning of a frame's header: a few bytes."""
        self.held_ns = 0
        """When the first of them was captured."""
        self.left = -1
        """Bytes that the payload of the frame still lacks; -1: between two frames."""
        self.taken = 0
        """Bytes that it has."""
        self.key = b""
        """Of its mask, if it has one."""
        self.fin = False
        """It ends its message."""
        self.data: Draft | None = None
        """The message that is arriving."""
        self.control: Draft | None = None
        """The control frame that is arriving; it may stand between the fragments of a message."""
        self.hunting = False
        """The framing is lost."""
        self.after_gap = False
        """Messages may be missing before the next one."""

    def drafts(self) -> list[Draft]:
        """All that is arriving."""
        return [draft for draft in (self.control, self.data) if draft is not None]
