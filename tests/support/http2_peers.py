"""Both ends of an HTTP/2 connection, played by the ``h2`` library, and frames made by hand where it refuses."""

from __future__ import annotations

import gzip
from collections.abc import Sequence

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event
from hpack import Encoder

from engine.streams.stream import CLIENT, SERVER
from tests.support.streams import Said

Fields = Sequence[tuple[str, str]]
GRPC = ("content-type", "application/grpc")
END_STREAM, END_HEADERS, PADDED, PRIORITISED = 1, 4, 8, 32
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\6\4\0\0\0\0\0\0\5\0\0\x40\0"
"""One that a server may begin with: frames of at most 16384 bytes."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def asking(path: str, method: str = "GET", *more: tuple[str, str]) -> list[tuple[str, str]]:
    """Fields of a request."""
    return [(":method", method), (":scheme", "http"), (":path", path), (":authority", "shop.test"), *more]


def answering(status: int, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """Fields of a response."""
    return [(":status", str(status)), *more]


class Peers:
    """A client and a server; what they say is collected in order, one turn for each call."""

    def __init__(self) -> None:
        self.ends = tuple(
            H2Connection(H2Configuration(client, validate_outbound_headers=False, validate_inbound_headers=False))
            for client in (True, False)
        )
        self.said: list[Said] = []
        self.events: list[Event] = []
        for end in self.ends:
            end.initiate_connection()
        for direction in (CLIENT, SERVER, CLIENT):
            self.pass_on(direction)

    def pass_on(self, direction: int) -> None:
        """What one end wants to say now."""
        data = self.ends[direction].data_to_send()
        if data:
            self.said.append((direction, data))
            self.events += self.ends[1 - direction].receive_data(data)

    def ask(self, stream: int, fields: Fields, body: bytes | None = b"") -> Peers:
        """A request; ``body`` None: it goes on."""
        return self._send(CLIENT, stream, fields, body)

    def answer(self, stream: int, fields: Fields, body: bytes | None = b"", trailers: Fields = ()) -> Peers:
        """A response, as ``ask``."""
        return self._send(SERVER, stream, fields, body, trailers)

    def more(self, direction: int, stream: int, data: bytes, *, end: bool = False) -> Peers:
        """More of a body."""
        self.ends[direction].send_data(stream, data, end_stream=end)
        self.pass_on(direction)
        return self

    def _send(self, direction: int, stream: int, fields: Fields, body: bytes | None, trailers: Fields = ()) -> Peers:
        end = self.ends[direction]
        end.send_headers(stream, fields, end_stream=body == b"" and not trailers)
        if body:
            end.send_data(stream, body, end_stream=not trailers)
        if trailers:
            end.send_headers(stream, trailers, end_stream=True)
        self.pass_on(direction)
        return self


class ByHand:
    """Frames of one direction with a table of its own, for what ``h2`` does not send."""

    def __init__(self) -> None:
        self.encoder = Encoder()

    def headers(self, stream: int, fields: Fields, flags: int = END_STREAM | END_HEADERS) -> bytes:
        """A HEADERS frame."""
        return frame(1, flags, stream, self.encoder.encode(fields))

    def continued(self, stream: int, fields: Fields, pieces: int, *, padding: int = 0) -> bytes:
        """A header block in so many frames, the first one padded and with a priority."""
        block = self.encoder.encode(fields)
        step = len(block) // pieces + 1
        cut = [block[at : at + step] for at in range(0, len(block), step)]
        flags = END_STREAM | PRIORITISED | (PADDED if padding else 0)
        first = (bytes([padding]) if padding else b"") + b"\0\0\0\0\x10" + cut[0] + b"\0" * padding
        return frame(1, flags, stream, first) + b"".join(
            frame(9, END_HEADERS if piece is cut[-1] else 0, stream, piece) for piece in cut[1:]
        )


def padded() -> list[Said]:
    """Padding, priorities, blocks in many frames, frames of unknown types."""
    hand = ByHand()
    ask = PREFACE + SETTINGS + hand.continued(1, asking("/padded", "GET", ("x", "y" * 300)), 4, padding=9)
    data = frame(0, PADDED, 1, b"\3pad\0\0\0") + frame(0, PADDED | END_STREAM, 1, b"\2ded\0\0")
    reply = ByHand().headers(1, answering(200), END_HEADERS) + frame(0xFA, 0xFF, 77, b"unknown") + data
    return [(CLIENT, ask), (SERVER, SETTINGS + frame(6, 0, 0, b"12345678") + reply)]


def promised() -> list[Said]:
    """A promise, kept before the answer that made it."""
    peers = Peers().ask(1, asking("/index"))
    peers.ends[SERVER].push_stream(1, 2, asking("/style.css"))
    peers.pass_on(SERVER)
    return peers.answer(2, answering(200), b"p { }").answer(1, answering(200), b"<p>").said


def call() -> list[Said]:
    """A call in both directions at once."""
    peers = Peers().ask(1, asking("/shop.Cart/Watch", "POST", GRPC, ("te", "trailers")), None)
    peers.answer(1, answering(200, GRPC, ("grpc-encoding", "gzip")), None)
    for number in range(3):
        zipped = gzip.compress(b"seen %d" % number, mtime=0)
        peers.more(CLIENT, 1, b"\0\0\0\0\4item").more(SERVER, 1, b"\1" + len(zipped).to_bytes(4, "big") + zipped)
    peers.more(CLIENT, 1, b"", end=True)
    peers.ends[SERVER].send_headers(1, [("grpc-status", "5"), ("grpc-message", "no%20such%20cart")], end_stream=True)
    peers.pass_on(SERVER)
    return peers.said
