"""What dpkt says about a frame: an independent opinion on ``engine.decode``.

dpkt takes packets apart more leniently, so the consistency of lengths is asked here, on what dpkt has found.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, NamedTuple

import dpkt


class Seen(NamedTuple):
    """A row as ``engine.decode`` should give it."""

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
    """None where there is no transport header of one unfragmented IP packet whose lengths agree.

    A capture may have cut the options of TCP, nothing else of a header.
    """
    try:
        ethertype, network = _network(frame)
        is_cut = len(frame) < wire_length
        if ethertype == dpkt.ethernet.ETH_TYPE_IP and network[0] >> 4 == 4:
            return _ipv4(network, wire_length - (len(frame) - len(network)), is_cut)
        if ethertype == dpkt.ethernet.ETH_TYPE_IP6 and network[0] >> 4 == 6:
            return _ipv6(network, wire_length - (len(frame) - len(network)), is_cut)
    except (dpkt.UnpackError, IndexError):
        pass
    return None


def _network(frame: bytes) -> tuple[int, bytes]:
    """EtherType and bytes of the packet behind all VLAN tags."""
    if len(frame) < 14:
        raise dpkt.NeedData
    ethertype, rest = int.from_bytes(frame[12:14], "big"), frame[14:]
    while ethertype in (0x8100, 0x88A8, 0x9100):
        tag = dpkt.ethernet.VLANtag8021Q(rest)
        ethertype, rest = tag.type, rest[4:]
    return ethertype, rest


def _ipv4(network: bytes, wire_length: int, is_cut: bool) -> Seen | None:
    ip = dpkt.ip.IP(network[:20] + bytes(40))  # the fixed part alone, so that nothing behind it can spoil it
    header, total = ip.hl * 4, int.from_bytes(network[2:4], "big") or wire_length
    if len(network) < max(20, header) or header < 20 or ip.mf or ip.offset:
        return None
    protocol, rest, length = _unwrapped(ip.p, (51,), network[header:], total - header)
    return _transport(protocol, ip.src, ip.dst, rest, length, is_cut)


def _ipv6(network: bytes, wire_length: int, is_cut: bool) -> Seen | None:
    if len(network) < 40:
        return None
    fixed = dpkt.ip6.IP6(network[:4] + b"\0\0\x3b" + network[7:40])  # "no next header": dpkt leaves the rest alone
    length = int.from_bytes(network[4:6], "big") or wire_length - 40
    protocol, rest, length = _unwrapped(network[6], (0, 43, 44, 51, 60), network[40:], length)
    return _transport(protocol, fixed.src, fixed.dst, rest, length, is_cut)


def _unwrapped(protocol: int, headers: tuple[int, ...], rest: bytes, length: int) -> tuple[int, bytes, int]:
    """Protocol, bytes and length of what lies behind extension headers."""
    for _ in range(16):
        if protocol not in headers:
            break
        if len(rest) < 8 or length < 8:
            raise dpkt.NeedData
        header: Any
        if protocol == 44:
            header = dpkt.ip6.IP6FragmentHeader(rest[:8])
            if header.frag_off or header.m_flag:
                raise dpkt.UnpackError
        elif protocol == 51:
            header = dpkt.ip6.IP6AHHeader(rest[:2] + bytes(1024 + 22))
        else:
            header = dpkt.ip6.IP6OptsHeader(rest[:2] + b"\0" * 2054)
        protocol, rest, length = header.nxt, rest[header.length :], length - header.length
    return protocol, rest, length


def _transport(protocol: int, source: bytes, target: bytes, data: bytes, length: int, is_cut: bool) -> Seen | None:
    """``length`` is what IP says about ``data``, which the capture may have cut."""
    addresses = str(ipaddress.ip_address(source)), str(ipaddress.ip_address(target))
    if protocol == dpkt.ip.IP_PROTO_TCP:
        return _tcp(*addresses, data, length, is_cut)
    if protocol == dpkt.ip.IP_PROTO_UDP:
        return _udp(*addresses, data, length)
    if protocol == dpkt.ip.IP_PROTO_SCTP:
        packet: Any = dpkt.sctp.SCTP(data[:12])
        return _whole(protocol, addresses, (packet.sport, packet.dport), data[12:], length - 12)
    if protocol == dpkt.ip.IP_PROTO_ICMP:
        return _icmp(protocol, *addresses, {8: 8, 13: 13, 15: 15, 17: 17}, {0: 8, 14: 13, 16: 15, 18: 17}, data, length)
    if protocol == dpkt.ip.IP_PROTO_ICMP6:
        return _icmp(protocol, *addresses, {128: 128}, {129: 128}, data, length)
    return None


def _whole(
    protocol: int, addresses: tuple[str, str], ports: tuple[int, int], payload: bytes, length: int
) -> Seen | None:
    if length < 0:
        return None
    kept = payload[:length]
    return Seen(protocol, addresses[0], ports[0], addresses[1], ports[1], 0, 0, 0, kept, length - len(kept))


def _icmp(
    protocol: int, source: str, target: str, asking: Iterable[int], answering: dict[int, int], data: bytes, length: int
) -> Seen | None:
    """``answering``: the type of the request to each type of reply."""
    if len(data) < 8 or length < 8:
        return None
    message: Any = dpkt.icmp.ICMP(data[:4]) if protocol == 1 else dpkt.icmp6.ICMP6(data[:4])
    ident = int(dpkt.icmp.ICMP.Echo(data[4:8]).id)
    ports = (message.type << 8 | message.code, 0)
    if message.type in asking:
        ports = (ident, message.type)
    elif message.type in answering:
        ports = (answering[message.type], ident)
    return _whole(protocol, (source, target), ports, data, length)


def _tcp(source: str, target: str, data: bytes, length: int, is_cut: bool) -> Seen | None:
    segment: Any = dpkt.tcp.TCP(data)
    header = segment.off * 4
    if header < 20 or header > length or (header > len(data) and not is_cut):
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
