"""Headers that carry a packet in another, each written from its specification; all of them take and give bytes.

``Carried`` is a packet and the EtherType that names it; 0x6558 is a whole Ethernet frame.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import NamedTuple

from tests.support.packets import ETHERTYPE_IPV4, ETHERTYPE_IPV6, UDP, ethernet, ip, udp

BRIDGED, PPP, MPLS, PPPOE = 0x6558, 0x880B, 0x8847, 0x8864
HERE, THERE = "192.0.2.1", "192.0.2.2"
HERE6, THERE6 = "2001:db8::1", "2001:db8::2"


class Carried(NamedTuple):
    """Something that a frame or a tunnel can carry."""

    kind: int
    data: bytes


def as_frame(carried: Carried) -> bytes:
    """An Ethernet frame with it."""
    return carried.data if carried.kind == BRIDGED else ethernet(carried.kind, carried.data)


def bridged(carried: Carried) -> Carried:
    """The same, as an Ethernet frame."""
    return Carried(BRIDGED, as_frame(carried))


def in_ip(protocol: int, payload: bytes, six: bool = False) -> Carried:
    """An IP packet between the ends of a tunnel."""
    ends = (HERE6, THERE6) if six else (HERE, THERE)
    return Carried(ETHERTYPE_IPV6 if six else ETHERTYPE_IPV4, ip(*ends, protocol, payload))


def in_udp(port: int, payload: bytes, six: bool = False) -> Carried:
    """A UDP datagram to the port of a tunnel."""
    here, there = (HERE6, THERE6) if six else (HERE, THERE)
    return in_ip(UDP, udp((here, 49152), (there, port), payload), six)


def vxlan(carried: Carried, port: int = 4789, six: bool = False) -> Carried:
    """RFC 7348, 5."""
    return in_udp(port, struct.pack(">II", 0x08 << 24, 123 << 8) + as_frame(carried), six)


def vxlan_gpe(carried: Carried) -> Carried:
    """VXLAN with a next protocol."""
    following = {ETHERTYPE_IPV4: 1, ETHERTYPE_IPV6: 2}.get(carried.kind, 3)
    inner = carried.data if following < 3 else as_frame(carried)
    return in_udp(4790, struct.pack(">II", 0x0C << 24 | following, 123 << 8) + inner)


def geneve(carried: Carried, options: bytes = b"") -> Carried:
    """RFC 8926, 3.4; ``options``: a multiple of 4 bytes."""
    if carried.kind not in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
        carried = bridged(carried)
    first = struct.pack(">BBHI", len(options) // 4, 0, carried.kind, 7 << 8)
    return in_udp(6081, first + options + carried.data)


def gtp(carried: Carried, extensions: int = 0) -> Carried:
    """3GPP TS 29.281, 5; the inner packet is IP."""
    rest = b""
    if extensions:
        rest = b"\0\1\0\x85" + b"\1\x10\1\x85" * (extensions - 1) + b"\1\x10\1\0"
    header = struct.pack(">BBHI", 0x34 if extensions else 0x30, 255, len(rest) + len(carried.data), 99)
    return in_udp(2152, header + rest + carried.data)


def gre(carried: Carried, flags: int = 0, kind: int = 0, six: bool = False) -> Carried:
    """RFC 2784 and 2890; ``flags`` without a version."""
    fields = 4 * (bool(flags & 0xC000) + bool(flags & 0x2000) + bool(flags & 0x1000))
    routes = b"\0\2\0\4" + bytes(4) + bytes(4) if flags & 0x4000 else b""
    return in_ip(47, struct.pack(">HH", flags, kind or carried.kind) + bytes(fields) + routes + carried.data, six)


def pptp(carried: Carried, compressed: bool = False, acknowledged: bool = False) -> Carried:
    """RFC 2637, 4.1: GRE version 1 with PPP in it."""
    protocol = {ETHERTYPE_IPV4: 0x21, ETHERTYPE_IPV6: 0x57}[carried.kind]
    frame = bytes([protocol]) if compressed else struct.pack(">HH", 0xFF03, protocol)
    flags = 0x3081 if acknowledged else 0x3001
    return in_ip(47, struct.pack(">HH", flags, PPP) + bytes(12 if acknowledged else 8) + frame + carried.data)


def erspan_1(carried: Carried) -> Carried:
    """Without a header of its own."""
    return gre(bridged(carried), kind=0x88BE)


def erspan_2(carried: Carried) -> Carried:
    """8 bytes behind a GRE header with a sequence number."""
    return gre(Carried(BRIDGED, struct.pack(">HHI", 0x1064, 7, 0) + as_frame(carried)), 0x1000, 0x88BE)


def erspan_3(carried: Carried, platform: bool = False) -> Carried:
    """12 bytes, or 20."""
    header = struct.pack(">HHIHH", 0x2064, 7, 0, 0, int(platform)) + bytes(8 * platform)
    return gre(Carried(BRIDGED, header + as_frame(carried)), 0x1000, 0x22EB)


def mpls(carried: Carried, labels: int = 2) -> Carried:
    """RFC 3032, 2.1; an Ethernet frame has a control word (RFC 4448, 4.6)."""
    stack = b"".join(struct.pack(">I", 16 << 12 | (index == labels - 1) << 8 | 64) for index in range(labels))
    return Carried(MPLS, stack + (bytes(4) if carried.kind == BRIDGED else b"") + carried.data)


def pppoe(carried: Carried) -> Carried:
    """RFC 2516, 4; the inner packet is IP."""
    protocol = {ETHERTYPE_IPV4: 0x21, ETHERTYPE_IPV6: 0x57}[carried.kind]
    return Carried(PPPOE, struct.pack(">BBHHH", 0x11, 0, 1, len(carried.data) + 2, protocol) + carried.data)


def ip_in_ip(carried: Carried, six: bool = False) -> Carried:
    """RFC 2003, RFC 4213 (6in4), RFC 2473."""
    return in_ip(4 if carried.kind == ETHERTYPE_IPV4 else 41, carried.data, six)


Tunnel = Callable[[Carried], Carried]

OVER_IP: dict[str, Tunnel] = {
    "gtp": gtp,
    "gtp with extension headers": lambda inner: gtp(inner, 3),
    "ip in ip": ip_in_ip,
    "ip in ipv6": lambda inner: ip_in_ip(inner, six=True),
    "pppoe": pppoe,
    "pptp": pptp,
    "pptp, compressed": lambda inner: pptp(inner, compressed=True),
    "pptp, acknowledged": lambda inner: pptp(inner, acknowledged=True),
}
"""Tunnels that carry IP alone."""
OVER_ANYTHING: dict[str, Tunnel] = {
    "ethernet": bridged,
    "vxlan": vxlan,
    "vxlan on the port of Linux": lambda inner: vxlan(inner, 8472),
    "vxlan over IPv6": lambda inner: vxlan(inner, six=True),
    "vxlan gpe": vxlan_gpe,
    "geneve": geneve,
    "geneve with options": lambda inner: geneve(inner, bytes(12)),
    "gre": gre,
    "gre with a key": lambda inner: gre(inner, 0x2000),
    "gre with checksum, key and sequence": lambda inner: gre(inner, 0xB000),
    "gre with routes": lambda inner: gre(inner, 0x4000),
    "gre over IPv6": lambda inner: gre(inner, six=True),
    "erspan I": erspan_1,
    "erspan II": erspan_2,
    "erspan III": erspan_3,
    "erspan III, long": lambda inner: erspan_3(inner, platform=True),
}
OVER_MPLS: dict[str, Tunnel] = {"mpls": mpls, "mpls, one label": lambda inner: mpls(inner, 1)}
"""Tunnels that carry IP or Ethernet."""
TUNNELS = {**OVER_IP, **OVER_ANYTHING, **OVER_MPLS}


def carried_in(frame: bytes) -> Carried:
    """What an Ethernet frame without VLAN tags carries."""
    return Carried(int.from_bytes(frame[12:14], "big"), frame[14:])


def tunnelled(carried: Carried, depth: int, chance: random.Random) -> Carried:
    """The same behind ``depth`` tunnels, chosen by ``chance``."""
    for _ in range(depth):
        names = list(OVER_ANYTHING)
        if carried.kind in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
            names += OVER_IP
        if carried.kind in (ETHERTYPE_IPV4, ETHERTYPE_IPV6, BRIDGED):
            names += OVER_MPLS
        carried = TUNNELS[chance.choice(names)](carried)
    return carried
