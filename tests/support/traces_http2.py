"""Golden traces of HTTP/2, gRPC and GraphQL."""

from __future__ import annotations

from tests.support.http2_peers import END_HEADERS, END_STREAM, PREFACE, SETTINGS, ByHand, answering, asking, frame
from tests.support.packets import Packet, TcpConversation
from tests.support.traces_http import CLIENT, SERVER, answer, get, talk

JSON = ("content-type", "application/json")
GRPC = ("content-type", "application/grpc")


def message(data: bytes) -> bytes:
    """One message of gRPC, not compressed."""
    return b"\0" + len(data).to_bytes(4, "big") + data


def http2_interleaved() -> list[Packet]:
    """Two streams at once, a body in two frames, one of them padded, a promise, a reset."""
    client, server = ByHand(), ByHand()
    ask = PREFACE + SETTINGS + client.headers(1, asking("/cart?id=7", "POST", JSON), END_HEADERS)
    ask += client.headers(3, asking("/slow", "GET", ("cookie", "s=1"), ("cookie", "t=2")))
    ask += frame(0, 0, 1, b'{"id": ') + frame(0, END_STREAM | 8, 1, b"\4 7}" + bytes(4))
    promise = frame(5, END_HEADERS, 1, b"\0\0\0\2" + server.encoder.encode(asking("/style.css")))
    reply = server.headers(1, answering(201, ("location", "/cart/7"), ("set-cookie", "s=2; Path=/")), END_HEADERS)
    pushed = server.headers(2, answering(200, ("content-type", "text/css")), END_HEADERS)
    conversation = talk().client_says(ask, segments=[30, 70]).server_says(SETTINGS + promise + reply, [20])
    conversation.server_says(pushed + frame(0, END_STREAM, 2, b"p { }") + frame(0, END_STREAM, 1, b"made"))
    return conversation.client_says(frame(3, 0, 3, b"\0\0\0\x08")).finish().packets


def http2_begun_before() -> list[Packet]:
    """Header fields whose table entries were sent before the capture began; a gap over frames."""
    client, server = ByHand(), ByHand()
    client.headers(1, asking("/before", "GET", ("x-token", "secret")))
    server.headers(1, answering(200, ("server", "shop")))
    conversation = TcpConversation(CLIENT, SERVER)
    conversation.client_says(client.headers(3, asking("/after", "GET", ("x-token", "secret"))))
    conversation.server_says(server.headers(3, answering(404, ("server", "shop"), ("x-new", "1")))).client_acks()
    conversation.client_says(client.headers(5, asking("/lost"))).lose()
    conversation.client_says(client.headers(7, asking("/after")))
    return conversation.server_says(server.headers(7, answering(200, ("x-new", "1")))).finish().packets


def http2_upgraded() -> list[Packet]:
    """A request of HTTP/1 that HTTP/2 answers, and one behind it."""
    upgrade = get("/up", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    server = ByHand()
    reply = SETTINGS + server.headers(1, answering(200), END_HEADERS) + frame(0, END_STREAM, 1, b"up")
    conversation = talk().client_says(upgrade).server_says(switched + reply)
    conversation.client_says(PREFACE + SETTINGS + ByHand().headers(3, asking("/next")))
    return conversation.server_says(server.headers(3, answering(204))).finish().packets


def grpc_calls() -> list[Packet]:
    """A call that streams both ways, one that is refused in trailers only."""
    client, server = ByHand(), ByHand()
    fields = (GRPC, ("te", "trailers"))
    ask = PREFACE + SETTINGS + client.headers(1, asking("/shop.Cart/Watch", "POST", *fields), END_HEADERS)
    ask += frame(0, 0, 1, message(b"\x0a\3cod")) + client.headers(3, asking("/shop.Cart/Get", "POST", *fields), 4)
    ask += frame(0, END_STREAM, 3, message(b"\x08\7"))
    ended = [("grpc-status", "5"), ("grpc-message", "no%20such%20cart")]
    reply = SETTINGS + server.headers(1, answering(200, GRPC), END_HEADERS) + frame(0, 0, 1, message(b"first"))
    reply += server.headers(3, [*answering(200, GRPC), *ended])
    conversation = talk().client_says(ask, [60]).server_says(reply, [25])
    conversation.client_says(frame(0, END_STREAM, 1, message(b"\x0a\3eel")))
    return conversation.server_says(
        frame(0, 0, 1, message(b"second")) + server.headers(1, [("grpc-status", "0")])
    ).packets


def graphql_requests() -> list[Packet]:
    """One in a body, a batch, one in a query string, and JSON that only looks like it."""
    one = b'{"query": "query Cart($id: ID!) { cart(id: $id) { items { name } } }", "variables": {"id": 7}}'
    batch = b'[{"query": "{ me { name } }"}, {"query": "mutation Add { addItem(id: 7) { id } }"}]'
    other = b'{"query": {"match": {"name": "cod"}}}'
    fields = "Content-Type: application/json"
    conversation = talk()
    for body in (one, batch, other):
        post = get("/graphql", fields, f"Content-Length: {len(body)}").replace(b"GET", b"POST", 1) + body
        conversation.client_says(post).server_says(answer("200 OK", b'{"data": null}', fields))
    conversation.client_says(get("/graphql?query=%7Bme%7Bname%7D%7D")).server_says(answer("200 OK", b"{}", fields))
    client, server = ByHand(), ByHand()
    ask = PREFACE + SETTINGS + client.headers(1, asking("/graphql", "POST", JSON), END_HEADERS) + frame(0, 1, 1, one)
    second = TcpConversation((CLIENT[0], 51235), SERVER, start_ns=conversation.now_ns).handshake().client_says(ask)
    second.server_says(SETTINGS + server.headers(1, answering(200, JSON), END_HEADERS) + frame(0, 1, 1, b"{}"))
    return conversation.finish().packets + second.finish().packets


TRACES = (http2_interleaved, http2_begun_before, http2_upgraded, grpc_calls, graphql_requests)
