"""One stream: both directions of a five-tuple between its start and its end."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from engine.naming import stream_name

TCP, UDP, SCTP, ICMP, ICMPV6 = 6, 17, 132, 1, 58
PROTOCOL_NAMES = {TCP: "tcp", UDP: "udp", SCTP: "sctp", ICMP: "icmp", ICMPV6: "icmp"}

CLIENT, SERVER = 0, 1
"""Directions: ``CLIENT`` is what the client sends."""


def format_address(address: bytes) -> str:
    """An address as people write it; the 16 bytes are IPv6, or IPv4 mapped into it."""
    parsed = ipaddress.IPv6Address(address)
    return str(parsed.ipv4_mapped or parsed)


@dataclass(slots=True, eq=False)
class Stream:
    """State of one stream, owned by the stream table; identity is ``id``."""

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
    reassembly: Any = None
    """Owned by ``engine.streams.reassembly``; None until TCP payload is wanted."""
    conversation: Any = None
    """Owned by ``engine.items``; None until somebody dissects this stream."""

    @property
    def name(self) -> str:
        """Its file name in Kubeshark's form."""
        return stream_name(self.id, self.protocol)
