"""Golden traces of HTTP/1, and what they are put together from."""

from __future__ import annotations

from tests.support.packets import Packet, TcpConversation

CLIENT, SERVER = ("10.0.0.1", 51234), ("10.0.0.2", 80)

GZIP_OF_ZIPPED = bytes.fromhex("1f8b0800000000000203abca2c28484d01005768c2e206000000")
BROTLI_OF_COD = bytes.fromhex("1b2c00f89d0976ec040cd58d1867b50808daded61933eb53647395f6164d8500e1728819")
ZSTD_OF_EEL = bytes.fromhex("28b52ffd202dad0000787b2266697368223a202265656c227d010022ce3a")
"""Compressors differ in what they make of it; these stay the same."""


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


def http_forms_and_codings() -> list[Packet]:
    """A form with a file, answered in brotli; a form in chunks with trailers, answered in zstd."""
    part = "--x-b\r\nContent-Disposition: form-data; name={}\r\n\r\n{}\r\n"
    form = part.format('"fish"', "żabnica") + part.format(
        '"photo"; filename="cod.png"\r\nContent-Type: image/png', "{}"
    )
    body = form.encode().replace(b"{}", b"\x89PNG\xff") + b"--x-b--\r\n"
    post = "POST /catch HTTP/1.1\r\nHost: shop.test\r\nContent-Type: multipart/form-data; boundary=x-b\r\n"
    conversation = talk().client_says(f"{post}Content-Length: {len(body)}\r\n\r\n".encode() + body, [120, 200])
    conversation.server_says(
        answer("201 Created", BROTLI_OF_COD, "Content-Encoding: br", "Content-Type: application/json")
    )
    chunked = b"POST /note HTTP/1.1\r\nHost: shop.test\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    conversation.client_says(
        chunked + b"Transfer-Encoding: chunked\r\n\r\n8\r\nfish=eel\r\n7\r\n&note=a\r\n0\r\nSum: 15\r\n\r\n"
    )
    return conversation.server_says(answer("200 OK", ZSTD_OF_EEL, "Content-Encoding: zstd")).finish().packets


def http_through_a_proxy() -> list[Packet]:
    """CONNECT, whose client does not wait for the answer; what follows is HTTP again."""
    connect = b"CONNECT inside.test:80 HTTP/1.1\r\nHost: inside.test:80\r\n\r\n"
    conversation = talk().client_says(connect + get("/early"), [20]).client_says(get("/later"))
    conversation.server_says(b"HTTP/1.1 200 Connection established\r\n\r\n" + answer("200 OK", b"first"), [30, 50])
    return conversation.server_says(answer("404 Not Found", b"")).finish().packets


TRACES = (
    http_keep_alive,
    http_pipelined_and_chunked,
    http_gap_in_body,
    http_half_exchanges,
    http_switched,
    http_begun_before,
    http_forms_and_codings,
    http_through_a_proxy,
)
