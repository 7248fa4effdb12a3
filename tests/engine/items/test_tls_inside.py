"""TLS where other protocols stand around it or in it: tunnels, STARTTLS, HTTP inside."""

from __future__ import annotations

from typing import Any

import pytest

from engine.counters import Counters
from engine.dissect.tls_keylog import KeyRing
from engine.streams.stream import CLIENT, SERVER
from tests.support.dissecting import dissection, feed
from tests.support.streams import Said, a_stream, chunks_of, split_anywhere
from tests.support.tls_peers import NAME, Peers, Talk

GET = b"GET /inside HTTP/1.1\r\nHost: shop.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CONNECT = b"CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n\r\n"


def ring_of(talk: Talk) -> KeyRing:
    ring = KeyRing()
    ring.add(talk.keys)
    return ring


def rows(said: list[Said], keys: KeyRing | None, seed: int | None = None, port: int = 443) -> list[tuple[Any, ...]]:
    into, stream = dissection(keys=keys), a_stream(port=port)
    chunks = chunks_of(said, stream)
    items = feed(into, chunks if seed is None else split_anywhere(chunks, seed))
    stream.state = "closed"
    items += into.ended(stream)
    assert [item["index"] for item in items] == list(range(len(items)))
    return [
        (
            item["protocol"]["name"],
            item["tls"],
            item["request"] and (item["request"].get("path") or item["request"].get("serverName")),
            item["response"] and (item["response"].get("status") or item["response"].get("alpn")),
            item["error"],
        )
        for item in items
    ]


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_http_inside_has_the_numbers_of_its_stream(seed: int | None) -> None:
    talk = Peers().talk((GET, OK), (GET, OK))
    assert rows(talk.said, ring_of(talk), seed) == [
        ("tls", False, NAME, "http/1.1", None),
        ("http", True, "/inside", 200, None),
        ("http", True, "/inside", 200, None),
    ]


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_a_tunnel_through_a_proxy_is_looked_into(seed: int | None) -> None:
    talk = Peers().talk((GET, OK))
    said = [(CLIENT, CONNECT), (SERVER, b"HTTP/1.1 200 Connection established\r\n\r\n"), *talk.said]
    assert rows(said, ring_of(talk), seed, port=3128) == [
        ("http", False, "shop.test:443", 200, None),
        ("tls", False, NAME, "http/1.1", None),
        ("http", True, "/inside", 200, None),
    ]
    assert [row[0] for row in rows(said, None, seed, port=3128)] == ["http", "tls"]


def test_tls_behind_an_upgrade_is_tls() -> None:
    talk = Peers().talk((GET, OK))
    upgrade = b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n"  # RFC 2817
    accepted = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n\r\n"
    found = rows([(CLIENT, upgrade), (SERVER, accepted), *talk.said], ring_of(talk), port=80)
    assert [row[:3] for row in found] == [("http", False, "/"), ("tls", False, NAME), ("http", True, "/inside")]


@pytest.mark.parametrize(
    "before",
    [
        [
            (SERVER, b"220 mail.test ESMTP\r\n"), (CLIENT, b"EHLO cook.test\r\n"),
            (SERVER, b"250-mail.test\r\n250 STARTTLS\r\n"), (CLIENT, b"STARTTLS\r\n"), (SERVER, b"220 go ahead\r\n"),
        ],
        [(CLIENT, b"\0\0\0\x08\x04\xd2\x16\x2f"), (SERVER, b"S")],
    ],
    ids=["SMTP", "PostgreSQL"],
)  # fmt: skip
def test_a_switch_in_a_protocol_that_nobody_knows_is_found_by_the_hello(before: list[Said]) -> None:
    talk = Peers().talk((GET, OK))
    said = [*before, *talk.said]
    assert [row[:2] for row in rows(said, ring_of(talk), port=25)] == [("tls", False), ("http", True)]


def test_tls_in_tls_is_opened_twice() -> None:
    inner = Peers().talk((GET, OK))
    turns: list[tuple[bytes, bytes]] = []
    for direction, data in inner.said:
        if direction == CLIENT:
            turns.append((data, b""))
        else:
            turns[-1] = (turns[-1][0], turns[-1][1] + data)
    outer = Peers(alpn=()).talk(*[(asked, answered) for asked, answered in turns if answered])
    ring = ring_of(inner)
    ring.add(outer.keys)
    found = rows(outer.said, ring)
    assert [row[:3] for row in found][:2] == [("tls", False, NAME), ("tls", True, NAME)]


def test_why_a_stream_is_let_go_is_counted() -> None:
    talk, counters = Peers().talk((GET, OK)), Counters()
    feed(dissection(counters=counters), chunks_of(talk.said, a_stream(port=443)))
    assert counters.snapshot()["dissect_streams_lost_total{reason=encrypted}"] == 1


def test_what_nobody_wants_inside_is_not_decrypted() -> None:
    talk, counters = Peers().talk((GET, OK), (GET, OK)), Counters()
    into = dissection(counters=counters, keys=ring_of(talk))
    into.want(frozenset({"tls"}))
    assert [item["protocol"]["name"] for item in feed(into, chunks_of(talk.said, a_stream(port=443)))] == ["tls"]
    assert counters.snapshot()["dissect_streams_lost_total{reason=inner_not_wanted}"] == 1
