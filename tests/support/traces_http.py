"""Golden traces of HTTP/1, and what they are put together from."""

from __future__ import annotations

from tests.support.packets import Packet, TcpConversation

CLIENT, SERVER = ("10.0.0.1", 51234), ("10.0.0.2", 80)

GZIP_OF_ZIPPED = bytes.fromhex("1f8b0800000000000203abca2c28484d01005768c2e206000000")
"""Compressors differ in what they make of it; this stays the same."""


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
    """HTTP ends where the protocol is switched, and another one goes on in the same segment."""
    upgrade = get("/live", "Connection: Upgrade", "Upgrade: websocket")
    accepted = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    return talk().client_says(upgrade).server_says(accepted + b"\x81\x02hi").finish().packets


def http_begun_before() -> list[Packet]:
    """The capture begins inside a body, without a handshake."""
    conversation = TcpConversation(CLIENT, SERVER).server_says(b"the rest of a body").client_acks()
    return conversation.client_says(get("/after")).server_says(answer("404 Not Found", b"")).finish().packets


TRACES = (
    http_keep_alive,
    http_pipelined_and_chunked,
    http_gap_in_body,
    http_half_exchanges,
    http_switched,
    http_begun_before,
)
