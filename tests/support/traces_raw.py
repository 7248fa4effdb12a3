"""Golden traces of payload as it is, and of connections: what is told on request only."""

from __future__ import annotations

import struct

from tests.support.packets import EPOCH_NS, Packet, TcpConversation, ethernet, in_time_order, ip, udp_frame
from tests.support.traces_dns import dns_exchanges
from tests.support.traces_http import answer, get, talk

SCTP = 132
_S = 1_000_000_000


def raw_tcp() -> list[Packet]:
    """HTTP, whose payload is told beside its exchange; another protocol over IPv6, with a gap."""
    web = talk().client_says(get("/1"), [20]).server_says(answer("200 OK", b"one")).finish()
    own = TcpConversation(("fd00::1", 40001), ("fd00::2", 7777), start_ns=web.now_ns).handshake()
    own.server_says("żółw 1.0\n".encode()).client_says(b"\xff\0\1").client_says(b"lost").lose().client_says(b"found\n")
    return web.packets + own.server_acks().reset(by_client=True).packets


def raw_udp() -> list[Packet]:
    """Datagrams both ways, one of them empty and one of a protocol that is dissected as well; one is multicast."""
    one, two, group = ("10.0.0.1", 5000), ("10.0.0.2", 9999), ("ff02::1:3", 9998)
    said = [(one, two, b"ask"), (two, one, b"\x80\x81"), (one, two, b""), (("fd00::1", 5001), group, b"all\n")]
    own = [Packet(EPOCH_NS + 1_000_000 * at, udp_frame(*each)) for at, each in enumerate(said)]
    return in_time_order(own, dns_exchanges()[:1])


def raw_sctp() -> list[Packet]:
    """An association opened, two messages in one packet, and its end."""
    client, server = ("10.0.0.1", 7000), ("10.0.0.2", 3868)
    opened = struct.pack(">IIHHI", 0x11, 65536, 10, 10, 1)
    data = struct.pack(">IHHI", 1, 0, 0, 46)
    packets = [
        (client, server, _chunk(1, 0, opened)),
        (server, client, _chunk(2, 0, opened + b"\0\7\0\4")),
        (client, server, _chunk(10, 0, b"cookie")),
        (server, client, _chunk(11, 0, b"")),
        (client, server, _chunk(0, 3, data + b"first") + _chunk(0, 7, data + b"\xff")),
        (server, client, _chunk(3, 0, struct.pack(">IIHH", 2, 65536, 0, 0)) + _chunk(255, 0, b"new!")),
        (client, server, _chunk(6, 0, b"")),
    ]
    return [
        Packet(
            EPOCH_NS + 1_000_000 * at,
            ethernet(0x0800, ip(source[0], target[0], SCTP, struct.pack(">HHII", source[1], target[1], 9, 0) + chunks)),
        )
        for at, (source, target, chunks) in enumerate(packets)
    ]


def _chunk(kind: int, flags: int, value: bytes) -> bytes:
    """Filled up to four bytes, which its length does not count (RFC 9260, 3.2)."""
    return (struct.pack(">BBH", kind, flags, 4 + len(value)) + value).ljust(4 + (len(value) + 3 & ~3), b"\0")


def conn_tcp() -> list[Packet]:
    """One that is closed, one that is reset, one that nobody answers, and one that goes on where the capture ends."""
    web = talk().client_says(get("/1")).server_says(answer("200 OK", b"one")).repeat().finish()
    reset = TcpConversation(("10.0.0.3", 40001), ("10.0.0.2", 7777), start_ns=EPOCH_NS + 1_000_000).handshake()
    reset.client_says(b"hello\n").reset()
    nobody = TcpConversation(("10.0.0.3", 40002), ("10.0.0.9", 81), start_ns=EPOCH_NS + 2_000_000).handshake()
    open_end = TcpConversation(("fd00::1", 40003), ("fd00::2", 6379), start_ns=EPOCH_NS + 3_000_000).handshake()
    open_end.client_says(b"*1\r\n$4\r\nPING\r\n").server_says(b"+PONG\r\n")
    open_end.wait(90 * _S).client_says(b"*1\r\n$4\r\nPING\r\n").server_says(b"+PONG\r\n").client_acks()
    return in_time_order(web.packets, reset.packets, nobody.packets[:1], open_end.packets)


def conn_udp() -> list[Packet]:
    """A lookup that is answered, a datagram that is not, and the silence in which both end."""
    lonely = Packet(EPOCH_NS + 9_000_000, udp_frame(("10.0.0.7", 50001), ("10.0.0.8", 9999), b"x"))
    later = Packet(EPOCH_NS + 2000 * _S, udp_frame(("10.0.0.7", 50002), ("10.0.0.8", 9999), b"y"))
    return [*dns_exchanges(), lonely, later]


TRACES = (raw_tcp, raw_udp, raw_sctp, conn_tcp, conn_udp)
DISSECTORS = {
    "raw_tcp": ["http", "tcp"],
    "raw_udp": ["dns", "udp"],
    "raw_sctp": ["sctp"],
    "conn_tcp": ["http", "redis", "tcp-conn"],
    "conn_udp": ["dns", "udp-conn"],
}
"""What is enabled for each."""
