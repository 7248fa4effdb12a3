"""HTTP/2 and gRPC: what the tests of the dissector say, and an upgrade from HTTP/1 to it."""

from __future__ import annotations

from engine.dissect.http2 import ROW
from engine.streams.stream import CLIENT, SERVER
from tests.support.http2_peers import (
    PREFACE,
    SETTINGS,
    ByHand,
    Peers,
    answering,
    asking,
    call,
    frame,
    padded,
    promised,
)
from tests.support.streams import Said

PORT = 80
__all__ = ["PORT", "ROW", "conversations"]
UPGRADE = (
    b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


def conversations() -> list[list[Said]]:
    """Streams side by side, frames of all types, calls, endings."""
    reply = SETTINGS + ByHand().headers(1, answering(200), 4) + frame(0, 1, 1, b"hello")
    several = Peers().ask(1, asking("/1", "POST", ("cookie", "a=1")), None).ask(3, asking("/3?q=1"))
    several.more(CLIENT, 1, b"body", end=True).answer(3, answering(200), b"three", (("sum", "7"),))
    document = b'{"query": "query Cart { cart { items { id } } }", "operationName": "Cart"}'
    asked = Peers().ask(1, asking("/graphql", "POST", ("content-type", "application/json")), document)
    ending = PREFACE + SETTINGS + ByHand().headers(1, asking("/a", "POST"), 4) + frame(3, 0, 1, b"\0\0\0\x08")
    return [
        several.answer(1, answering(303, ("location", "/3"))).said,
        padded(),
        promised(),
        call(),
        asked.answer(1, answering(200), b"{}").said,
        [(CLIENT, ending), (SERVER, SETTINGS + frame(7, 0, 0, bytes(8) + b"bye"))],
        [(CLIENT, UPGRADE), (SERVER, SWITCHED + reply), (CLIENT, PREFACE + SETTINGS)],
        [(SERVER, reply[len(SETTINGS) :]), (CLIENT, ByHand().headers(3, asking("/late")))],
    ]
