"""What the generated conversations say: HTTP requests and responses, DNS queries and answers. Text, and chance."""

from __future__ import annotations

import json
import random
import struct
import zlib

from hpack import Encoder

PATHS = (
    "/v2/carts/%d",
    "/v2/items/%d?fields=price,stock&page=3",
    "/assets/bundle.%d.css",
    "/ready?probe=%d",
    "/search?q=%d",
)
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
    "okhttp/4.12.0",
    "python-httpx/0.27.0",
    "curl/8.8.0",
)
STATUS = ("200 OK",) * 92 + ("404 Not Found",) * 5 + ("500 Internal Server Error",) * 2 + ("503 Service Unavailable",)
TEXT = json.dumps(
    [{"id": n, "name": f"thing number {n}", "price": n % 97, "tags": ["new", "blue"]} for n in range(600)]
).encode()
NAMES = [(f"app-{n % 97}.team-{n % 31}.svc.cluster.local", f"node-{n % 89}.example.test") for n in range(3007)]

H2_SETTINGS = b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x80"
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + H2_SETTINGS
EDNS = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0)
A, AAAA, CNAME = 1, 28, 5
TO_NAME = b"\xc0\x0c"
"""A pointer to the name in the question (RFC 1035, 4.1.4)."""


def request(chance: random.Random, number: int, *, keep: bool) -> bytes:
    """Every tenth is a POST with a small body, every third has a cookie; about 300 bytes."""
    posts = number % 10 == 9
    body = b'{"amount": %d, "comment": "ring twice, then wait"}' % chance.randrange(100) if posts else b""
    lines = [
        f"{'POST' if posts else 'GET'} {PATHS[number % len(PATHS)] % chance.randrange(100_000)} HTTP/1.1",
        f"Host: app-{number % 50}.shop.svc",
        f"User-Agent: {AGENTS[number % len(AGENTS)]}",
        "Accept: */*",
        "Accept-Encoding: gzip, br",
        f"X-Request-Id: {chance.getrandbits(128):032x}",
    ]
    lines += [f"Cookie: sid={chance.getrandbits(128):032x}; lang=en"] if number % 3 == 0 else []
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if posts else []
    lines += [f"Connection: {'keep-alive' if keep else 'close'}", "\r\n"]
    return "\r\n".join(lines).encode() + body


