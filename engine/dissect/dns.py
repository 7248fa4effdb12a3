"""DNS over UDP and TCP (RFC 1035, 7766): framing, recognition, pairing; ``dns_payload`` takes messages apart.

A response answers the query of its stream that has the same id and question. To multicast DNS and LLMNR nobody need
answer, and who does is another host, so another stream: their messages are items of their own.

::

    +--------+-----------+------------+------------+------------+------------+----------
    | id u16 | flags u16 | queries u16| answers u16| authority…  | additional…| sections
    +--------+-----------+------------+------------+------------+------------+----------
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable
from typing import Any

from engine.dissect.dns_payload import LLMNR, MDNS, UNICAST, DnsPayload, question_fits
from engine.dissect.message import Message, Payload, Problem
from engine.dissect.options import DissectOptions
from engine.dissect.table import ProtocolRow, Verdict, constant
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, TCP, UDP, Stream

_HEADER = struct.Struct(">HHHHHH")
_HEADER_BYTES = 12
_RECORD_BYTES = 11
"""The least a resource record takes: the root as its name, no data."""
_MAPPED = b"\0" * 10 + b"\xff\xff"
_ONE_QUESTION = b"\0\1\0\0\0\0"
"""In a header: and no answer, and no authority."""
_FLAGS_OF_QUERIES = 0x0130
"""RD, AD, CD."""
_OPCODES = frozenset((0, 1, 2, 4, 5))
_STATEFUL = 6
"""Its messages have no sections (RFC 8490, 5.4)."""
PORTS = frozenset((53, 5353, 5355))
_PORTS_OF_STREAMS = PORTS | {853}
"""What is inside TLS (RFC 7858) is on that port, too."""
_MULTICAST = {5353: MDNS, 5355: LLMNR}
_ROUNDS = frozenset((b"\0\xfb", b"\0\xfc"))
"""IXFR and AXFR: types that any number of responses may answer (RFC 5936, 2.2)."""

_MOST_BYTES = 2 + 0xFFFF
"""Of a message behind its length: no more is looked at, in a chunk of many packets."""


def detect_udp(data: bytes) -> Verdict:
    """A header that fits the datagram's length, and a first question that can be read; or a query that cannot.

    Who sends damage on purpose begins with it, and a port says that it was meant as a query.
    """
    if len(data) < _HEADER_BYTES:
        return Verdict.NO
    _, flags, queries, answers, authorities, additionals = _HEADER.unpack_from(data)
    records = answers + authorities + additionals
    whole = _HEADER_BYTES + 5 * queries + _RECORD_BYTES * records <= len(data)
    if not _may_ask(flags, queries + records):
        return Verdict.NO
    if not queries:
        return Verdict.PLAUSIBLE if whole else Verdict.NO
    fits = question_fits(data, _HEADER_BYTES)
    if fits is None:
        is_query = data[4:10] == _ONE_QUESTION and not flags & ~_FLAGS_OF_QUERIES
        return Verdict.PLAUSIBLE if is_query else Verdict.NO
    return fits if whole and queries == 1 and flags & 0x40 == 0 else min(fits, Verdict.PLAUSIBLE)


def detect_tcp(data: bytes) -> Verdict:
    """The same behind a length."""
    if len(data) < 2 + _HEADER_BYTES:
        return Verdict.SHORT
    length = int.from_bytes(data[:2], "big")
    _, flags, queries, *records = _HEADER.unpack_from(data, 2)
    if length < _HEADER_BYTES + 5 * queries + _RECORD_BYTES * sum(records) or not _may_ask(
        flags, queries + sum(records)
    ):
        return Verdict.NO
    if len(data) < 2 + length and len(data) < 2 + _HEADER_BYTES + 260:
        return Verdict.SHORT if queries == 1 else Verdict.PLAUSIBLE
    return detect_udp(data[2 : 2 + length]) if len(data) >= 2 + length else Verdict.PLAUSIBLE


def _may_ask(flags: int, count: int) -> bool:
    """Whether there is such a message with so many questions and records."""
    opcode = flags >> 11 & 15
    return opcode in _OPCODES or (opcode == _STATEFUL and not count)


class DnsDatagrams:
    """Dissector of UDP streams: a datagram is a message, so one serves them all; DNS has most streams of all."""

    lost = ""
    successor = None
    answering = False

    def feed(self, chunk: Chunk) -> list[Message]:
        """The message in ``chunk``; none where not even its header is."""
        stream, direction, data, _, times_ns, missing = chunk
        if len(data) < _HEADER_BYTES:
            return []
        fault = Problem("dissection", f"{missing} bytes are missing") if missing else None
        message = _message(direction, data, times_ns[0], times_ns[0], len(data) + missing, fault)
        if stream.server_port in _MULTICAST or stream.client_port in _MULTICAST:
            _as_multicast(message, stream)
        return [message]

    def close(self, reason: str) -> list[Message]:  # noqa: ARG002 - part of the protocol
        """Nothing is ever half done."""
        return []


class DnsStream:
    """Dissector of one TCP stream: messages behind their length."""

    successor = None
    answering = False

    def __init__(self, options: DissectOptions) -> None:
        """No message is longer than 65535 bytes; no limit is needed for them."""
        self.lost = ""
        self._halves = (_Half(), _Half())
        self._max_transfers = options.max_pending
        self._transfers: dict[bytes, bool] = {}
        """Ids of zone transfers that were asked for; whether a response was seen."""

    @property
    def held_bytes(self) -> int:
        """Of messages that are arriving."""
        return sum(half.held_bytes for half in self._halves)

    def feed(self, chunk: Chunk) -> list[Message]:
        """Messages that end in ``chunk``."""
        half = self._halves[chunk.direction]
        pos = 0
        if chunk.missing_bytes:
            half.held, half.held_bytes, half.hunting = [], 0, True
        if half.hunting:
            data = chunk.data
            found = (start for start in chunk.starts if detect_tcp(data[start : start + _MOST_BYTES]) is Verdict.SURE)
            pos = next(found, -1)
            if pos < 0:
                return []
            half.hunting, half.after_gap = False, True
        messages = half.take(chunk, pos)
        for message in messages:
            self._follow_transfer(message)
        return messages

    def _follow_transfer(self, message: Message) -> None:
        """The second response of a zone transfer, and those behind it, have no request of their own."""
        transfers, key = self._transfers, message.key
        assert isinstance(key, bytes)
        if message.is_request and key[-4:-2] in _ROUNDS:
            transfers[key[:2]] = False
            while len(transfers) > self._max_transfers:
                del transfers[next(iter(transfers))]
        elif message.is_request and transfers:
            transfers.pop(key[:2], None)
        elif key[:2] in transfers:
            message.alone, transfers[key[:2]] = transfers[key[:2]], True

    def close(self, reason: str) -> list[Message]:  # noqa: ARG002 - part of the protocol
        """What is held is less than a message, and is dropped."""
        self.lost = self.lost or "ended"
        return []


class _Half:
    """One direction: the beginning of a message."""

    __slots__ = ("after_gap", "held", "held_bytes", "hunting", "start_ns", "wanted_bytes")

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self.held_bytes = 0
        self.wanted_bytes = 2
        """How long ``held`` must become before it is worth a look."""
        self.start_ns = 0
        self.hunting = False
        self.after_gap = False

    def take(self, chunk: Chunk, pos: int) -> list[Message]:
        """Messages that end in ``chunk``, from ``pos`` on."""
        data, base = chunk.data[pos:] if pos else chunk.data, -pos
        if self.held:
            self.held.append(data)
            self.held_bytes += len(data)
            if self.held_bytes < self.wanted_bytes:
                return []
            data, base = b"".join(self.held), self.held_bytes - len(chunk.data)
        found: list[Message] = []
        at = 0
        while len(data) - at >= 2:
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            if end > len(data):
                break
            if end - at >= 2 + _HEADER_BYTES:
                start_ns = self.start_ns if at < base else chunk.time_ns_at(at - base)
                message = _message(
                    chunk.direction, data[at + 2 : end], start_ns, chunk.time_ns_at(end - 1 - base), end - at, None
                )
                message.after_gap, self.after_gap = self.after_gap, False
                found.append(message)
            at = end
        self._hold(chunk, data, at, base)
        return found

    def _hold(self, chunk: Chunk, data: bytes, at: int, base: int) -> None:
        rest = data[at:]
        if rest and at >= base:
            self.start_ns = chunk.time_ns_at(at - base)
        self.held, self.held_bytes = [rest] if rest else [], len(rest)
        self.wanted_bytes = 2 + int.from_bytes(rest[:2], "big") if len(rest) >= 2 else 2


def _message(
    direction: int, data: bytes, start_ns: int, end_ns: int, size_bytes: int, fault: Problem | None
) -> Message:
    is_request = data[2] < 0x80
    end = data.find(b"\0", _HEADER_BYTES) + 5 if data[5] or data[4] else 0
    payload = DnsPayload(data, is_request, fault)
    if _HEADER_BYTES < end <= len(data):
        key = data[:2] + data[_HEADER_BYTES:end].lower()  # the type too, alike in query and response
        return Message(is_request, direction, key, start_ns, end_ns, size_bytes, payload)
    message = Message(is_request, direction, data[:2], start_ns, end_ns, size_bytes, payload)
    message.fits = None if is_request else _has_id(data[:2])
    return message


def _has_id(id: bytes) -> Callable[[Hashable], bool]:
    """Whether a key is of a message with this id."""
    return lambda key: isinstance(key, bytes) and key.startswith(id)


def _as_multicast(message: Message, stream: Stream) -> None:
    """A query to one host is answered as any other; the key pairs its response all the same."""
    payload = message.payload
    assert isinstance(payload, DnsPayload)
    payload.family = _MULTICAST.get(stream.server_port, UNICAST) or _MULTICAST[stream.client_port]
    receiver = stream.server_ip if message.direction == CLIENT else stream.client_ip
    message.alone = not message.is_request or _is_multicast(receiver)


def _is_multicast(address: bytes) -> bool:
    """16 bytes; IPv4 mapped."""
    return address[0] == 0xFF or (address[:12] == _MAPPED and 0xE0 <= address[12] < 0xF0)


def _constant(layer4: str) -> dict[str, Any]:
    return constant(
        "dns",
        "0",
        "DNS",
        "Domain Name System",
        macro="dns",
        colour="#606060",
        reference="https://www.rfc-editor.org/rfc/rfc1035",
        ports=[],
        layer4=layer4,
        priority=4,
    )


DNS_UDP, DNS_TCP = _constant("udp"), _constant("tcp")


def _describe_udp(request: Payload | None, response: Payload | None) -> dict[str, Any]:  # noqa: ARG001 - one signature for all rows
    return DNS_UDP


def _describe_tcp(request: Payload | None, response: Payload | None) -> dict[str, Any]:  # noqa: ARG001 - one signature for all rows
    return DNS_TCP


_DATAGRAMS = DnsDatagrams()

UDP_ROW = ProtocolRow("dns", UDP, detect_udp, PORTS, lambda _: _DATAGRAMS, _describe_udp, remembers=False)
TCP_ROW = ProtocolRow("dns", TCP, detect_tcp, _PORTS_OF_STREAMS, DnsStream, _describe_tcp)
