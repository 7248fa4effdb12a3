"""Payload as it is: one item for each datagram, and for each run of TCP bytes until the other side speaks."""

from __future__ import annotations

import struct
from base64 import b64encode
from typing import Any

from engine.dissect.message import Message, Payload, Problem
from engine.dissect.options import DissectOptions
from engine.dissect.table import Dissector, ProtocolRow, Verdict, constant
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SCTP, TCP, UDP

CHUNKS = {
    0: "DATA", 1: "INIT", 2: "INIT ACK", 3: "SACK", 4: "HEARTBEAT", 5: "HEARTBEAT ACK", 6: "ABORT", 7: "SHUTDOWN",
    8: "SHUTDOWN ACK", 9: "ERROR", 10: "COOKIE ECHO", 11: "COOKIE ACK", 12: "ECNE", 13: "CWR",
    14: "SHUTDOWN COMPLETE", 15: "AUTH", 64: "I-DATA", 128: "ASCONF-ACK", 130: "RE-CONFIG", 132: "PAD",
    192: "FORWARD-TSN", 193: "ASCONF", 194: "I-FORWARD-TSN",
}  # fmt: skip
"""Types of SCTP chunks (RFC 9260, 3.2, and what IANA added)."""
MAX_CHUNKS = 64


class RawPayload:
    """What one side sent."""

    __slots__ = ("_chunk", "_limit_bytes")

    duration_ns = response_bytes = 0

    def __init__(self, chunk: Chunk, limit_bytes: int) -> None:
        self._chunk = chunk
        self._limit_bytes = limit_bytes

    def problem(self) -> Problem | None:
        """Bytes that the capture lacks; of TCP they lie before the payload, of a datagram behind it."""
        missing = self._chunk.missing_bytes
        return Problem("dissection", f"{missing} bytes are missing") if missing else None

    def section(self) -> dict[str, Any]:
        """``data`` of the item."""
        chunk = self._chunk
        kept = chunk.data[: self._limit_bytes]
        text, encoding = as_text(kept)
        section: dict[str, Any] = {
            "payload": text,
            "encoding": encoding,
            "size": len(chunk.data) + (0 if chunk.stream.protocol == TCP else chunk.missing_bytes),
            "truncated": len(kept) < len(chunk.data),
            "missingBytes": chunk.missing_bytes,
            "direction": "client" if chunk.direction == CLIENT else "server",
        }
        if chunk.stream.protocol == SCTP:
            section["chunks"] = sctp_chunks(chunk.data)
        return section


def as_text(data: bytes) -> tuple[str, str]:
    """``(text, "")`` where ``data`` is UTF-8 that may be shown, else ``(base64, "base64")``."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return b64encode(data).decode(), "base64"
    if all(char.isprintable() or char in "\r\n\t" for char in text):
        return text, ""
    return b64encode(data).decode(), "base64"


def sctp_chunks(data: bytes) -> list[dict[str, Any]]:
    """Type, name, flags and length of each chunk (RFC 9260, 3.2)."""
    found: list[dict[str, Any]] = []
    at = 0
    while at + 4 <= len(data) and len(found) < MAX_CHUNKS:
        kind, flags, length = struct.unpack_from(">BBH", data, at)
        found.append({"type": kind, "name": CHUNKS.get(kind, f"Type {kind}"), "flags": flags, "length": length})
        if length < 4:
            break
        at += (length + 3) & ~3
    return found


def message_of(chunk: Chunk, payload: RawPayload) -> Message:
    """What stands for ``chunk`` in an item: ``src`` is who sent it."""
    size_bytes = len(chunk.data) + chunk.missing_bytes
    return Message(True, chunk.direction, None, chunk.times_ns[0], chunk.times_ns[-1], size_bytes, payload, alone=True)


def _row(name: str, transport: int, abbr: str, long_name: str, reference: str, dissector: str) -> ProtocolRow:
    protocol = constant(
        name,
        "",
        abbr,
        long_name,
        macro=dissector.replace("-", "_"),
        colour="#6b7280",
        reference=f"https://www.rfc-editor.org/rfc/{reference}",
        ports=[],
        layer4=name,
        priority=9,
    )

    def describe(request: Payload | None, response: Payload | None) -> dict[str, Any]:  # noqa: ARG001 - one signature for all rows
        return protocol

    return ProtocolRow(name, transport, _never, frozenset(), _nobody, describe, dissector=dissector)


def _never(data: bytes) -> Verdict:  # noqa: ARG001 - one signature for all rows
    return Verdict.NO


def _nobody(options: DissectOptions) -> Dissector:
    raise NotImplementedError("no stream is ever recognised as payload")


RAW = {
    TCP: _row("tcp", TCP, "TCP", "Transmission Control Protocol", "rfc9293", "tcp"),
    UDP: _row("udp", UDP, "UDP", "User Datagram Protocol", "rfc768", "udp"),
    SCTP: _row("sctp", SCTP, "SCTP", "Stream Control Transmission Protocol", "rfc9260", "sctp"),
}
"""By IP protocol: how payload is shown. Not in the table: no bytes belong to them, or all do."""
CONNECTIONS = {
    TCP: _row("tcp", TCP, "TCP-CONN", "TCP connection", "rfc9293", "tcp-conn"),
    UDP: _row("udp", UDP, "UDP-CONN", "UDP connection", "rfc768", "udp-conn"),
}
"""The same of connections."""
