"""What dpkt says about a frame: an independent opinion on ``engine.decode``.

dpkt takes packets apart more leniently, so the consistency of lengths is asked here, on what dpkt has found.
"""

from __future__ import annotations

import ipaddress
from typing import Any, NamedTuple

import dpkt


class Seen(NamedTuple):
    """A TCP segment or UDP datagram."""

    protocol: int
    source: str
    source_port: int
    target: str
    target_port: int
    flags: int
    sequence: int
    acknowledgement: int
    payload: bytes
    missing: int


def seen_by_dpkt(frame: bytes, wire_length: int) -> Seen | None:
    """None where there is no whole TCP or UDP header of one unfragmented IP packet whose lengths agree."""
    try:
        ethertype, network = _network(frame)
        if ethertype == dpkt.ethernet.ETH_TYPE_IP and network[0] >> 4 == 4:
            return _ipv4(network, wire_length - (len(frame) - len(network)))
        if ethertype == dpkt.ethernet.ETH_TYPE_IP6 and network[0] >> 4 == 6:
            return _ipv6(network, wire_length - (len(frame) - len(network)))
    except (dpkt.UnpackError, IndexError):
        pass
    return None


def _network(frame: bytes) -> tuple[int, bytes]:
    """EtherType and bytes of the packet behind all VLAN tags."""
    if len(frame) < 14:
        raise dpkt.NeedData
    ethertype, rest = int.from_bytes(frame[12:14], "big"), frame[14:]
    for _ in range(8):
        if ethertype not in (0x8100, 0x88A8, 0x9100):
            break
        tag = dpkt.ethernet.VLANtag8021Q(rest)
        ethertype, rest = tag.type, rest[4:]
    return ethertype, rest


def _ipv4(network: bytes, wire_length: int) -> Seen | None:
    ip = dpkt.ip.IP(network[:20] + bytes(40))  # the fixed part alone, so that nothing behind it can spoil it
    header, total = ip.hl * 4, int.from_bytes(network[2:4], "big") or wire_length
    if len(network) < max(20, header) or header < 20 or ip.mf or ip.offset:
        return None
    return _transport(ip.p, ip.src, ip.dst, network[header:], total - header)


def _ipv6(network: bytes, wire_length: int) -> Seen | None:
    if len(network) < 40:
        return None
    fixed = dpkt.ip6.IP6(network[:4] + b"\0\0\x3b" + network[7:40])  # "no next header": dpkt leaves the rest alone
    length = int.from_bytes(network[4:6], "big") or wire_length - 40
    protocol, rest = network[6], network[40:]
    for _ in range(16):
        if protocol not in (0, 43, 60):
            break
        options = dpkt.ip6.IP6OptsHeader(rest[:2] + bytes(6) + b"\0" * 2048) if len(rest) >= 8 and length >= 8 else None
        if options is None:
            return None
        protocol, rest, length = options.nxt, rest[options.length :], length - options.length
    return _transport(protocol, fixed.src, fixed.dst, rest, length)


def _transport(protocol: int, source: bytes, target: bytes, data: bytes, length: int) -> Seen | None:
    """``length`` is what IP says about ``data``."""
    addresses = str(ipaddress.ip_address(source)), str(ipaddress.ip_address(target))
    if protocol == dpkt.ip.IP_PROTO_TCP:
        return _tcp(*addresses, data, length)
    if protocol == dpkt.ip.IP_PROTO_UDP:
        return _udp(*addresses, data, length)
    return None


def _tcp(source: str, target: str, data: bytes, length: int) -> Seen | None:
    segment: Any = dpkt.tcp.TCP(data)
    header = segment.off * 4
    if header < 20 or not header <= min(length, len(data)):
        return None
    payload = data[header:length]
    missing = length - header - len(payload)
    numbers = (segment.flags & 0x3F, segment.seq, segment.ack)
    return Seen(6, source, segment.sport, target, segment.dport, *numbers, payload, missing)


def _udp(source: str, target: str, data: bytes, length: int) -> Seen | None:
    datagram: Any = dpkt.udp.UDP(data)
    end = datagram.ulen or length
    if not 8 <= end <= length:
        return None
    payload = data[8:end]
    return Seen(17, source, datagram.sport, target, datagram.dport, 0, 0, 0, payload, end - 8 - len(payload))
