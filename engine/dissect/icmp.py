"""ICMP and ICMPv6: echoes and their like pair by sequence; errors name the stream of the packet that they quote.

::

    +---------+---------+--------------+---------------------------+--------------------------
    | type u8 | code u8 | checksum u16 | 4 bytes, of the type's own| quoted packet, data …
    +---------+---------+--------------+---------------------------+--------------------------

A stream of ICMP is two hosts and an identifier, or two hosts, a type and a code (``Columns.source_port``).
"""

from __future__ import annotations

from typing import Any

from engine.dissect.icmp_payload import QUERIES, REPLIES, IcmpPayload
from engine.dissect.message import Message, Payload, Problem
from engine.dissect.table import FindStream, ProtocolRow, Refused, Verdict, constant
from engine.streams.chunk import Chunk
from engine.streams.stream import ICMP, ICMPV6

_HEADER_BYTES = 8
_VERSIONS = {ICMP: 4, ICMPV6: 6}


def detect(data: bytes) -> Verdict:
    """The IP header said so."""
    return Verdict.SURE if len(data) >= _HEADER_BYTES else Verdict.NO


class IcmpMessages:
    """Dissector of all streams of ICMP: a packet is a message."""

    lost = ""
    successor = None
    answering = False

    def feed(self, chunk: Chunk) -> list[Message]:
        """The message in ``chunk``."""
        stream, direction, data, _, times_ns, missing = chunk
        if len(data) < _HEADER_BYTES:
            return []
        version, kind, now_ns = _VERSIONS[stream.protocol], data[0], times_ns[0]
        fault = Problem("dissection", f"{missing} bytes are missing") if missing else None
        payload, size_bytes = IcmpPayload(data, version, fault), len(data) + missing
        if kind in QUERIES[version] or kind in REPLIES[version]:
            key = data[6] << 8 | data[7]  # the identifier is that of the stream
            return [Message(kind in QUERIES[version], direction, key, now_ns, now_ns, size_bytes, payload)]
        return [Message(True, direction, None, now_ns, now_ns, size_bytes, payload, alone=True)]

    def close(self, reason: str) -> list[Message]:  # noqa: ARG002 - part of the protocol
        """Nothing is ever half done."""
        return []


def link(message: Message, find: FindStream) -> Refused | None:
    """Name the stream that an error is about; an unreachable host or port is why its requests get no answer."""
    payload = message.payload
    assert isinstance(payload, IcmpPayload)
    quoted = payload.quoted
    if quoted is None or not quoted.has_ports:
        return None
    number, payload.stream = find(quoted.protocol, quoted.source, quoted.target)
    if not number or not payload.refuses:
        return None
    return Refused(number, message.start_ns, Problem("connection", f"ICMP says {payload.name()!r}"))


def join(request: Message, response: Message) -> None:
    """How long the echo took."""
    payload = response.payload
    assert isinstance(payload, IcmpPayload)
    payload.rtt_ns = max(response.start_ns - request.start_ns, 0)


def _constant(version: str, name: str, reference: str) -> dict[str, Any]:
    return constant(
        "icmp",
        version,
        "ICMP",
        name,
        macro="icmp",
        colour="#5f7a8a",
        reference=f"https://www.rfc-editor.org/rfc/{reference}",
        ports=[],
        layer4="icmp",
        priority=5,
    )


_V4 = _constant("4", "Internet Control Message Protocol", "rfc792")
_V6 = _constant("6", "Internet Control Message Protocol for IPv6", "rfc4443")
_MESSAGES = IcmpMessages()


def _describe_v4(request: Payload | None, response: Payload | None) -> dict[str, Any]:  # noqa: ARG001 - one signature for all rows
    return _V4


def _describe_v6(request: Payload | None, response: Payload | None) -> dict[str, Any]:  # noqa: ARG001 - one signature for all rows
    return _V6


V4_ROW, V6_ROW = (
    ProtocolRow(
        "icmp", number, detect, frozenset(), lambda _: _MESSAGES, describe, remembers=False, link=link, join=join
    )
    for number, describe in ((ICMP, _describe_v4), (ICMPV6, _describe_v6))
)
