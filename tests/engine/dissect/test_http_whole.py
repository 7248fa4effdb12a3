from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest

from engine.dissect.http1 import Http1
from engine.dissect.http_whole import whole_request, whole_response
from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER
from tests.support.streams import Said, chunks_of, damage

OPTIONS = DissectOptions(max_body_bytes=50, max_header_bytes=400, max_pending=4)
LINE_ENDS = [b"\r\n"] * 40 + [b"\n", b" \r\n", b"\r\r\n"]
COLONS = [b": "] * 40 + [b":", b":  ", b" : ", b":\t", b": : "]
FIELDS = [
    (b"Host", b"a.example"), (b"Cookie", b"a=1; b=2"), (b"cookie", b"c=3"), (b"X-Empty", b""), (b"Date", b"now"),
    (b"Set-Cookie", b"x=y; Path=/"), (b"Content-Type", b"text/html"), (b"Location", b"/b"), (b" folded", b"x"),
    (b"Content-Encoding", b"gzip"), (b"X\xe9", b"\xff"), (b"X-Content-Length", b"9"), (b"Accept", b"a: b"),
]  # fmt: skip
LENGTHS = [b"%d"] * 12 + [b"+%d", b"0%d", b"%d, %d", b"", b"-1", b"\xb2"]
CHUNKINGS = [b"%x\r\n%b\r\n"] * 12 + [
    b"%x;a=b\r\n%b\r\n",
    b" %x \r\n%b\r\n",
    b"0x%x\r\n%b\r\n",
    b"%x\n%b\n",
    b"%x\r\n%b",
]
ENDS = [b"0\r\n\r\n"] * 8 + [b"0\r\nT: 1\r\n\r\n", b"00\r\n\r\n", b"0\n\n", b"0\r\n"]
REQUEST_LINES = [b"GET /a?b=c HTTP/1.1"] * 6 + [
    b"HEAD / HTTP/1.0", b"POST /p HTTP/1.1", b"CONNECT a:443 HTTP/1.1", b"BREW /pot HTTP/1.1", b"GET  HTTP/1.1",
    b"GET / HTTP/2.0", b"GET /a\rb HTTP/1.1", b"GET /a b HTTP/1.1", b"HTTP/1.1 200 HTTP/1.1", b"GET / HTTP/1.1 ",
]  # fmt: skip
STATUS_LINES = [b"HTTP/1.1 200 OK"] * 8 + [
    b"HTTP/1.0 404 Not Found", b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 100 Continue",
    b"HTTP/1.1 101 Switching", b"HTTP/1.1 200", b"HTTP/1.1 099 X", b"HTTP/2.0 200 OK", b"HTTP/1.1 2000",
]  # fmt: skip


def a_message(chance: random.Random, start: bytes) -> bytes:
    """A head and a body, usual or not."""
    fields = chance.sample(FIELDS, chance.randrange(5))
    body = bytes(chance.choices(b"abc\r\n0", k=chance.choice((0, 3, 20, 80))))
    framing = chance.randrange(4)
    if framing == 1:
        length = chance.choice(LENGTHS)
        fields.append((b"Content-Length", length.replace(b"%d", str(len(body)).encode())))
    elif framing == 2:
        fields.append((b"Transfer-Encoding", chance.choice((b"chunked", b"gzip, Chunked", b"identity"))))
        parts = [body[:7], body[7:]] if len(body) > 7 else [body] if body else []
        body = b"".join(chance.choice(CHUNKINGS) % (len(part), part) for part in parts) + chance.choice(ENDS)
    elif framing == 3:
        body = b""
    chance.shuffle(fields)
    lines = [start, *(name + chance.choice(COLONS) + value for name, value in fields)]
    return b"".join(line + chance.choice(LINE_ENDS) for line in lines) + chance.choice(LINE_ENDS[:41]) + body


def a_talk(seed: int) -> list[Chunk]:
    chance = random.Random(seed)
    talk: list[Said] = []
    for _ in range(chance.randrange(1, 6)):
        talk.append((CLIENT, a_message(chance, chance.choice(REQUEST_LINES))))
        if chance.random() < 0.9:
            talk.append((SERVER, a_message(chance, chance.choice(STATUS_LINES))))
        if chance.random() < 0.1:
            talk[-1] = (talk[-1][0], talk[-1][1] + talk[-1][1])
    chunks = chunks_of(talk)
    return damage(chunks, seed) if seed % 4 == 0 else chunks


class Machine(Http1):
    """The slow twin: nothing is seen at once."""

    __slots__ = ()

    def _whole(self, chunk: Chunk) -> None:
        return None


def told(dissector: Http1, chunks: Iterable[Chunk]) -> tuple[list[Any], str]:
    found: list[Message] = [message for chunk in chunks for message in dissector.feed(chunk)]
    lost = dissector.lost
    found += dissector.close("reset")
    shown = [(*message_without(m), m.payload.problem(), m.payload.section()) for m in found]
    return shown, lost


def message_without(m: Message) -> tuple[Any, ...]:
    """All of a message but its payload."""
    return m.is_request, m.direction, m.key, m.start_ns, m.end_ns, m.size_bytes, m.after_gap


@pytest.mark.parametrize("first", range(0, 1000, 100))
def test_a_whole_message_is_what_the_machine_makes_of_it(first: int) -> None:
    for seed in range(first, first + 100):
        chunks = a_talk(seed)
        assert told(Http1(OPTIONS), chunks) == told(Machine(OPTIONS), chunks), f"seed {seed}"


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"GET /a HTTP/1.1\r\n\r\n", b""),
        (b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n", b""),
        (b"POST /a HTTP/1.1\r\ncontent-length:3\r\n\r\nabc", b"abc"),
        (b"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc"),
        (b"GET /a HTTP/1.1\r\n\r\nGET", None),
        (b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", None),
        (b"GET /a HTTP/1.1\nHost: x\r\n\r\n", None),
        (b"GET /a HTTP/1.1\r\nHost: x\n\n\r\n\r\n", None),
        (b"GET /a HTTP/1.1\r\nHost: " + b"x" * 400 + b"\r\n\r\n", None),
    ],
)
def test_a_request_in_one_piece_is_seen_at_once_and_nothing_else(data: bytes, body: bytes | None) -> None:
    payload = whole_request(data, data[: data.find(b" ")], 400, 50)
    assert (None if payload is None else b"".join(payload.parts)) == body


@pytest.mark.parametrize(
    ("method", "data", "body"),
    [
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b""),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", b""),
        (b"GET", b"HTTP/1.1 200 OK\r\n\r\nok", None),
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n", None),
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX:y\r\n\r\nok", None),
        (b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\r\nok\r\n0\r\n\r\n", None),
        (b"GET", b"HTTP/1.1 100 Continue\r\n\r\n", None),
        (b"CONNECT", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", None),
    ],
)
def test_a_response_in_one_piece_is_seen_at_once_and_nothing_else(
    method: bytes, data: bytes, body: bytes | None
) -> None:
    payload = whole_response(data, method, 400, 50)
    assert (None if payload is None else b"".join(payload.parts)) == body
