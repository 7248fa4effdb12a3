"""The packet that an ICMP error quotes (RFC 792; RFC 4443, 2.4): whose it was, which names its stream."""

from __future__ import annotations

import struct
from typing import NamedTuple

from engine.decode.columns import ICMP_QUERIES, ICMP_REPLIES
from engine.streams.stream import ICMP, ICMPV6, SCTP, TCP, UDP

_MAPPED = b"\0" * 10 + b"\xff\xff"
_PORTS = struct.Struct(">HH").unpack_from
_EXTENSIONS = frozenset((0, 43, 60, 135, 139, 140))
_FRAGMENT, _AUTHENTICATION = 44, 51
_MAX_EXTENSIONS = 8


class Quoted(NamedTuple):
    """Ends as streams have them: 16 bytes of address and a port (``Columns.source_port`` has what ICMP has for one)."""

    protocol: int
    source: tuple[bytes, int]
    target: tuple[bytes, int]
    length: int
    """Of the quoted packet, as its header says."""
    has_ports: bool
    """Enough of it is there to tell its stream."""


def quoted_in(data: bytes) -> Quoted | None:
    """The packet in ``data``; None where not even its addresses are there."""
    try:
        return (_ipv4 if data[0] >> 4 == 4 else _ipv6)(data)
    except (IndexError, struct.error):
        return None


def _ipv4(data: bytes) -> Quoted | None:
    header, protocol = (data[0] & 15) * 4, data[9]
    if header < 20 or len(data) < 20:
        return None
    source, target = _MAPPED + data[12:16], _MAPPED + data[16:20]
    first = not (data[6] << 8 | data[7]) & 0x1FFF
    return _with_ports(protocol, source, target, data[2] << 8 | data[3], data[header:] if first else b"")


def _ipv6(data: bytes) -> Quoted | None:
    if data[0] >> 4 != 6 or len(data) < 40:
        return None
    protocol, at, first = data[6], 40, True
    for _ in range(_MAX_EXTENSIONS):
        if at + 8 > len(data):
            break
        if protocol == _FRAGMENT:
            first, protocol, at = not (data[at + 2] << 8 | data[at + 3]) & ~7, data[at], at + 8
        elif protocol == _AUTHENTICATION:
            protocol, at = data[at], at + (data[at + 1] + 2) * 4
        elif protocol in _EXTENSIONS:
            protocol, at = data[at], at + (data[at + 1] + 1) * 8
        else:
            break
    length = 40 + (data[4] << 8 | data[5])
    return _with_ports(protocol, data[8:24], data[24:40], length, data[at:] if first else b"")


def _with_ports(protocol: int, source: bytes, target: bytes, length: int, transport: bytes) -> Quoted:
    ports = _ports(protocol, transport)
    first, second = ports or (0, 0)
    return Quoted(protocol, (source, first), (target, second), length, ports is not None)


def _ports(protocol: int, transport: bytes) -> tuple[int, int] | None:
    """As ``decode`` gives them to the packet."""
    if protocol in (TCP, UDP, SCTP):
        return _PORTS(transport) if len(transport) >= 4 else None
    if protocol not in (ICMP, ICMPV6) or len(transport) < 8:
        return None
    kind, ident = transport[0], transport[4] << 8 | transport[5]
    if kind in ICMP_QUERIES[protocol]:
        return ident, kind
    request = ICMP_REPLIES[protocol].get(kind)
    return (request, ident) if request is not None else (kind << 8 | transport[1], 0)
