"""Unfinished messages are bounded over all streams, whatever their protocol."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator

import pytest

from engine.counters import Counters
from engine.dissect.dns import DnsStream
from engine.dissect.options import DissectOptions
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER
from tests.engine.items.test_waiting import KIB, MIB, at, held_after
from tests.support.dissecting import dissection, feed
from tests.support.http2_peers import END_HEADERS, PREFACE, SETTINGS, ByHand, asking, frame
from tests.support.streams import START_NS, Said, a_stream

STREAMS = 150
SIZE_BYTES = 900_000
PART = b"p" * (64 * KIB)
DROPPED = "dissect_dropped_total{reason=held_limit}"


def upload() -> list[Said]:
    return [(CLIENT, b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % SIZE_BYTES + PART)]


def download() -> list[Said]:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE_BYTES
    return [(CLIENT, b"GET / HTTP/1.1\r\n\r\n"), (SERVER, head + PART)]


def http2() -> list[Said]:
    head = ByHand().headers(1, asking("/", "POST"), END_HEADERS)
    return [(CLIENT, PREFACE + SETTINGS + head + b"".join(frame(0, 0, 1, PART[:16_000]) for _ in range(4)))]


def redis() -> list[Said]:
    return [(CLIENT, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % SIZE_BYTES + PART)]


def websocket() -> list[Said]:
    ask = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    agree = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    return [(CLIENT, ask), (SERVER, agree + b"\x82\x7f" + struct.pack(">Q", SIZE_BYTES) + PART)]


def kafka() -> list[Said]:
    head = struct.pack(">ihhih4shhiih6si", SIZE_BYTES, 0, 7, 1, 4, b"shop", -1, -1, 30_000, 1, 6, b"orders", 1)
    return [(CLIENT, head + PART)]


def amqp() -> list[Said]:
    publish = struct.pack(">HHH", 60, 40, 0) + b"\0\1q\0"
    content = struct.pack(">HHQH", 60, 0, SIZE_BYTES, 0)
    frames = ((1, publish), (2, content), (3, PART))
    begun = b"".join(struct.pack(">BHI", kind, 1, len(data)) + data + b"\xce" for kind, data in frames)
    return [(CLIENT, b"AMQP\0\0\x09\1"), (CLIENT, begun)]


def connect() -> list[Said]:
    return [(CLIENT, b"CONNECT a:1 HTTP/1.1\r\n\r\n" + PART[: 60 * KIB])]


def tls() -> list[Said]:
    """A ClientHello that goes on for ever."""
    begun = b"\1" + (64_000).to_bytes(3, "big") + b"\3\3" + PART[: 4 * 16_000 - 10]
    records = (begun[at : at + 16_000] for at in range(0, len(begun), 16_000))
    return [(CLIENT, b"".join(b"\x16\3\1" + struct.pack(">H", len(record)) + record for record in records))]


def dns() -> list[Said]:
    asked = struct.pack(">HHHHHHH", 0xFFFF, 1, 0x0100, 1, 0, 0, 0) + b"\3www\0\0\1\0\1"
    return [(CLIENT, asked + PART[:60_000])]


@pytest.mark.parametrize("talk", [upload, download, http2, redis, websocket, kafka, amqp, connect, tls, dns])
def test_unfinished_messages_of_many_streams_are_bounded(talk: Callable[[], list[Said]]) -> None:
    counters = Counters()
    into = dissection(counters=counters, max_held_total_bytes=2 * MIB)
    port = {kafka: 9092, amqp: 5672, redis: 6379, dns: 53, tls: 443}.get(talk, 80)

    def said() -> Iterator[Chunk]:
        for number in range(1, STREAMS + 1):
            stream = a_stream(number=number, port=port)
            stream.shaken = True
            yield from (at(number, stream, each) for each in talk())

    held_bytes, items = held_after(into, said())
    assert held_bytes < 2.7 * MIB  # all of it would be 9 MiB; the streams themselves are in it
    assert items >= (0 if talk is dns else STREAMS - 34)  # a part of a DNS message says nothing
    assert counters.get(DROPPED) >= STREAMS - 34


def test_what_is_cut_short_says_why_and_what_comes_later_is_found() -> None:
    into = dissection(max_held_total_bytes=100 * KIB)
    first, second = a_stream(number=1), a_stream(number=2)
    (said,) = upload()
    assert feed(into, [at(0, first, said)]) == []
    (item,) = feed(into, [at(1, second, said)])
    assert item["error"]["type"] == "dissection"
    assert "dissect.maxHeldTotal" in item["error"]["msg"]
    talk: list[Said] = [(CLIENT, b"GET /later HTTP/1.1\r\n\r\n"), (SERVER, b"HTTP/1.1 204 No\r\n\r\n")]
    (later,) = feed(into, [at(2, item.stream, each) for each in talk])
    assert (later["request"]["path"], later["error"], later.index) == ("/later", None, 1)
    assert len(into.finish()) == 1


def test_streams_whose_protocol_is_not_known_yet_are_bounded_together() -> None:
    into = dissection(max_held_total_bytes=256 * KIB)
    said = (at(number, a_stream(number=number), (CLIENT, b"GET /" + b"a" * 8000)) for number in range(1, 201))
    held_bytes, _ = held_after(into, said)
    assert held_bytes < 512 * KIB
    assert into.finish() == []


def test_dns_finds_no_message_in_many_packets_without_looking_at_all_for_each() -> None:
    """6000 packets in one chunk behind a gap."""
    dissector, stream = DnsStream(DissectOptions()), a_stream(port=53)
    starts = list(range(0, 6000 * 1400, 1400))
    chunk = Chunk(stream, CLIENT, b"\xff" * (6000 * 1400), starts, [START_NS] * len(starts), 100)
    begin = time.process_time()
    assert dissector.feed(chunk) == []
    assert time.process_time() - begin < 0.25  # 2 s where each looks at the rest
