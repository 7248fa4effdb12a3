"""``request`` of WebSocket items: one message, whoever sent it."""

from __future__ import annotations

from typing import Any

from engine.dissect.http_content import text_of
from engine.dissect.message import Payload, Problem
from engine.dissect.table import constant

TYPES = {0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
"""Opcodes (RFC 6455, 5.2)."""
CLOSE = 8
PROTOCOL = constant(
    "ws",
    "13",
    "WS",
    "WebSocket Protocol",
    macro="ws",
    colour="#2D8CA8",
    reference="https://www.rfc-editor.org/rfc/rfc6455",
    ports=["80", "443", "8080"],
    layer4="tcp",
    priority=0,
)


class WebSocketPayload:
    """A message as its frames bring it."""

    __slots__ = (
        "by_client",
        "comment",
        "compressed",
        "data",
        "fault",
        "frames",
        "gap",
        "masked",
        "opcode",
        "size_bytes",
    )

    def __init__(self, opcode: int, by_client: bool, masked: bool) -> None:
        self.opcode = opcode
        self.by_client = by_client
        self.masked = masked
        self.compressed = False
        self.frames = 0
        self.data: bytes | bytearray = b""
        """What is kept of it, unmasked and, if that is possible, inflated."""
        self.size_bytes = 0
        """All of it, with what is missing and what is not kept."""
        self.gap = False
        """Bytes of it are missing; nothing behind them is kept."""
        self.comment = ""
        self.fault: Problem | None = None

    def keep(self, part: bytes) -> None:
        """The next bytes; copied only where they are not the first, so that many small ones cost no more."""
        if not self.data:
            self.data = part
        elif isinstance(self.data, bytes):
            self.data = bytearray(self.data + part)
        else:
            self.data += part

    def blame(self, msg: str, kind: str = "dissection") -> None:
        """What is wrong first stands in the item."""
        self.fault = self.fault or Problem(kind, msg)

    def problem(self) -> Problem | None:
        """A gap, an early end, a frame that should not be."""
        if self.fault is None and self.opcode == CLOSE and len(self.data) == 1:
            return Problem("dissection", "a close with half a code")
        return self.fault

    def section(self) -> dict[str, Any]:
        """The message."""
        data, comment = bytes(self.data), self.comment
        code = int.from_bytes(data[:2], "big") if self.opcode == CLOSE and len(data) > 1 else None
        if len(data) < self.size_bytes and not comment:
            comment = f"{len(data)} of {self.size_bytes} bytes kept"
        text, encoding = text_of(data[2:] if self.opcode == CLOSE else data, not comment)
        if self.opcode == 1 and encoding and not comment:
            comment = "the text is no UTF-8"
        section = {
            "opcode": self.opcode,
            "type": TYPES.get(self.opcode, f"opcode {self.opcode}"),
            "sender": "client" if self.by_client else "server",
            "fragments": self.frames,
            "masked": self.masked,
            "compressed": self.compressed,
            "size": self.size_bytes,
            "text": text,
            "encoding": encoding,
        }
        if self.opcode == CLOSE:
            section |= {"closeCode": code, "closeReason": text if not encoding else ""}
        if comment:
            section["comment"] = comment
        return section


def describe(request: Payload | None, response: Payload | None) -> dict[str, Any]:  # noqa: ARG001 - one signature
    """The constants of WebSocket."""
    return PROTOCOL
