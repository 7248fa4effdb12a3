"""Frames of every kind that decode knows, and the same with damage, from a seed."""

from __future__ import annotations

import random
import struct

from tests.support.packets import (
    EPOCH_NS,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    TCP,
    UDP,
    Endpoint,
    Packet,
    ethernet,
    extension,
    ipv4,
    ipv6,
    tcp,
    udp,
)

_EXTENSIONS = (0, 43, 60)
_FRAGMENT_HEADER, _AUTHENTICATION = 44, 51
_ICMP, _ICMPV6, _SCTP, _OSPF = 1, 58, 132, 89


def random_packets(seed: int, count: int, *, damage: float, link_type: int = 1, vlans: bool = True) -> list[Packet]:
    """``damage`` is the share of packets that are cut, overwritten or both."""
    chance = random.Random(seed)
    packets = []
    for number in range(count):
        frame = relinked(_frame(chance, vlans), link_type, chance)
        wire = len(frame)
        if chance.random() < damage:
            frame = damaged(frame, chance)
            wire = chance.choice([len(frame), max(wire, len(frame))])
        packets.append(Packet(EPOCH_NS + number * 1001, frame, wire))
    return packets


def relinked(frame: bytes, link_type: int, chance: random.Random) -> bytes:
    """An Ethernet frame with the link header of another type; without VLAN tags where that has none."""
    ethertype, rest = frame[12:14], frame[14:]
    while link_type in (0, 12, 101, 108, 228, 229) and ethertype in (b"\x81\x00", b"\x88\xa8"):
        ethertype, rest = rest[2:4], rest[4:]
    headers = {
        0: struct.pack(chance.choice("<>") + "I", chance.choice([2, 24, 28, 30])),
        108: struct.pack(">I", 2),
        113: struct.pack(">HHH8s", 0, 1, 6, b"\2" * 8) + ethertype,
        276: ethertype + struct.pack(">HIHBB8s", 0, 3, 1, 0, 6, b"\2" * 8),
    }
    return frame if link_type == 1 else headers.get(link_type, b"") + rest


def _frame(chance: random.Random, tagged: bool) -> bytes:
    vlans = [chance.randrange(4096) for _ in range(chance.choice([0, 0, 0, 0, 1, 2, 3, 9]) if tagged else 0)]
    if chance.random() < 0.05:
        return ethernet(chance.choice([ETHERTYPE_ARP, 0x88CC, 46]), chance.randbytes(46), vlans=vlans)
    six = chance.random() < 0.35
    packet = (_packet6 if six else _packet4)(chance)
    return ethernet(ETHERTYPE_IPV6 if six else ETHERTYPE_IPV4, packet, vlans=vlans, pad=chance.random() < 0.5)


def _packet4(chance: random.Random) -> bytes:
    source, target = (f"10.0.{chance.randrange(256)}.{chance.randrange(256)}" for _ in range(2))
    protocol, payload = _transport(chance, source, target)
    options = b"\1" * (4 * chance.randrange(11)) if chance.random() < 0.2 else b""
    fragment = chance.choice([0x4000, 0, 0x4000, 0, 0x4000, 0, 0x2000, 0x00B9])
    packet = ipv4(source, target, protocol, payload, options=options, fragment=fragment)
    return packet[:2] + b"\0\0" + packet[4:] if chance.random() < 0.03 else packet  # left to segmentation offload


def _packet6(chance: random.Random) -> bytes:
    source, target = (f"fd00::{chance.randrange(1, 65536):x}" for _ in range(2))
    protocol, payload = _transport(chance, source, target)
    if chance.random() < 0.2:
        headers = chance.choices(
            [*_EXTENSIONS, _FRAGMENT_HEADER, _AUTHENTICATION], [5, 5, 5, 2, 1], k=chance.choice([1, 2, 3, 18])
        )
        for header in reversed(headers):
            payload = extension(protocol, 6 + 8 * chance.randrange(3) * (header in _EXTENSIONS)) + payload
            protocol = header
    return ipv6(source, target, protocol, payload)


def _transport(chance: random.Random, source: str, target: str) -> tuple[int, bytes]:
    here, there = ((address, chance.randrange(65536)) for address in (source, target))
    payload = chance.randbytes(chance.choice([0, 1, 5, 200]))
    kind = chance.random()
    if kind < 0.04:
        return (_ICMPV6 if ":" in source else _ICMP), _icmp(chance) + payload
    if kind < 0.08:
        return chance.choice([_SCTP, _SCTP, _OSPF]), struct.pack(">HHII", here[1], there[1], 7, 0) + payload
    return _tcp(chance, here, there, payload) if kind < 0.6 else _udp(chance, here, there, payload)


def _icmp(chance: random.Random) -> bytes:
    kind = chance.choice([0, 8, 3, 13, 14, 15, 16, 17, 18, 128, 129, 135])
    return struct.pack(">BBHHH", kind, chance.randrange(3), 0, chance.randrange(65536), 1)


def _tcp(chance: random.Random, here: Endpoint, there: Endpoint, payload: bytes) -> tuple[int, bytes]:
    numbers = {
        "sequence": chance.getrandbits(32),
        "acknowledgement": chance.getrandbits(32),
        "flags": chance.randrange(256),
    }
    return TCP, tcp(here, there, **numbers, payload=payload, options=b"\1" * (4 * chance.randrange(11)))


def _udp(chance: random.Random, here: Endpoint, there: Endpoint, payload: bytes) -> tuple[int, bytes]:
    datagram = udp(here, there, payload)
    if chance.random() < 0.1:  # a length that leaves something over, or none
        datagram = datagram[:4] + struct.pack(">H", chance.choice([0, 8, 8 + len(payload) // 2])) + datagram[6:]
    return UDP, datagram


def damaged(frame: bytes, chance: random.Random) -> bytes:
    """The frame cut, or some of its headers' bytes overwritten, or both, or neither."""
    broken = bytearray(frame)
    if chance.random() < 0.6:
        for _ in range(chance.randrange(1, 4)):
            broken[chance.randrange(min(len(broken), 90))] = chance.randrange(256)
    if chance.random() < 0.6:
        del broken[chance.randrange(len(broken) + 1) :]
    return bytes(broken)