def response(chance: random.Random, number: int, *, keep: bool) -> bytes:
    """JSON of 800 to 2800 bytes; every fifth in two chunks."""
    size = chance.randrange(800, 2800)
    start = chance.randrange(len(TEXT) - size)
    body = TEXT[start : start + size]
    lines = [
        f"HTTP/1.1 {chance.choice(STATUS)}",
        "Server: nginx/1.26.0",
        f"Date: Tue, 04 Jun 2024 11:{number // 60 % 60:02d}:{number % 60:02d} GMT",
        "Content-Type: application/json; charset=utf-8",
        "Cache-Control: no-store",
        f"X-Trace: {chance.getrandbits(64):016x}",
        f"Connection: {'keep-alive' if keep else 'close'}",
    ]
    if number % 5 == 4:
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[: size // 2], body[size // 2 :], b""))
        lines.append("Transfer-Encoding: chunked")
    else:
        lines.append(f"Content-Length: {size}")
    return "\r\n".join([*lines, "\r\n"]).encode() + body


class Http2:
    """One connection, with the header tables of both sides; what it says is what ``request`` and ``response`` say."""

    def __init__(self, *, grpc: bool = False) -> None:
        self._grpc = grpc
        self._tables = Encoder(), Encoder()
        self._stream = -1

    def request(self, chance: random.Random, number: int) -> bytes:
        """HEADERS, and DATA of a POST; calls of gRPC are all that."""
        self._stream += 2
        posts = self._grpc or number % 10 == 9
        path = PATHS[number % len(PATHS)] % chance.randrange(100_000)
        fields = [
            (":method", "POST" if posts else "GET"),
            (":scheme", "http"),
            (":path", f"/shop.Cart/Method{number % 7}" if self._grpc else path),
            (":authority", f"app-{self._stream // 1000}.shop.svc"),
            ("user-agent", AGENTS[1]),
            ("accept", "*/*"),
            ("x-request-id", f"{chance.getrandbits(128):032x}"),
        ]
        fields += [("content-type", "application/grpc"), ("te", "trailers")] if self._grpc else []
        body = b'{"amount": %d, "comment": "ring twice, then wait"}' % chance.randrange(100) if posts else b""
        body = b"\0" + len(body).to_bytes(4, "big") + body if self._grpc else body
        first = H2_PREFACE if self._stream == 1 else b""
        return first + self._headers(0, fields, not posts) + (self._data(body, ends=True) if posts else b"")

    def response(self, chance: random.Random, number: int) -> bytes:
        """HEADERS and DATA; a call of gRPC ends with trailers."""
        size = chance.randrange(800, 2800)
        start = chance.randrange(len(TEXT) - size)
        body = TEXT[start : start + size]
        fields = [
            (":status", chance.choice(STATUS)[:3]),
            ("server", "nginx/1.26.0"),
            ("date", f"Tue, 04 Jun 2024 11:{number // 60 % 60:02d}:{number % 60:02d} GMT"),
            ("content-type", "application/grpc" if self._grpc else "application/json; charset=utf-8"),
            ("cache-control", "no-store"),
            ("x-trace", f"{chance.getrandbits(64):016x}"),
            ("content-length", str(size)),
        ]
        first = H2_SETTINGS if self._stream == 1 else b""
        if not self._grpc:
            return first + self._headers(1, fields, False) + self._data(body, ends=True)
        body = b"\0" + size.to_bytes(4, "big") + body
        begun = first + self._headers(1, fields[:-1], False) + self._data(body, ends=False)
        return begun + self._headers(1, [("grpc-status", "0"), ("grpc-message", "")], True)

    def _headers(self, side: int, fields: list[tuple[str, str]], ends: bool) -> bytes:
        return self._frame(1, 5 if ends else 4, self._tables[side].encode(fields))

    def _data(self, body: bytes, *, ends: bool) -> bytes:
        return self._frame(0, int(ends), body)

    def _frame(self, kind: int, flags: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + self._stream.to_bytes(4, "big") + payload


def lookup(chance: random.Random, number: int) -> tuple[bytes, bytes]:
    """A query and its answer: every fourth asks for IPv6, every fifth answer begins with an alias, 5 % have none."""
    ident, kind = chance.getrandbits(16), AAAA if number % 4 == 3 else A
    asked, alias = NAMES[number % len(NAMES)]
    question = _name(asked) + struct.pack(">HH", kind, 1)
    query = struct.pack(">6H", ident, 0x0100, 1, 0, 0, 1) + question + EDNS
    if number % 20 == 19:
        return query, struct.pack(">6H", ident, 0x8183, 1, 0, 0, 1) + question + EDNS
    owner, records = TO_NAME, []
    if number % 5 == 0:
        records.append(_record(TO_NAME, CNAME, _name(alias)))
        owner = struct.pack(">H", 0xC000 | 12 + len(question) + 12)
    for _ in range(1 + number % 3):
        records.append(_record(owner, kind, chance.randbytes(16 if kind == AAAA else 4)))
    answer = struct.pack(">6H", ident, 0x8180, 1, len(records), 0, 1) + question + b"".join(records) + EDNS
    return query, answer


def cached(chance: random.Random, number: int) -> tuple[bytes, bytes]:
    """A command and its reply: four in ten read a text of 20 to 400 bytes, two write one, the others hash and list."""
    key, start, size = f"cart:{chance.randrange(100_000)}", chance.randrange(9000), chance.randrange(20, 400)
    text = TEXT[start : start + size]
    bulk = b"$%d\r\n%b\r\n" % (size, text)
    kind = number % 10
    if kind < 4:
        return _command("GET", key), bulk
    if kind < 6:
        return _command("SET", key, text.decode(), "EX", "300"), b"+OK\r\n"
    if kind < 8:
        return _command("HGETALL", key), b"*6\r\n" + b"$4\r\nname\r\n$5\r\ncount\r\n" * 3
    return (_command("INCR", key), b":%d\r\n" % number) if kind == 8 else (_command("EXPIRE", key, "60"), b":1\r\n")


def echo(chance: random.Random, number: int) -> tuple[bytes, bytes]:
    """A ping of Linux, 56 bytes, and its reply; the identifier is that of the stream."""
    rest = struct.pack(">HH", 7, number & 0xFFFF) + chance.randbytes(16) + bytes(range(0x10, 0x38))
    return b"\x08\0\0\0" + rest, b"\0\0\0\0" + rest


class Socket:
    """One WebSocket connection: events of an application as JSON, from the server three times out of four."""

    ask = (
        b"GET /live HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )

    def __init__(self, *, deflate: bool = False) -> None:
        self._deflators = [zlib.compressobj(wbits=-15) for _ in range(2)] if deflate else []
        self.agree = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        self.agree += b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n" if deflate else b"\r\n"

    def message(self, chance: random.Random, number: int) -> tuple[int, bytes]:
        """Who says it (0: the client), and the frame."""
        side, start, size = int(number % 4 != 0), chance.randrange(9000), chance.randrange(40, 700)
        text, first = b'{"event":%d,"data":"%b"}' % (number, TEXT[start : start + size]), 0x81
        if self._deflators:
            packer, first = self._deflators[side], 0xC1
            text = (packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        mark = 0 if side else 0x80
        head = (
            bytes([first, mark | len(text)]) if len(text) < 126 else struct.pack(">BBH", first, mark | 126, len(text))
        )
        if side:
            return side, head + text
        key = chance.randbytes(4)
        return side, head + key + bytes(byte ^ key[at & 3] for at, byte in enumerate(text))


def kafka(chance: random.Random, number: int) -> tuple[bytes, bytes]:
    """Every third a Fetch that gets ten records, the others a Produce of three; 200 to 1200 bytes."""
    fetches = number % 3 == 2
    records = b"".join(_kafka_record(chance, place) for place in range(10 if fetches else 3))
    count = 10 if fetches else 3
    head = struct.pack(">BIhiqqqhii", 2, 0, 0, count - 1, 1_717_500_000_000, 1_717_500_000_009, -1, -1, -1, count)
    batch = struct.pack(">qii", 0, 4 + len(head) + len(records), 0) + head + records
    topic = struct.pack(">ih6si", 1, 6, b"orders", 1)
    if fetches:
        asked = (
            struct.pack(">iiiibii", -1, 500, 1, 1 << 20, 0, 0, -1)
            + topic
            + struct.pack(">iiqqi", 0, 4, number, -1, 1 << 20)
        )
        asked += struct.pack(">ih", 0, 0)
        told = struct.pack(">ihi", 0, 0, 0) + topic + struct.pack(">ihqqqii", 0, 0, 99, 99, 0, -1, -1)
        told += struct.pack(">i", len(batch)) + batch
        return _kafka_frame(struct.pack(">hhih4s", 1, 11, number, 4, b"shop") + asked), _kafka_frame(_id(number) + told)
    asked = struct.pack(">hhi", -1, -1, 30_000) + topic + struct.pack(">ii", 0, len(batch)) + batch
    told = topic + struct.pack(">ihqqqi", 0, 0, number, -1, 0, 0)
    return _kafka_frame(struct.pack(">hhih4s", 0, 7, number, 4, b"shop") + asked), _kafka_frame(_id(number) + told)


def _kafka_record(chance: random.Random, place: int) -> bytes:
    value = b'{"order": %d, "amount": %d}' % (chance.randrange(100_000), chance.randrange(100))
    key = b"%08d" % chance.randrange(100_000)
    body = (
        bytes((0, place * 2, place * 2, len(key) * 2)) + key + bytes((len(value) * 2,)) + value + b"\2\x0atrace\x08abcd"
    )
    return bytes((len(body) * 2 % 128 + 128, len(body) * 2 >> 7)) + body


def _kafka_frame(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _id(number: int) -> bytes:
    return number.to_bytes(4, "big")


def amqp(chance: random.Random, number: int) -> tuple[bytes, bytes]:
    """A message is got from a queue: its method, six properties, a body of 100 to 600 bytes."""
    size = chance.randrange(100, 600)
    got = struct.pack(">HHQB", 60, 71, number, 0) + b"\6orders\x09order.new" + struct.pack(">I", number % 50)
    headers = b"\5traceS" + struct.pack(">I", 16) + b"%016x" % chance.getrandbits(64)
    properties = b"\x10application/json" + struct.pack(">I", len(headers)) + headers + b"\2\3"
    properties += b"\x24%036x" % chance.getrandbits(144) + struct.pack(">Q", 1_717_500_000) + b"\4shop"
    head = struct.pack(">HHQH", 60, 0, size, 0b1011_1000_1100_1000) + properties
    ask = _amqp_frame(1, struct.pack(">HHH", 60, 70, 0) + b"\7billing\0")
    return ask, _amqp_frame(1, got) + _amqp_frame(2, head) + _amqp_frame(3, TEXT[:size])


def _amqp_frame(kind: int, data: bytes) -> bytes:
    return struct.pack(">BHI", kind, 1, len(data)) + data + b"\xce"


def _command(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words)


def _name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def _record(owner: bytes, kind: int, data: bytes) -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, 30, len(data)) + data
