"""The golden traces: ``tests/traces/<behaviour>.pcap`` and what must come of it, ``<behaviour>.items.json``.

``python -m tests.support.traces`` builds all of them again; look at the difference before you believe it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.capture.sources import open_source
from engine.counters import Counters
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.items.item import LazyItem
from engine.pipeline import Node, Pipeline
from engine.resolve.static import NoNames
from engine.streams.options import StreamOptions
from tests.support.packets import Packet, TcpConversation, udp_frame, write_pcap

FOLDER = Path(__file__).parent.parent / "traces"
CLIENT, SERVER, RESOLVER = ("10.0.0.1", 51234), ("10.0.0.2", 80), ("10.0.0.53", 53)

GZIP_OF_ZIPPED = bytes.fromhex("1f8b0800000000000203abca2c28484d01005768c2e206000000")
"""Compressors differ in what they make of it; this stays the same."""

Trace = Callable[[], list[Packet]]


def talk() -> TcpConversation:
    """Behind its handshake."""
    return TcpConversation(CLIENT, SERVER).handshake()


def get(path: str, *fields: str) -> bytes:
    """A request without a body."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: shop.test", *fields, "", ""]).encode()


def answer(status: str, body: bytes, *fields: str) -> bytes:
    """A response with a length."""
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]).encode() + body


def http_keep_alive() -> list[Packet]:
    """Two exchanges on one connection; heads and bodies cut into TCP segments at odd places."""
    body = b'{"id": 1, "name": "anchovy"}'
    first = answer("200 OK", body, "Content-Type: application/json", "Set-Cookie: s=1; Path=/")
    form = b"POST /cart HTTP/1.1\r\nHost: shop.test\r\nCookie: s=1\r\n"
    form += b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 11\r\n\r\nid=1&n=%32+"
    conversation = talk().client_says(get("/items/1?fields=id&fields=name"), segments=[3, 20]).server_says(first, [25])
    return conversation.client_says(form).server_says(answer("303 See Other", b"", "Location: /cart")).finish().packets


def http_pipelined_and_chunked() -> list[Packet]:
    """Three requests at once; chunked with trailers, gzip, and no body at all."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npipe\r\n"
    chunked += b"5;x=1\r\nlined\r\n0\r\nTrailer: 1\r\n\r\n"
    zipped = answer("200 OK", GZIP_OF_ZIPPED, "Content-Encoding: gzip", "Content-Type: text/plain")
    conversation = talk().client_says(get("/1") + get("/2") + get("/3"))
    return conversation.server_says(chunked + zipped + b"HTTP/1.1 304 Not Modified\r\n\r\n", [70]).finish().packets


def http_gap_in_body() -> list[Packet]:
    """One segment of a body was never captured; the exchange behind it is whole."""
    body = b"a" * 1000 + b"b" * 1000 + b"c" * 1000
    head = answer("200 OK", body)[: -len(body)]
    conversation = talk().client_says(get("/large")).server_says(head + body[:1000]).client_acks()
    conversation.server_says(body[1000:2000]).lose().server_says(body[2000:]).client_acks()
    return conversation.client_says(get("/next")).server_says(answer("200 OK", b"whole")).finish().packets


def http_half_exchanges() -> list[Packet]:
    """A reset before the answer, and an answer that a reset cuts."""
    reset = talk().client_says(get("/reset")).reset()
    cut = TcpConversation(("10.0.0.1", 51235), SERVER, start_ns=reset.now_ns).handshake()
    cut.client_says(get("/cut")).server_says(answer("200 OK", b"only half of it")[:-8]).reset()
    return reset.packets + cut.packets


def http_switched() -> list[Packet]:
    """HTTP ends where the protocol is switched; what follows is no HTTP."""
    upgrade = get("/live", "Connection: Upgrade", "Upgrade: websocket")
    accepted = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    return talk().client_says(upgrade).server_says(accepted + b"\x81\x02hi").finish().packets


def http_begun_before() -> list[Packet]:
    """The capture begins inside a body, without a handshake."""
    conversation = TcpConversation(CLIENT, SERVER).server_says(b"the rest of a body").client_acks()
    return conversation.client_says(get("/after")).server_says(answer("404 Not Found", b"")).finish().packets


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
    start_ns = talk().now_ns
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


TRACES: dict[str, Trace] = {
    trace.__name__: trace
    for trace in (
        http_keep_alive,
        http_pipelined_and_chunked,
        http_gap_in_body,
        http_half_exchanges,
        http_switched,
        http_begun_before,
        dns_exchanges,
        dns_over_tcp,
    )
}


def items_of(path: Path, options: DissectOptions | None = None) -> list[LazyItem]:
    """Every item of a capture, in the order in which they are finished."""
    ids = itertools.count(1)
    pipeline = Pipeline(
        StreamOptions(),
        options or DissectOptions(),
        load_rows(installed=False),
        NoNames(),
        Node("n1", "10.0.0.9"),
        Counters(),
        lambda: next(ids),
    )
    source = open_source(str(path), 0)
    items: list[LazyItem] = []
    while not source.ended:
        batch = source.read()
        if batch is not None:
            items += itertools.chain.from_iterable(pipeline.items(batch, pipeline.packets(batch)))
            items += pipeline.expire()[1]
    source.close()
    return items + pipeline.finish()[1]


def expected(name: str) -> list[dict[str, Any]]:
    """What stands in ``<name>.items.json``."""
    items: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.items.json").read_text(encoding="utf-8"))
    return items


def main() -> None:
    """Build every trace again."""
    for name, build in TRACES.items():
        path = write_pcap(FOLDER / f"{name}.pcap", build())
        items = [item.as_dict() for item in items_of(path)]
        text = json.dumps(items, indent=1, ensure_ascii=False) + "\n"
        (FOLDER / f"{name}.items.json").write_text(text, encoding="utf-8")
        print(f"{name}: {len(items)} items")


if __name__ == "__main__":
    main()
