"""What the engine says of a capture, in the words of ``theirs``."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from engine.capture.sources import open_source
from engine.configure import configure
from engine.counters import Counters
from engine.decode.columns import HELD
from engine.decode.decode import Decoder
from engine.query import Query
from engine.streams.chunk import Chunk
from engine.streams.options import StreamOptions
from engine.streams.reassembly import Reassembler
from engine.streams.register import Records, streams_of
from engine.streams.rows import format_endpoint
from engine.streams.stream import CLIENT, ICMP, ICMPV6, SCTP, SERVER, TCP, UDP, Stream, format_address
from engine.streams.table import StreamTable
from tests.fidelity import contents
from tests.fidelity.facts import (
    ANSWERS,
    BODIES,
    BYTES,
    DNS,
    HTTP,
    PACKETS,
    PACKETS_READ,
    PAYLOAD,
    SESSIONS,
    STREAMS,
    Fact,
    Facts,
    digest_of,
    ends_of,
    no_facts,
    payload_of,
    seen_of,
)
from tests.fidelity.protocols.listing import PROTOCOLS

_NAMES = {TCP: "tcp", UDP: "udp", SCTP: "sctp", ICMP: "icmp", ICMPV6: "icmp"}
NEVER_S = 4e9
"""To tshark silence ends no stream (quirk 12)."""
Pair = frozenset[str]


def facts_of(capture: Path, shaken: Iterable[Pair], theirs: Facts) -> Facts:
    """The facts of one capture; ``shaken`` are the endpoints of streams whose handshake was seen.

    Bodies and answers are those of exchanges that are in ``theirs``.
    """
    facts = no_facts()
    line = _Line(capture)
    facts[PACKETS_READ][line.packets_read, line.warned, line.digest()] += 1
    known = set(shaken)
    for stream in line.streams:
        packets = stream.packets - line.held[stream.id]
        if packets:  # only the first fragment of a datagram that was never whole: no packet to tshark
            ends = _ends(stream, known)
            facts[STREAMS][ends] += 1
            facts[PACKETS][*ends, packets] += 1
            if stream.protocol in (TCP, UDP):
                facts[BYTES][*ends, stream.payload_bytes] += 1
    facts[PAYLOAD].update(line.payload())
    facts[SESSIONS].update(line.sessions())
    items = items_of(capture)
    facts[BODIES] = contents.bodies_of(items, theirs[BODIES])
    facts[ANSWERS] = contents.answers_of(items, theirs[ANSWERS])
    for protocol in PROTOCOLS:
        facts[protocol.QUANTITY].update(protocol.ours(items))
    for item in items:
        if item["protocol"]["name"] == "http" and item["protocol"]["version"] != "2.0" and not item["tls"]:
            facts[HTTP][exchange_of(item)] += 1
        elif item["protocol"]["name"] == "dns":
            facts[DNS][exchange_of(item)] += 1
    return facts


class _Line:
    """Decode, streams and reassembly over a whole capture."""

    def __init__(self, capture: Path) -> None:
        counters, numbers, options = (
            Counters(),
            itertools.count(1),
            StreamOptions(tcp_timeout_s=NEVER_S, udp_timeout_s=NEVER_S),
        )
        source, decoder = open_source(str(capture), 0), Decoder(counters)
        table = StreamTable(options, counters, lambda: next(numbers))
        reassembler, register = Reassembler(options, counters, table.register), table.register
        self._seen: list[bytes] = []
        self.streams: list[Stream]
        ended: list[Records] = []
        over: list[Stream] = []
        self.chunks: list[Chunk] = []
        self.held: Counter[int] = Counter()
        self.packets_read = 0
        self._said: defaultdict[tuple[int, int], list[Chunk]] = defaultdict(list)
        while not source.ended:
            if (batch := source.read()) is not None:
                columns, payloads = decoder.decode(batch)
                assigned = table.assign(columns)
                self.packets_read += len(columns.drop)
                rows = zip(columns.timestamp_ns, columns.captured_length, columns.wire_length, strict=True)
                self._seen += [seen_of(int(at), int(captured), int(wire)) for at, captured, wire in rows]
                ended.append(assigned.ended.records)
                wanted = np.ones(assigned.rows.size, np.bool_)
                self.held.update(assigned.stream_ids[columns.flags & HELD != 0].tolist())
                self._hear(reassembler.feed(batch._replace(buffer=payloads), columns, assigned, wanted))
                over += register.ended(assigned.ended.rows, assigned.ended.records)
        left = table.finish()
        for stream in [*over, *register.ended(left.rows, left.records)]:
            self._hear(reassembler.close(stream))
        self.streams = streams_of(np.concatenate([*ended, left.records]))
        self.warned = bool(source.take_warning())
        source.close()

    def _hear(self, chunks: list[Chunk]) -> None:
        self.chunks += chunks
        for chunk in chunks:
            self._said[chunk.stream.id, chunk.direction].append(chunk)

    def sessions(self) -> Iterable[Fact]:
        """By five-tuple, as Arkime counts them: all packets; the payload once it is in order, unless it has a gap."""
        sums: Counter[Fact] = Counter()
        gaps: set[tuple[str, str, str]] = set()
        for stream in self.streams:
            if stream.protocol in (TCP, UDP):
                ends = (_NAMES[stream.protocol], *_endpoints(stream))
                said = [chunk for side in (CLIENT, SERVER) for chunk in self._said[stream.id, side]]
                sums[*ends, "packets"] += stream.packets
                if any(chunk.missing_bytes for chunk in said):
                    gaps.add(ends)
                sums[*ends, "bytes"] += sum(len(chunk.data) for chunk in said)
        for gap in gaps:
            del sums[*gap, "bytes"]
        return ((*fact, total) for fact, total in sums.items())

    def digest(self) -> str:
        """Of the time and the lengths of every packet."""
        return digest_of(self._seen)

    def payload(self) -> Iterable[Fact]:
        """Each direction of TCP and UDP that said something; what the snap length cut off UDP is told by nobody."""
        streams = {stream.id: stream for stream in self.streams}
        for (number, direction), chunks in self._said.items():
            stream = streams[number]
            if stream.protocol in (TCP, UDP) and any(chunk.data for chunk in chunks):
                client, server = _endpoints(stream)
                ends = (client, server) if direction == CLIENT else (server, client)
                missing = sum(chunk.missing_bytes for chunk in chunks) if stream.protocol == TCP else 0
                yield payload_of(_NAMES[stream.protocol], *ends, [chunk.data for chunk in chunks], missing)


def _endpoints(stream: Stream) -> tuple[str, str]:
    return (
        format_endpoint(stream.client_ip, stream.client_port),
        format_endpoint(stream.server_ip, stream.server_port),
    )


def _ends(stream: Stream, shaken: set[Pair]) -> Fact:
    name = _NAMES[stream.protocol]
    if stream.protocol in (ICMP, ICMPV6):
        addresses = format_address(stream.client_ip), format_address(stream.server_ip)
        return (name, *addresses, stream.client_port, stream.server_port)
    ends = _endpoints(stream)
    return (name, *ends_of(*ends, known=stream.protocol == TCP and frozenset(ends) in shaken))


def reassembled(capture: Path) -> bytes:
    """All payload, both directions in the order in which they speak."""
    return b"".join(chunk.data for chunk in _Line(capture).chunks)


def items_of(capture: Path) -> list[dict[str, Any]]:
    """All items, as ``remora query`` gives them."""
    query = Query([str(capture)], configure(None, [], {}).settings, lambda _: None)
    return [dict(item) for item in query.items(None)]


def exchange_of(item: dict[str, Any]) -> Fact:
    """What is compared of an item: who asked whom for what, and whether there was an answer."""
    request, response = item["request"] or {}, item["response"] or {}
    name, ends = item["protocol"]["name"], (_endpoint(item["src"]), _endpoint(item["dst"]))
    if name == "dns":
        question = ((request or response)["questions"] or [{}])[0]
        return name, question.get("name"), question.get("type"), bool(item["request"]), bool(response), *ends
    return name, request.get("method"), request.get("url"), response.get("status"), *ends


def _endpoint(end: dict[str, Any]) -> str:
    return f"[{end['ip']}]:{end['port']}" if ":" in end["ip"] else f"{end['ip']}:{end['port']}"
