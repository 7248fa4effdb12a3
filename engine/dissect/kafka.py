"""Kafka: requests and responses behind their length, paired by correlation id; ``kafka_payload`` takes them apart.

A response says nothing of what it answers, so the dissector remembers the API and the version of every request. The
SASL tokens that follow a SaslHandshake of version 0 have a length and nothing else.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from engine.dissect.framed import Frame, Framed
from engine.dissect.kafka_apis import HEAD, MAX_LENGTH, PRODUCE, SASL_HANDSHAKE, is_request, judge
from engine.dissect.kafka_payload import REQUEST, RESPONSE, TOKEN, TOKEN_ANSWER, KafkaPayload, expects_answer, is_known
from engine.dissect.message import Message, Payload
from engine.dissect.options import DissectOptions
from engine.dissect.table import ProtocolRow, Verdict, constant
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, TCP

_LENGTH_BYTES = 4
_RESPONSE_HEAD_BYTES = 8
_MAX_RESUMED_BYTES = 64 << 20
"""Longer frames are not believed where the beginning of one is looked for."""
UNKNOWN = -1
ENDED = "ended"
_TELLING = ((Verdict.SHORT, Verdict.PLAUSIBLE, Verdict.SURE), (Verdict.SURE,))
"""By direction, what makes a frame a request where it is not known who asks: responses may look like requests."""

Asked = dict[int, tuple[int, int]]
"""Correlation id -> API and version of the request."""


class Kafka:
    """Dissector of one TCP stream."""

    __slots__ = ("_asked", "_asks", "_halves", "_max_asked", "_options", "_sasl", "_tokens", "lost")
    successor = None

    def __init__(self, options: DissectOptions) -> None:
        self.lost = ""
        self._options = options
        self._asked: Asked = {}
        self._max_asked = options.max_pending * 2
        self._asks = UNKNOWN
        """The direction that sends requests."""
        self._halves: tuple[Framed, Framed] | None = None
        self._sasl = False
        """Tokens without a header may come."""
        self._tokens = [0, 0]
        """How many of them did, asked and answered."""

    @property
    def answering(self) -> bool:
        """A response is arriving."""
        return self._halves is not None and self._asks != UNKNOWN and self._halves[1 - self._asks].busy

    @property
    def held_bytes(self) -> int:
        """Of frames that are arriving."""
        return sum(half.held_bytes for half in self._halves or ())

    def feed(self, chunk: Chunk) -> list[Message]:
        """Messages that end in ``chunk``."""
        if self.lost:
            return []
        half = (self._halves or self._begin(chunk))[chunk.direction]
        frames = half.take(chunk)
        messages = [self._message(chunk.direction, frame, half) for frame in frames] if frames else []
        if half.broken:
            self.lost = "not_kafka"
        return [message for message in messages if message is not None]

    def close(self, reason: str) -> list[Message]:
        """Messages that the end of the stream cuts short."""
        self.lost = self.lost or ENDED
        found = []
        for direction, half in enumerate(self._halves or ()):
            frame = half.rest()
            if frame is not None and len(frame.data) >= HEAD.size:
                fault = frame.fault or f"the stream ended inside it ({reason})"
                message = self._message(direction, frame._replace(fault=fault), half)
                found += [] if message is None else [message]
        return found

    def _begin(self, chunk: Chunk) -> tuple[Framed, Framed]:
        limit_bytes = self._options.max_body_bytes
        halves = tuple(Framed(_Half(self, direction), limit_bytes) for direction in (0, 1))
        if chunk.stream.shaken:
            self._asks = CLIENT
        else:
            for half in halves:
                half.hunt()  # the capture begins in the middle of the stream
        self._halves = halves[0], halves[1]
        return self._halves

    def _message(self, direction: int, frame: Frame, half: Framed) -> Message | None:
        """What ``frame`` is; None where it is nothing."""
        if self.lost and self.lost != ENDED:
            return None
        if self._asks == UNKNOWN:
            self._asks = self._who_asks(direction, frame)
        message = self._request(frame) if direction == self._asks else self._response(frame)
        if message is None and half.loose:
            half.hunt()
        elif message is None:
            self.lost = "not_kafka"
        return message

    def _who_asks(self, direction: int, frame: Frame) -> int:
        """Told by the first frame. An answer may look like the header of a request, but hardly like all of it."""
        if not is_request(frame.data):
            return 1 - direction
        _, api, version, _, _ = _head_of(frame.data)
        payload = KafkaPayload(REQUEST, frame, api, version, self._options)
        if is_known(api, version):
            return direction if payload.problem() is None else 1 - direction
        return CLIENT

    def _request(self, frame: Frame) -> Message | None:
        data, asked = frame.data, self._asked
        if not is_request(data):
            return self._token(frame, TOKEN) if self._sasl else None
        _, api, version, correlation, _ = _head_of(data)
        payload = KafkaPayload(REQUEST, frame, api, version, self._options)
        alone = api == PRODUCE and not expects_answer(frame, version)
        if not alone:
            if len(asked) >= self._max_asked:
                del asked[next(iter(asked))]
            asked[correlation] = api, version
        self._sasl |= api == SASL_HANDSHAKE and version == 0
        return self._told(True, correlation, frame, payload, alone)

    def _response(self, frame: Frame) -> Message | None:
        data = frame.data
        correlation = int.from_bytes(data[4:8], "big", signed=True)
        api, version = self._asked.pop(correlation, (-1, -1)) if len(data) >= _RESPONSE_HEAD_BYTES else (-1, -1)
        if api < 0 and self._tokens[1] < self._tokens[0]:
            return self._token(frame, TOKEN_ANSWER)
        if len(data) < _RESPONSE_HEAD_BYTES:
            return None
        payload = KafkaPayload(RESPONSE, frame, api, version, self._options)
        return self._told(False, correlation, frame, payload, False)

    def _token(self, frame: Frame, kind: int) -> Message:
        """A message of SASL and nothing around it; each has its answer, in order."""
        which = kind == TOKEN_ANSWER
        self._tokens[which] += 1
        payload = KafkaPayload(kind, frame, -1, -1, self._options)
        return self._told(not which, ("sasl", self._tokens[which]), frame, payload, False)

    def _told(self, asks: bool, key: object, frame: Frame, payload: KafkaPayload, alone: bool) -> Message:
        direction = self._asks if asks else 1 - self._asks
        return Message(
            asks, direction, key, frame.start_ns, frame.end_ns, frame.size_bytes, payload, frame.after_gap, alone
        )

    def resumes(self, direction: int, data: bytes, at: int) -> Verdict:
        """Whether a frame of ``direction`` begins at ``at``, where that is not known."""
        if self._asks in (direction, UNKNOWN):
            found = judge(data, at)
            if self._asks == direction:
                return Verdict.SURE if found is Verdict.PLAUSIBLE else found
            if found in _TELLING[direction]:
                return Verdict.SHORT if found is Verdict.SHORT else Verdict.SURE
        if len(data) - at < _RESPONSE_HEAD_BYTES:
            return Verdict.SHORT if data[at : at + 1] < b"\x04" else Verdict.NO
        length = int.from_bytes(data[at : at + 4], "big")
        if not _LENGTH_BYTES <= length <= _MAX_RESUMED_BYTES:
            return Verdict.NO
        if int.from_bytes(data[at + 4 : at + 8], "big", signed=True) in self._asked:
            return Verdict.SURE
        return Verdict.SURE if at + _LENGTH_BYTES + length == len(data) else Verdict.NO


def _head_of(data: bytes) -> tuple[int, int, int, int, int]:
    """One without a client id may be shorter by its length."""
    head: tuple[int, int, int, int, int] = HEAD.unpack_from(data if len(data) >= HEAD.size else data + b"\xff\xff")
    return head


class _Half:
    """How frames of one direction look."""

    __slots__ = ("_direction", "_kafka")
    head_bytes = _LENGTH_BYTES

    def __init__(self, kafka: Kafka, direction: int) -> None:
        self._kafka = kafka
        self._direction = direction

    def size_of(self, data: bytes, at: int) -> int:
        """Its length and what it counts."""
        length = int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
        return length + _LENGTH_BYTES if length <= MAX_LENGTH else 0

    def ends_well(self, first: int, last: int) -> bool:  # noqa: ARG002 - one signature for all grammars
        """Nothing marks their end."""
        return True

    def find(self, chunk: Chunk, at: int) -> tuple[int, bool]:
        """Frames begin where packets do."""
        starts = chunk.starts
        for place in range(bisect_left(starts, at), len(starts)):
            verdict = self._kafka.resumes(self._direction, chunk.data, starts[place])
            if verdict is not Verdict.NO:
                return starts[place], verdict is Verdict.SURE
        return len(chunk.data), False


def detect(data: bytes) -> Verdict:
    """A request with a known API, a version of it, and a client id that is text; or a length that fits."""
    found = judge(data)
    if found is Verdict.NO and len(data) >= _RESPONSE_HEAD_BYTES:
        return Verdict.PLAUSIBLE if int.from_bytes(data[:4], "big") == len(data) - _LENGTH_BYTES else Verdict.NO
    return found


KAFKA = constant(
    "kafka",
    "12",
    "KAFKA",
    "Apache Kafka Protocol",
    macro="kafka",
    colour="#000000",
    reference="https://kafka.apache.org/protocol",
    ports=["9092"],
    layer4="tcp",
    priority=2,
)


def _describe(request: Payload | None, response: Payload | None) -> dict[str, Any]:  # noqa: ARG001 - one signature for all rows
    return KAFKA


ROW = ProtocolRow("kafka", TCP, detect, frozenset({9092}), Kafka, _describe)
