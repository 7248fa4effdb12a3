"""HTTP/2 (RFC 9113): frames put together to the halves of exchanges; what is in them is built when somebody looks.

Where a capture begins in the middle, or has a gap, frames are found again by how they look, and header fields whose
table entries were not captured are named as unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Set
from typing import cast

from engine.dissect.http2_exchanges import Exchanges
from engine.dissect.http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADER,
    HEADER_BYTES,
    HEADERS,
    PADDED,
    PREFACE,
    PRIORITISED,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM,
    block_of,
    is_broken,
    is_likely,
)
from engine.dissect.http2_half import Block, Half
from engine.dissect.http2_headers import Field, HeaderTable
from engine.dissect.http2_protocol import describe, detect
from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.table import ProtocolRow
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, TCP

MAX_BREAKS = 16
"""Times that frames may turn out to be none, behind gaps or in the middle, until it is not believed any more."""
NEAR_STREAMS = 1 << 16
"""How far ahead of all others the number of a stream may be, where frames are looked for."""
_WHOLE = END_HEADERS | PADDED | PRIORITISED
"""Flags of a HEADERS frame: with the first alone, its payload is a whole header block."""
_TOO_LARGE = "the header block is larger than {} bytes (dissect.maxHeader)"


class Http2:
    """Dissector of one connection."""

    __slots__ = ("_breaks", "_exchanges", "_halves", "_max_header_bytes", "lost")

    successor = None

    def __init__(self, options: DissectOptions, upgraded: Message | None = None) -> None:
        """``upgraded`` is the request of HTTP/1 that led here, if one did."""
        self.lost = ""
        self._max_header_bytes = options.max_header_bytes
        self._halves = (Half(CLIENT), Half(SERVER))
        self._exchanges = Exchanges(options)
        self._breaks = 0
        if upgraded is not None:
            self._exchanges.upgraded(upgraded)

    @property
    def answering(self) -> Set[Hashable]:
        """Streams whose response arrives."""
        return self._exchanges.answering

    @property
    def held_bytes(self) -> int:
        """Of streams that are open."""
        return self._exchanges.held_bytes

    def feed(self, chunk: Chunk) -> list[Message]:
        """Messages that end in ``chunk``."""
        if self.lost:
            return []
        half = self._halves[chunk.direction]
        if chunk.missing_bytes:
            self._skip(half, chunk.missing_bytes)
        data = half.take(chunk)
        if data:
            self._advance(half, data)
        half.done()
        return self._told()

    def close(self, reason: str) -> list[Message]:
        """Messages that the end of the connection cuts short."""
        self.lost = self.lost or "ended"
        kind = "connection" if reason in ("reset", "closed") else "dissection"
        self._exchanges.close(kind, f"the connection ended inside it ({reason})")
        return self._told()

    def _told(self) -> list[Message]:
        done = self._exchanges.done
        if done:
            self._exchanges.done = []
        return done

    def _advance(self, half: Half, data: bytes) -> None:
        pos, size = self._begin(half, data) if half.fresh else 0, len(data)
        while 0 <= pos < size and not self.lost:
            if half.left:
                pos = self._payload(half, data, pos)
            elif half.lost_frames:
                pos = self._hunt(half, data, pos)
            elif size - pos < HEADER_BYTES:
                half.hold(data, pos, HEADER_BYTES)
                return
            else:
                pos = self._frame(half, data, pos)
        if self.lost:
            self._exchanges.close("dissection", self.lost)

    def _begin(self, half: Half, data: bytes) -> int:
        """Behind the preface, if there is one; -1: more bytes tell."""
        if data.startswith(PREFACE):
            self._exchanges.client = half.direction
            half.begin(HeaderTable(whole=True))
            return len(PREFACE)
        if PREFACE.startswith(data[: len(PREFACE)]):
            half.hold(data, 0, len(PREFACE))
            return -1
        if len(data) < HEADER_BYTES:
            half.hold(data, 0, HEADER_BYTES)
            return -1
        if is_likely(data, 0) and data[3] == SETTINGS and not data[4] & ACK:  # as a server begins (RFC 9113, 3.4)
            half.begin(HeaderTable(whole=True))
        half.fresh = False
        return 0

    def _hunt(self, half: Half, data: bytes, pos: int) -> int:
        """To the first packet that begins with what may be a frame; -1: more bytes tell."""
        highest = self._exchanges.highest
        for start in half.starts(pos):
            if is_likely(data, start):
                if len(data) - start < HEADER_BYTES:
                    half.hold(data, start, HEADER_BYTES)
                    return -1
                stream = HEADER.unpack_from(data, start)[2]
                if not highest or stream <= highest + NEAR_STREAMS:
                    half.lost_frames = False
                    return start
        return len(data)

    def _frame(self, half: Half, data: bytes, pos: int) -> int:
        """Take the frame at ``pos``, or as much of it as there is; -1: more of it must be there."""
        word, flags, stream = cast(tuple[int, int, int], HEADER.unpack_from(data, pos))
        length, kind = word >> 8, word & 0xFF
        stream &= STREAM
        start = pos + HEADER_BYTES
        usual = kind <= HEADERS and stream and length  # as most are; asking costs 0.2 us
        if (not usual and is_broken(kind, length, stream)) or (half.block is not None and kind != CONTINUATION):
            self._break(half)
            return pos
        if self._exchanges.lingering:
            self._exchanges.sweep(half.time_ns(pos))
        if kind == DATA:
            return self._data(half, data, pos, (length, flags, stream))
        if kind not in _HANDLERS:
            half.left, half.sink, half.ends = length, None, False
            return start
        if length > self._max_header_bytes:
            return self._pass_over(half, pos, (length, kind, flags, stream))
        end = start + length
        if end > len(data):
            half.hold(data, pos, HEADER_BYTES + length)
            return -1
        _HANDLERS[kind](self, half, (flags, stream, data[start:end]), pos, end)
        return end

    def _data(self, half: Half, data: bytes, pos: int, header: tuple[int, int, int]) -> int:
        """The beginning of a DATA frame."""
        length, flags, stream = header
        start, padding = pos + HEADER_BYTES, 0
        if flags & PADDED:
            if start >= len(data):
                half.hold(data, pos, HEADER_BYTES + 1)
                return -1
            start, padding, length = start + 1, data[start], length - 1
            if padding > length:
                self._break(half)
                return start
        payload = self._exchanges.payload_at(stream, half.direction, half.time_ns(pos))
        half.left, half.padding, half.sink = length, padding, payload
        half.stream, half.ends = stream, bool(flags & END_STREAM)
        if payload is not None:
            payload.size_bytes += start - pos
            payload.end_ns = half.time_ns(start - 1)
            if not length:
                self._data_ended(half)
        return start

    def _payload(self, half: Half, data: bytes, pos: int) -> int:
        """More of the frame under way."""
        left, payload = half.left, half.sink
        end = min(pos + left, len(data))
        half.left = left - (end - pos)
        if payload is not None and not payload.told:
            content = min(end, pos + left - half.padding)
            if content > pos:
                self._exchanges.keep(payload, data[pos:content])
            payload.size_bytes += end - pos
            payload.end_ns = half.time_ns(end - 1)
            if not half.left:
                self._data_ended(half)
        return end

    def _data_ended(self, half: Half) -> None:
        payload, half.sink = half.sink, None
        if half.ends and payload is not None:
            self._exchanges.end(half.stream, payload)

    def _headers(self, half: Half, frame: tuple[int, int, bytes], pos: int, end: int) -> None:
        flags, stream, payload = frame
        if flags & _WHOLE == END_HEADERS:  # as most are, and 0.8 us less
            fields, note = half.table.decode(payload, self._max_header_bytes)
            self._told_fields(half, frame, fields, note, pos, end)
            return
        piece = block_of(payload, flags)
        if piece is None:
            self._break(half)
            return
        block = Block(stream, half.time_ns(pos), ends=bool(flags & END_STREAM), promised=0)
        self._piece(half, block, flags, piece, pos, end)

    def _promise(self, half: Half, frame: tuple[int, int, bytes], pos: int, end: int) -> None:
        flags, stream, payload = frame
        piece = block_of(payload, flags & PADDED)
        if piece is None or len(piece) < 4:
            self._break(half)
            return
        promised = int.from_bytes(piece[:4], "big") & STREAM
        block = Block(stream, half.time_ns(pos), ends=False, promised=promised)
        self._piece(half, block, flags, piece[4:], pos, end)

    def _continuation(self, half: Half, frame: tuple[int, int, bytes], pos: int, end: int) -> None:
        flags, stream, payload = frame
        block = half.block
        if block is None:
            half.table.forget()  # the rest of a block whose beginning was not seen, or was too large
        elif block.stream != stream:
            self._break(half)
        else:
            self._piece(half, block, flags, payload, pos, end)

    def _piece(self, half: Half, block: Block, flags: int, piece: bytes, pos: int, end: int) -> None:
        """One frame of a header block; with its last one, the block is read."""
        block.wire_bytes += end - pos
        block.size_bytes += len(piece)
        if piece and block.size_bytes <= self._max_header_bytes:
            block.parts.append(piece)
        if not flags & END_HEADERS:
            half.block = block
            return
        half.block = None
        if block.size_bytes <= self._max_header_bytes:
            raw = block.parts[0] if len(block.parts) == 1 else b"".join(block.parts)
            fields, note = half.table.decode(raw, self._max_header_bytes)
        else:
            half.table.forget()
            fields, note = [], _TOO_LARGE.format(self._max_header_bytes)
        self._fields(half, block, fields, note, half.time_ns(end - 1))

    def _fields(self, half: Half, block: Block, fields: list[tuple[str, str]], note: str, end_ns: int) -> None:
        exchanges, start_ns, wire_bytes = self._exchanges, block.start_ns, block.wire_bytes
        if block.promised:
            exchanges.promise(block.promised, fields, note, size_bytes=wire_bytes, start_ns=start_ns, end_ns=end_ns)
            return
        payload = exchanges.fields(block.stream, half.direction, fields, note, size_bytes=wire_bytes, start_ns=start_ns)
        if payload is not None:
            payload.block_bytes += block.size_bytes
            payload.end_ns = end_ns
            if block.ends:
                exchanges.end(block.stream, payload)

    def _told_fields(
        self, half: Half, frame: tuple[int, int, bytes], fields: list[Field], note: str, pos: int, end: int
    ) -> None:
        """As ``_fields``, of a block that is one frame."""
        flags, stream, payload = frame
        exchanges = self._exchanges
        told = exchanges.fields(stream, half.direction, fields, note, size_bytes=end - pos, start_ns=half.time_ns(pos))
        if told is not None:
            told.block_bytes += len(payload)
            told.end_ns = half.time_ns(end - 1)
            if flags & END_STREAM:
                exchanges.end(stream, told)

    def _pass_over(self, half: Half, pos: int, header: tuple[int, int, int, int]) -> int:
        """A frame that is larger than anything kept of it: its fields are not known."""
        length, kind, flags, stream = header
        if kind in (HEADERS, PUSH_PROMISE, CONTINUATION):
            half.table.forget()
            block = half.block or Block(stream, half.time_ns(pos), ends=bool(flags & END_STREAM), promised=0)
            block.size_bytes, block.wire_bytes = block.size_bytes + length, block.wire_bytes + HEADER_BYTES + length
            half.block = None if flags & END_HEADERS else block
            if flags & END_HEADERS and kind != PUSH_PROMISE:
                end_ns = half.time_ns(pos + HEADER_BYTES - 1)
                self._fields(half, block, [], _TOO_LARGE.format(self._max_header_bytes), end_ns)
        half.left, half.sink, half.ends = length, None, False
        return pos + HEADER_BYTES

    def _reset(self, half: Half, frame: tuple[int, int, bytes], pos: int, end: int) -> None:  # noqa: ARG002
        _, stream, payload = frame
        self._exchanges.reset(stream, half.direction, int.from_bytes(payload, "big"))

    def _go_away(self, half: Half, frame: tuple[int, int, bytes], pos: int, end: int) -> None:  # noqa: ARG002
        payload = frame[2]
        last, code = int.from_bytes(payload[:4], "big") & STREAM, int.from_bytes(payload[4:8], "big")
        said = payload[8:208].decode("utf-8", "replace")
        self._exchanges.go_away(half.direction, last, code, said)

    def _break(self, half: Half) -> None:
        """What was taken for a frame is none."""
        self._breaks += 1
        if half.sure or self._breaks > MAX_BREAKS:
            self.lost = "not_http2"
        else:
            self._lose(half)

    def _lose(self, half: Half) -> None:
        """Frames are missing, and where the next one begins is not known."""
        half.forget()
        self._exchanges.doubt(half.direction)

    def _skip(self, half: Half, missing: int) -> None:
        """``missing`` bytes were never seen."""
        payload, content = half.sink, half.left - half.padding
        if payload is not None and payload.told:
            payload = None
        if half.left and missing <= half.left:  # inside a payload: where the next frame begins is known
            if payload is not None:
                payload.miss(min(missing, max(content, 0)))
                payload.size_bytes += missing
            half.left -= missing
            if not half.left and payload is not None:
                self._data_ended(half)
        elif not half.lost_frames:
            if payload is not None:
                payload.miss(max(content, 0))
                payload.size_bytes += half.left
            self._lose(half)
        else:
            half.forget()


_Handler = Callable[[Http2, Half, tuple[int, int, bytes], int, int], None]
_HANDLERS: dict[int, _Handler] = {
    HEADERS: Http2._headers,
    RST_STREAM: Http2._reset,
    PUSH_PROMISE: Http2._promise,
    GOAWAY: Http2._go_away,
    CONTINUATION: Http2._continuation,
}
"""What is looked into besides DATA; all other types are passed over."""


ROW = ProtocolRow("http", TCP, detect, frozenset((80, 443, 8080, 50051)), Http2, describe)


def upgraded(request: Message) -> tuple[ProtocolRow, Callable[[DissectOptions], Http2]]:
    """How a stream goes on behind 101 to an ``Upgrade: h2c``: ``request`` is answered on stream 1 (RFC 7540, 3.2)."""
    return ROW, lambda options: Http2(options, request)
