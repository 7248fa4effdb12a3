"""One stream: both directions of a five-tuple between its start and its end."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from engine.naming import stream_name

TCP, UDP, SCTP, ICMP, ICMPV6 = 6, 17, 132, 1, 58
ICMPS = frozenset((ICMP, ICMPV6))
"""What has no ports; streams have other numbers in their place (``engine.decode.columns.Columns.source_port``)."""
PROTOCOL_NAMES = {TCP: "tcp", UDP: "udp", SCTP: "sctp", ICMP: "icmp", ICMPV6: "icmp"}

STATES = ("open", "half_open", "closed", "reset", "idle")
"""In the order of the stream log (``engine.segments.records``)."""
OPEN, HALF_OPEN, ENDED_CLOSED, ENDED_RESET, ENDED_IDLE = range(5)

CLIENT, SERVER = 0, 1
"""Directions: ``CLIENT`` is what the client sends."""

_IPV4_MAPPED = bytes(10) + b"\xff\xff"

UNHEEDED = 255
"""In ``Stream.dissector``: nobody wants its payload any more."""


def format_address(address: bytes) -> str:
    """An address as people write it; the 16 bytes are IPv6, or IPv4 mapped into it."""
    if address.startswith(_IPV4_MAPPED):
        return ".".join(map(str, address[12:]))  # 1.0 us; ipaddress takes 2.4, and many streams have one item alone
    return str(ipaddress.IPv6Address(address))


@dataclass(slots=True, eq=False)
class Stream:
    """One stream, for who works on its payload; identity is ``id``.

    The stream table has a row for every stream and makes one of these only where it is needed. Times, totals, state and
    error are those of the moment it was made, and brought up to date when the stream ends.
    """

    id: int
    """Never reused within a data folder; 0 is no stream."""
    protocol: int
    """IP protocol number."""
    client_ip: bytes
    """16 bytes; IPv4 mapped."""
    client_port: int
    server_ip: bytes
    server_port: int
    start_ns: int
    """Timestamp of the first packet."""
    end_ns: int
    """Timestamp of the last packet so far."""
    packets: int = 0
    """Every captured packet, retransmissions included."""
    bytes: int = 0
    """Captured frame bytes."""
    payload_bytes: int = 0
    """Transport payload bytes on the wire, retransmissions included."""
    state: str = "open"
    """``open``, ``half_open`` (a SYN without answer), ``closed`` (FIN both ways), ``reset`` or ``idle`` (timed out)."""
    error: str = ""
    """Why the stream counts as one with an error (``pcapErrorTTL``), else empty."""
    dissector: int = 0
    """What dissection knew when it put the stream away: 0 nothing yet, ``UNHEEDED``, else a number of its own."""
    items: int = 0
    """Items it had so far."""
    shaken: bool = False
    """It begins with a handshake, so that nothing was said before it."""
    reassembly: Any = None
    """Owned by ``engine.streams.reassembly``; None while the row says all."""
    conversation: Any = None
    """Owned by ``engine.items``; None until somebody dissects this stream."""
    row: int = -1
    """Its row in the register; -1 once it has none."""

    @property
    def name(self) -> str:
        """Its file name in Kubeshark's form."""
        return stream_name(self.id, self.protocol)
