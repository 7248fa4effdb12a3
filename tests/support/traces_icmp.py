"""Golden traces of ICMP, and the messages they are put together from."""

from __future__ import annotations

import struct

from tests.support.packets import EPOCH_NS, Packet, TcpConversation, checksum, ethernet, ip, tcp_frame, udp_frame

CLIENT, SERVER, ROUTER = "10.0.0.1", "10.0.0.2", "10.0.0.254"
CLIENT6, SERVER6 = "fd00::1", "fd00::2"
STEP_NS = 1_500_000


def icmp(source: str, target: str, kind: int, code: int, rest: bytes, data: bytes = b"") -> bytes:
    """A frame with one message; ``rest`` are the 4 bytes behind the checksum. IPv6 where the addresses are."""
    six = ":" in source
    message = struct.pack(">BBH", kind, code, 0) + rest + data
    if not six:  # that of ICMPv6 covers addresses too; nobody here looks at it
        message = struct.pack(">BBH", kind, code, checksum(message)) + rest + data
    return ethernet(0x86DD if six else 0x0800, ip(source, target, 58 if six else 1, message))


def quote(frame: bytes) -> bytes:
    """What an error quotes of a frame: its IP header and some bytes more (RFC 1812, 4.3.2.3)."""
    return frame[14:][: 48 if frame[12:14] == b"\x86\xdd" else 28]


def packets(*frames: bytes) -> list[Packet]:
    """A step apart."""
    return [Packet(EPOCH_NS + STEP_NS * number, frame) for number, frame in enumerate(frames)]


def icmp_echoes() -> list[Packet]:
    """Three pings of one process, the second never answered; and one of IPv6."""
    data = bytes(range(48))
    asked = [icmp(CLIENT, SERVER, 8, 0, struct.pack(">HH", 4711, number), data) for number in (1, 2, 3)]
    told = [icmp(SERVER, CLIENT, 0, 0, struct.pack(">HH", 4711, number), data) for number in (1, 3)]
    six = struct.pack(">HH", 9, 1)
    return packets(
        asked[0],
        told[0],
        asked[1],
        asked[2],
        told[1],
        icmp(CLIENT6, SERVER6, 128, 0, six, data),
        icmp(SERVER6, CLIENT6, 129, 0, six, data),
    )


def icmp_errors() -> list[Packet]:
    """A closed port that DNS asks, a hop that ends a traceroute, a path with a smaller MTU, a redirect."""
    query = b"\0\7\1\0\0\1\0\0\0\0\0\0\3www\4shop\4test\0\0\1\0\1"
    asked = udp_frame((CLIENT, 51234), (SERVER, 53), query)
    probe = udp_frame((CLIENT, 40000), (SERVER, 33434), b"probe")
    talk = TcpConversation((CLIENT, 51235), (SERVER, 80)).handshake().packets
    large = tcp_frame((CLIENT, 51235), (SERVER, 80), sequence=1001, payload=b"x" * 1400)
    six = udp_frame((CLIENT6, 40001), (SERVER6, 33435), b"probe")
    return [
        *talk,
        *(
            Packet(packet.timestamp_ns + 10_000_000, packet.frame)
            for packet in packets(
                asked,
                icmp(SERVER, CLIENT, 3, 3, bytes(4), quote(asked)),
                probe,
                icmp(ROUTER, CLIENT, 11, 0, bytes(4), quote(probe)),
                large,
                icmp(ROUTER, CLIENT, 3, 4, b"\0\0\x05\x14", quote(large)),
                icmp(ROUTER, CLIENT, 5, 1, b"\x0a\0\0\xfd", quote(large)),
                six,
                icmp("fd00::fe", CLIENT6, 2, 0, b"\0\0\x05\0", quote(six)),
            )
        ),
    ]


def icmp_neighbours() -> list[Packet]:
    """Who has an address, who says so; a router and its prefix."""
    link = b"\x02\0\0\0\0\1"
    target = bytes.fromhex("fe800000000000000000000000000002")
    prefix = b"\3\4\x40\xc0" + struct.pack(">III", 86400, 14400, 0) + bytes.fromhex("fd00") + bytes(14)
    advert = b"\x40\0\x07\x08"
    return packets(
        icmp("fe80::1", "ff02::1:ff00:2", 135, 0, bytes(4), target + b"\1\1" + link),
        icmp("fe80::2", "fe80::1", 136, 0, b"\x60\0\0\0", target + b"\2\1" + link),
        icmp("fe80::1", "ff02::2", 133, 0, bytes(4), b"\1\1" + link),
        icmp("fe80::fe", "ff02::1", 134, 0, advert, bytes(8) + b"\1\1" + link + prefix),
        icmp("fe80::1", "ff02::16", 143, 0, b"\0\0\0\1", b"\4\0\0\0" + target),
        icmp(ROUTER, CLIENT, 9, 0, b"\1\2\7\x08", b"\x0a\0\0\xfe\0\0\0\0"),
    )


TRACES = (icmp_echoes, icmp_errors, icmp_neighbours)
