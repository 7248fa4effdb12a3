"""Golden traces of DNS."""

from __future__ import annotations

from tests.support.packets import EPOCH_NS, Packet, TcpConversation, udp_frame

CLIENT, RESOLVER = ("10.0.0.1", 51234), ("10.0.0.53", 53)


def dns_exchanges() -> list[Packet]:
    """Two queries on one port, answered the other way round; one name does not exist, one query stays unanswered."""
    www, none = b"\3www\4shop\4test\0", b"\4none\4shop\4test\0"
    found = b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\7\4edge\xc0\x10" + b"\4edge\xc0\x10\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\2"
    edns = b"\0\0\x29\4\xd0\0\0\x80\0\0\0"
    datagrams = [
        (CLIENT, RESOLVER, b"\0\1\1\0\0\1\0\0\0\0\0\1" + www + b"\0\1\0\1" + edns),
        (CLIENT, RESOLVER, b"\0\2\1\0\0\1\0\0\0\0\0\0" + none + b"\0\x1c\0\1"),
        (RESOLVER, CLIENT, b"\0\2\x81\x83\0\1\0\0\0\0\0\0" + none + b"\0\x1c\0\1"),
        (RESOLVER, CLIENT, b"\0\1\x81\x80\0\1\0\2\0\0\0\1" + www + b"\0\1\0\1" + found + edns),
        (CLIENT, RESOLVER, b"\0\3\1\0\0\1\0\0\0\0\0\0" + www + b"\0\x0f\0\1"),
    ]
    start_ns = EPOCH_NS + 3_000_000
    return [
        Packet(start_ns + 1_500_000 * number, udp_frame(source, target, data))
        for number, (source, target, data) in enumerate(datagrams)
    ]


def dns_over_tcp() -> list[Packet]:
    """A text record of more than one string, behind its length, cut in the middle of that."""
    question = b"\4spf1\4shop\4test\0\0\x10\0\1"
    query = b"\0\7\1\0\0\1\0\0\0\0\0\0" + question
    text = b"\7v=spf1 \4-all"
    reply = b"\0\7\x81\x80\0\1\0\1\0\0\0\0" + question + b"\xc0\x0c\0\x10\0\1\0\0\1\x2c\0" + bytes([len(text)]) + text
    conversation = TcpConversation(CLIENT, RESOLVER).handshake()
    conversation.client_says(len(query).to_bytes(2, "big") + query, [1])
    return conversation.server_says(len(reply).to_bytes(2, "big") + reply, [1, 12]).finish().packets


TRACES = (dns_exchanges, dns_over_tcp)
