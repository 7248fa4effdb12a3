"""AMQP 0-9-1: frames, the contents that are put together of them, and which method answers which.

::

    +---------+-------------+------------+---------+------+
    | type u8 | channel u16 | length u32 | payload | 0xCE |      1 method, 2 header of a content, 3 body, 8 heartbeat
    +---------+-------------+------------+---------+------+

A synchronous method is a request, its ``-ok`` the response: the first one on that channel that has none yet. All others
are items of their own. Whoever asks: ``connection.start`` is the server's question.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Any

from engine.dissect.amqp_frames import DIRECTIONS, PROTOCOL_HEADERS, Frames, detect
from engine.dissect.amqp_methods import METHODS, Method, waits
from engine.dissect.amqp_payload import CLOSES, AmqpPayload
from engine.dissect.framed import Frame, Framed
from engine.dissect.message import Message, Payload
from engine.dissect.options import DissectOptions
from engine.dissect.table import ProtocolRow, constant
from engine.streams.chunk import Chunk
from engine.streams.stream import SERVER, TCP

_METHOD, _HEADER, _BODY, _HEARTBEAT = 1, 2, 3, 8
_HEAD = struct.Struct(">BHI")
_METHOD_HEAD = struct.Struct(">BHII")
_CONTENT_HEAD = struct.Struct(">7xHHQ")
Asked = dict[int, dict[int, deque[int]]]
"""Channel -> method -> keys of the requests, the oldest first."""
MAX_CONTENTS = 256
"""Contents that one side may have begun, on as many channels."""


class Amqp:
    """Dissector of one TCP stream."""

    __slots__ = ("_asked", "_begun", "_count", "_halves", "_kept", "_limit_bytes", "_max_asked", "_waiting", "lost")
    successor = None

    def __init__(self, options: DissectOptions) -> None:
        self.lost = ""
        self._limit_bytes = options.max_body_bytes
        self._max_asked = options.max_pending * 2
        self._halves: tuple[Framed, Framed] | None = None
        self._begun: tuple[dict[int, _Content], dict[int, _Content]] = ({}, {})
        """By direction and channel, the contents that are not complete."""
        self._kept = [0, 0]
        """By direction, bytes of bodies in them."""
        self._asked: tuple[Asked, Asked] = ({}, {})
        """By direction, the requests without answer."""
        self._waiting = 0
        """Keys in ``_asked``."""
        self._count = 0

    @property
    def answering(self) -> bool:
        """The server is in the middle of a frame or a content."""
        return bool(self._begun[SERVER]) or (self._halves is not None and self._halves[SERVER].busy)

    @property
    def held_bytes(self) -> int:
        """Of frames and contents that are arriving."""
        return sum(self._kept) + sum(half.held_bytes for half in self._halves or ())

    def feed(self, chunk: Chunk) -> list[Message]:
        """Messages that end in ``chunk``."""
        if self.lost:
            return []
        half = (self._halves or self._begin(chunk))[chunk.direction]
        found: list[Message] = []
        for frame in half.take(chunk):
            self._hear(chunk.direction, frame, found)
        if half.broken:
            self.lost = "not_amqp"
        return found

    def close(self, reason: str) -> list[Message]:
        """Contents that the end of the stream cuts short."""
        self.lost = self.lost or "ended"
        found: list[Message] = []
        for direction in DIRECTIONS:
            rest = self._halves[direction].rest() if self._halves else None
            if rest is not None and rest.data[0] in (_METHOD, _BODY):
                self._hear(direction, rest._replace(fault=rest.fault or "the stream ended inside it"), found)
            self._cut(direction, f"the stream ended inside it ({reason})", found)
        return found

    def _begin(self, chunk: Chunk) -> tuple[Framed, Framed]:
        self._halves = Framed(Frames(), self._limit_bytes), Framed(Frames(), self._limit_bytes)
        if not chunk.stream.shaken:
            for half in self._halves:
                half.hunt()  # the capture begins in the middle of the stream
        return self._halves

    def _hear(self, direction: int, frame: Frame, found: list[Message]) -> None:
        if self.lost and self.lost != "ended":
            return
        if frame.after_gap:
            self._cut(direction, "bytes are missing in it", found)
        kind = frame.data[0]
        if kind == _METHOD:
            self._hear_method(direction, frame, found)
        elif kind == _HEADER:
            self._hear_header(direction, frame, found)
        elif kind == _BODY:
            self._hear_body(direction, frame, found)
        elif kind != _HEARTBEAT and frame.data not in PROTOCOL_HEADERS:
            self.lost = "amqp_other_version"

    def _hear_method(self, direction: int, frame: Frame, found: list[Message]) -> None:
        if len(frame.data) < _METHOD_HEAD.size:
            return
        _, channel, _, key = _METHOD_HEAD.unpack_from(frame.data)
        begun = self._begun[direction]
        if channel in begun:
            found.append(self._finished(direction, channel, "the content ended early", frame.start_ns))
        method = METHODS.get(key) or Method(key, f"{key >> 16} {key & 0xFFFF}", (), False, 0, False, -1)
        payload = AmqpPayload(method, channel, frame, not method.answers)
        if method.has_content:
            if len(begun) >= MAX_CONTENTS:
                found.append(self._finished(direction, next(iter(begun)), "too many contents at once", frame.start_ns))
            begun[channel] = _Content(frame, payload)
            return
        if key in CLOSES:
            self._answer_with(direction, channel, frame, method, found)
        found.append(self._told(direction, payload, frame.start_ns, frame.end_ns, frame.size_bytes, frame.after_gap))

    def _hear_header(self, direction: int, frame: Frame, found: list[Message]) -> None:
        _, channel, _ = _HEAD.unpack_from(frame.data)
        content = self._begun[direction].get(channel)
        if content is None or len(frame.data) < _CONTENT_HEAD.size:
            return  # its method was not seen
        payload = content.payload
        if payload.header is not None:
            return
        payload.header = frame.data
        _, _, payload.body_bytes = _CONTENT_HEAD.unpack_from(frame.data)
        payload.fault = payload.fault or frame.fault
        content.take(frame)
        if not payload.body_bytes:
            found.append(self._finished(direction, channel, "", frame.end_ns))

    def _hear_body(self, direction: int, frame: Frame, found: list[Message]) -> None:
        _, channel, length = _HEAD.unpack_from(frame.data)
        content = self._begun[direction].get(channel)
        if content is None or content.payload.body_bytes < 0:
            return
        content.take(frame)
        kept = self._kept
        data = frame.data[_HEAD.size : _HEAD.size + length]
        kept[direction] += content.keep(data, length, self._limit_bytes - kept[direction])
        payload = content.payload
        if frame.fault and not content.is_gapped:
            payload.fault = payload.fault or f"bytes of the body are missing after {payload.kept_bytes}"
            content.is_gapped = True
        if content.seen_bytes >= payload.body_bytes:
            found.append(self._finished(direction, channel, "", frame.end_ns))

    def _finished(self, direction: int, channel: int, fault: str, end_ns: int) -> Message:
        content = self._begun[direction].pop(channel)
        payload = content.payload
        payload.fault = payload.fault or fault
        self._kept[direction] -= payload.kept_bytes
        return self._told(direction, payload, content.start_ns, end_ns, content.size_bytes, content.after_gap)

    def _cut(self, direction: int, fault: str, found: list[Message]) -> None:
        """All contents that are not complete."""
        for channel, content in list(self._begun[direction].items()):
            found.append(self._finished(direction, channel, fault, content.end_ns))

    # -- which answers which ---------------------------------------------------------------------------------------

    def _told(
        self, direction: int, payload: AmqpPayload, start_ns: int, end_ns: int, size_bytes: int, after_gap: bool
    ) -> Message:
        method, key, alone = payload.method, None, False
        if method.answers:
            key = self._key_of(1 - direction, payload.channel, method.answers)
        elif method.is_asking and waits(method, payload.frame.data):
            key = self._ask(direction, payload.channel, method.key)
        else:
            alone = True
        is_request = payload.is_request
        return Message(is_request, direction, key, start_ns, end_ns, size_bytes, payload, after_gap, alone)

    def _ask(self, direction: int, channel: int, method: int) -> int:
        self._count += 1
        if self._waiting >= self._max_asked:  # far more than the conversation lets wait
            self._asked = ({}, {})
            self._waiting = 0
        self._asked[direction].setdefault(channel, {}).setdefault(method, deque()).append(self._count)
        self._waiting += 1
        return self._count

    def _key_of(self, direction: int, channel: int, method: int) -> int:
        """Of the oldest request that this answers; a new one where there is none."""
        asked = self._asked[direction]
        waiting = asked.get(channel, {}).get(method)
        if waiting is None:
            self._count += 1
            return -self._count
        key = waiting.popleft()
        self._waiting -= 1
        if not waiting:
            del asked[channel][method]
            if not asked[channel]:
                del asked[channel]
        return key

    def _answer_with(self, direction: int, channel: int, frame: Frame, method: Method, found: list[Message]) -> None:
        """What the other side asked on a channel that is closed now gets no other answer than this."""
        asked = self._asked[1 - direction]
        for each in [channel] if channel else list(asked):
            for key in sorted(key for keys in asked.pop(each, {}).values() for key in keys):
                self._waiting -= 1
                payload = AmqpPayload(method, channel, frame, False)
                found.append(Message(False, direction, key, frame.start_ns, frame.end_ns, frame.size_bytes, payload))


class _Content:
    """A method whose content is on its way."""

    __slots__ = ("after_gap", "end_ns", "is_gapped", "payload", "seen_bytes", "size_bytes", "start_ns")

    def __init__(self, frame: Frame, payload: AmqpPayload) -> None:
        self.payload = payload
        self.start_ns, self.end_ns, self.size_bytes = frame.start_ns, frame.end_ns, frame.size_bytes
        self.after_gap = frame.after_gap
        self.seen_bytes = 0
        self.is_gapped = False

    def take(self, frame: Frame) -> None:
        """A further frame of it."""
        self.end_ns = frame.end_ns
        self.size_bytes += frame.size_bytes

    def keep(self, data: bytes, length: int, room: int) -> int:
        """The next ``length`` bytes of its body, as far as ``data`` has them and there is room; how many are kept."""
        self.seen_bytes += length
        if room <= 0 or self.is_gapped or not data:
            return 0
        data = data[:room]
        if self.payload.body is None:
            self.payload.body = bytearray()
        self.payload.body += data
        return len(data)


AMQP = constant(
    "amqp",
    "0-9-1",
    "AMQP",
    "Advanced Message Queuing Protocol 0-9-1",
    macro="amqp",
    colour="#ff6600",
    reference="https://www.rabbitmq.com/amqp-0-9-1-reference.html",
    ports=["5671", "5672"],
    layer4="tcp",
    priority=1,
)


def _describe(request: Payload | None, response: Payload | None) -> dict[str, Any]:  # noqa: ARG001 - one signature for all rows
    return AMQP


ROW = ProtocolRow("amqp", TCP, detect, frozenset({5671, 5672}), Amqp, _describe)
