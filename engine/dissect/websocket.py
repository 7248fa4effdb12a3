"""WebSocket (RFC 6455) behind the handshake, which ``http1`` has taken apart: every message is an item of its own.

Without the handshake nothing tells these bytes from others, so that a capture that begins behind it has no items.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

from engine.dissect.http_head import head_of
from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.table import Dissector, ProtocolRow, Verdict
from engine.dissect.websocket_deflate import Extensions, Inflater
from engine.dissect.websocket_frames import CONTROL, FIN, MAX_CONTROL_BYTES, RSV, RSV1, Draft, Side, header_at, unmask
from engine.dissect.websocket_payload import TYPES, WebSocketPayload, describe
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, TCP

NO_EXTENSIONS = Extensions.of("")


class WebSocket:
    """Dissector of one TCP stream from behind its handshake on."""

    answering = False
    successor = None

    __slots__ = ("_client", "_done", "_extensions", "_limit_bytes", "_sides", "lost")

    def __init__(self, options: DissectOptions, extensions: Extensions = NO_EXTENSIONS, client: int = CLIENT) -> None:
        """``client`` is the direction of who asked for the upgrade."""
        self.lost = ""
        self._client = client
        self._extensions = extensions
        self._limit_bytes = options.max_body_bytes
        takeovers = extensions.takeover if client == CLIENT else extensions.takeover[::-1]
        first, second = (
            Side(Inflater(takeover, options.max_body_bytes) if extensions.deflate else None) for takeover in takeovers
        )
        self._sides = first, second
        self._done: list[Message] = []

    @property
    def held_bytes(self) -> int:
        """Of messages that are arriving."""
        return sum(draft.held_bytes for side in self._sides for draft in side.drafts())

    def feed(self, chunk: Chunk) -> list[Message]:
        """Messages whose last frame ends in ``chunk``."""
        if self.lost:
            return []
        side = self._sides[chunk.direction]
        if chunk.missing_bytes:
            self._skip(side, chunk)
        data, base = side.held + chunk.data, len(side.held)
        side.held = b""
        pos = self._hunt(side, chunk) if side.hunting else 0
        while pos < len(data) or not side.left:
            if side.left >= 0:
                pos = self._take(side, chunk, data, pos, base)
                continue
            stopped = self._begin(side, chunk, data, pos, base)
            if stopped < 0:
                side.held_ns, side.held = _time_ns(side, chunk, pos, base), data[pos:]
                break
            pos = stopped
        done, self._done = self._done, []
        return done

    def close(self, reason: str) -> list[Message]:
        """Messages that the end of the stream cuts short."""
        self.lost = self.lost or "ended"
        self._break_off(f"the stream ended inside it ({reason})", reason in ("reset", "closed"))
        done, self._done = self._done, []
        return done

    def _break_off(self, why: str, closed: bool = False) -> None:
        for direction, side in enumerate(self._sides):
            for draft in side.drafts():
                draft.payload.blame(why, "connection" if closed else "dissection")
                self._finish(side, direction, draft)

    def _begin(self, side: Side, chunk: Chunk, data: bytes, pos: int, base: int) -> int:
        """Behind the header of the frame at ``pos``; -1: there is not enough of it, or it is none."""
        header = header_at(data, pos)
        if header is None:
            return -1
        if not self._may_be(header.first, header.length):
            self.lost = "bad_frame"
            self._break_off("what follows is no frame")
            return -1
        draft = self._draft(side, chunk.direction, header.first, header.masked, _time_ns(side, chunk, pos, base))
        payload = draft.payload
        payload.frames += 1
        if header.masked != payload.by_client:
            payload.blame(
                "a frame of the client has no mask" if payload.by_client else "a frame of the server has a mask"
            )
        if header.wasteful:
            payload.blame("a length takes more bytes than it needs")
        draft.size_bytes += header.end - pos
        draft.end_ns = chunk.time_ns_at(header.end - 1 - base)
        side.key = data[header.end - 4 : header.end] if header.masked else b""
        side.left, side.taken, side.fin = header.length, 0, header.first >= FIN
        return header.end

    def _may_be(self, first: int, length: int) -> bool:
        """Whether a frame may begin with this byte and have this length; if not, the framing is lost."""
        opcode, known = first & 15, self._extensions
        if length >> 63 or (opcode >= CONTROL and (length > MAX_CONTROL_BYTES or first < FIN)):
            return False
        allowed = RSV1 if known.deflate and opcode in (1, 2) else 0
        return known.others or (opcode in TYPES and not first & RSV & ~allowed)

    def _draft(self, side: Side, direction: int, first: int, masked: bool, now_ns: int) -> Draft:
        """The message that a frame with this first byte belongs to."""
        opcode, by_client = first & 15, direction == self._client
        if opcode >= CONTROL:
            side.control = Draft(WebSocketPayload(opcode, by_client, masked), None, now_ns)
            return side.control
        if side.data is not None:
            if not opcode:
                return side.data
            side.data.payload.blame("another message began before its end")
            self._finish(side, direction, side.data)
        payload, inflater = WebSocketPayload(opcode, by_client, masked), None
        if not opcode:
            payload.blame("its first fragments are missing")
        if first & RSV1 and side.inflater is not None:
            payload.compressed, inflater = True, side.inflater.begin()
            payload.comment = "" if inflater else f"not inflated: {side.inflater.broken}"
        elif first & RSV:
            payload.comment = "as an extension made it that is not known here"
        side.data = Draft(payload, inflater, now_ns)
        return side.data

    def _take(self, side: Side, chunk: Chunk, data: bytes, pos: int, base: int) -> int:
        """Payload of the frame, as much as there is; behind it."""
        draft = side.control or side.data
        assert draft is not None
        end = min(pos + side.left, len(data))
        if end > pos:
            self._keep(side, draft, data[pos:end])
            draft.size_bytes += end - pos
            draft.end_ns = chunk.time_ns_at(end - 1 - base)
        side.taken += end - pos
        side.left -= end - pos
        self._end_frame(side, chunk.direction, draft)
        return end

    def _end_frame(self, side: Side, direction: int, draft: Draft) -> None:
        if not side.left:
            side.left = -1
            if side.fin:
                self._finish(side, direction, draft)

    def _keep(self, side: Side, draft: Draft, part: bytes) -> None:
        payload, inflater = draft.payload, draft.inflater
        if inflater is None:
            payload.size_bytes += len(part)
            part = b"" if payload.gap else part[: self._limit_bytes - len(payload.data)]
        elif inflater.broken:
            return
        if part and side.key:
            part = unmask(part, side.key, side.taken & 3)
        if inflater is not None:
            inflater.feed(part)
        elif part:
            payload.keep(part)

    def _finish(self, side: Side, direction: int, draft: Draft) -> None:
        """The message is whole, or as whole as it gets."""
        payload, inflater = draft.payload, draft.inflater
        if inflater is not None:
            payload.data, payload.size_bytes = inflater.end()
            payload.comment = f"not inflated to its end: {inflater.broken}" if inflater.broken else ""
        if draft is side.control:
            side.control = None
        else:
            side.data = None
        after_gap, side.after_gap = side.after_gap, False
        start_ns, end_ns, size_bytes = draft.start_ns, draft.end_ns, draft.size_bytes
        self._done.append(Message(True, direction, None, start_ns, end_ns, size_bytes, payload, after_gap, alone=True))

    def _skip(self, side: Side, chunk: Chunk) -> None:
        """Bytes were never seen just before ``chunk``."""
        missing, draft = chunk.missing_bytes, side.control or side.data
        lost = min(missing, max(side.left, 0))
        if draft is not None and lost:
            draft.payload.blame(f"bytes are missing after {draft.payload.size_bytes or side.taken}")
            draft.payload.gap = True
            draft.payload.size_bytes += lost
            draft.size_bytes += lost
            side.taken += lost
            side.left -= lost
            if draft.inflater is not None:
                draft.inflater.lose()
        if draft is not None and lost == missing:
            self._end_frame(side, chunk.direction, draft)
            return
        if side.inflater is not None:
            side.inflater.lose()
        for arriving in side.drafts():
            arriving.payload.blame("bytes are missing")
            self._finish(side, chunk.direction, arriving)
        side.held, side.left, side.hunting, side.after_gap = b"", -1, True, True

    def _hunt(self, side: Side, chunk: Chunk) -> int:
        """Where frames go on: at the first packet that whole frames fill."""
        masked = chunk.direction == self._client
        for start, end in pairwise([*chunk.starts, len(chunk.data)]):
            if self._is_filled(chunk.data, start, end, masked):
                side.hunting = False
                return start
        return len(chunk.data)

    def _is_filled(self, data: bytes, pos: int, end: int, masked: bool) -> bool:
        while pos < end:
            header = header_at(data, pos)
            if header is None or header.masked != masked or header.wasteful:
                return False
            if not self._may_be(header.first, header.length):
                return False
            pos = header.end + header.length
        return pos == end


def _time_ns(side: Side, chunk: Chunk, pos: int, base: int) -> int:
    """When the byte at ``pos`` was captured, which may have been held."""
    return chunk.time_ns_at(pos - base) if pos >= base else side.held_ns


def agreed(request: bytes, response: bytes, client: int) -> tuple[ProtocolRow, Callable[[DissectOptions], Dissector]]:  # noqa: ARG001 - one signature for all upgrades
    """Who goes on behind a handshake of these heads; ``client`` is the direction of the request."""
    fields = {name.lower(): value for name, value in head_of(response)[1].items()}
    extensions = Extensions.of(fields.get("sec-websocket-extensions", ""))
    return ROW, partial(WebSocket, extensions=extensions, client=client)


def detect(data: bytes) -> Verdict:  # noqa: ARG001 - one signature for all rows
    """Never: a stream becomes one by its handshake."""
    return Verdict.NO


ROW = ProtocolRow("ws", TCP, detect, frozenset(), WebSocket, describe)
