"""Golden traces of DNS."""

from __future__ import annotations

from tests.support.packets import EPOCH_NS, Endpoint, Packet, TcpConversation, udp_frame

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
    return _datagrams(*datagrams)


def dns_over_tcp() -> list[Packet]:
    """A text record of more than one string, behind its length, cut in the middle of that."""
    question = b"\4spf1\4shop\4test\0\0\x10\0\1"
    query = b"\0\7\1\0\0\1\0\0\0\0\0\0" + question
    text = b"\7v=spf1 \4-all"
    reply = b"\0\7\x81\x80\0\1\0\1\0\0\0\0" + question + b"\xc0\x0c\0\x10\0\1\0\0\1\x2c\0" + bytes([len(text)]) + text
    conversation = TcpConversation(CLIENT, RESOLVER).handshake()
    conversation.client_says(len(query).to_bytes(2, "big") + query, [1])
    return conversation.server_says(len(reply).to_bytes(2, "big") + reply, [1, 12]).finish().packets


def dns_record_types() -> list[Packet]:
    """A query with a subnet and a cookie; records whose type has no key of its own, and an extended error."""
    question = b"\4shop\4test\0\0\xff\0\1"
    edns = b"\0\0\x29\4\xd0\0\0\0\0\0\x17\0\x08\0\7\0\1\x18\0\xc0\0\2\0\x0a\0\x08" + bytes(range(8))
    records = [
        (65, b"\0\1\0" + b"\0\1\0\6\2h3\2h2" + b"\0\3\0\2\x20\xfb" + b"\0\4\0\4\x0a\0\0\2"),
        (35, b"\0\x64\0\x0a\1S\7SIP+D2U\0\4_sip\4_udp\xc0\x0c"),
        (257, b"\0\5issueca.test"),
        (43, b"\x4f\x66\x08\2" + bytes(range(32))),
        (48, b"\1\1\3\x0d" + bytes(range(24))),
        (46, b"\0\1\x0d\2\0\0\0\x3c\x65\x60\0\0\x65\x50\0\0\x4f\x66\4shop\4test\0" + bytes(range(24))),
        (47, b"\1a\4shop\4test\0\0\6\x40\1\0\0\0\3"),
        (52, b"\3\1\1" + bytes(range(32))),
        (44, b"\4\2" + bytes(range(32))),
    ]
    answers = b"".join(
        b"\xc0\x0c" + kind.to_bytes(2, "big") + b"\0\1\0\0\0\x3c" + len(data).to_bytes(2, "big") + data
        for kind, data in records
    )
    stale = b"\0\0\x29\4\xd0\0\0\0\0\0\x0b\0\x0f\0\7\0\3stale"
    query = b"\0\1\1\0\0\1\0\0\0\0\0\1" + question + edns
    reply = b"\0\1\x81\x80\0\1\0\x09\0\0\0\1" + question + answers + stale
    return _datagrams((CLIENT, RESOLVER, query), (RESOLVER, CLIENT, reply))


def dns_truncated() -> list[Packet]:
    """An answer that did not fit a datagram, and the same question over TCP."""
    question = b"\4spf1\4shop\4test\0\0\x10\0\1"
    query = b"\0\7\1\0\0\1\0\0\0\0\0\0" + question
    text = b"\xff" + b"a" * 255 + b"\xff" + b"b" * 255
    record = b"\xc0\x0c\0\x10\0\1\0\0\1\x2c" + len(text).to_bytes(2, "big") + text
    reply = b"\0\7\x81\x80\0\1\0\1\0\0\0\0" + question + record
    over_udp = _datagrams((CLIENT, RESOLVER, query), (RESOLVER, CLIENT, b"\0\7\x83\x80" + query[4:]))
    start_ns = over_udp[-1].timestamp_ns + 1_000_000
    conversation = TcpConversation(CLIENT, RESOLVER, start_ns=start_ns).handshake()
    conversation.client_says(len(query).to_bytes(2, "big") + query)
    return over_udp + conversation.server_says(len(reply).to_bytes(2, "big") + reply).finish().packets


def dns_multicast() -> list[Packet]:
    """Multicast DNS: two questions, an answer that flushes caches; LLMNR: a question and who answers it."""
    group, host, asker = ("224.0.0.251", 5353), ("10.0.0.2", 5353), ("10.0.0.1", 5353)
    service = b"\5_http\4_tcp\5local\0"
    asked = bytes(5) + b"\2" + bytes(6) + service + b"\0\x0c\x80\1" + b"\4_ipp\xc0\x12\0\x0c\0\1"
    told = b"\0\0\x84\0\0\0\0\1\0\0\0\1" + service + b"\0\x0c\0\1\0\0\x11\x94\0\6\3web\xc0\x0c"
    told += b"\3web\xc0\x17\0\1\x80\1\0\0\0\x78\0\4\x0a\0\0\2"
    name = b"\0\x09\0\0\0\1\0\0\0\0\0\0\7printer\0\0\1\0\1"
    found = b"\0\x09\x80\0\0\1\0\1\0\0\0\0" + name[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\x0a\0\0\3"
    return _datagrams(
        (asker, group, asked),
        (host, group, told),
        (("10.0.0.1", 51000), ("224.0.0.252", 5355), name),
        (("10.0.0.3", 5355), ("10.0.0.1", 51000), found),
    )


def _datagrams(*said: tuple[Endpoint, Endpoint, bytes]) -> list[Packet]:
    """From, to, what; a millisecond and a half apart."""
    return [
        Packet(EPOCH_NS + 3_000_000 + 1_500_000 * number, udp_frame(source, target, data))
        for number, (source, target, data) in enumerate(said)
    ]


TRACES = (dns_exchanges, dns_over_tcp, dns_record_types, dns_truncated, dns_multicast)
