"""The streams of an HTTP/2 connection that are under way, and the messages that come of them.

A response never goes out before its request, which may end later (RFC 9113, 8.1): it waits for it.
"""

from __future__ import annotations

from dataclasses import replace

from engine.clock import NS_PER_S
from engine.dissect.http2_frames import error_name
from engine.dissect.http2_headers import UNKNOWN, Field
from engine.dissect.http2_sections import Http2Payload
from engine.dissect.message import Message, Problem, no_answer
from engine.dissect.options import DissectOptions

_REQUEST_FIELDS = frozenset((":method", ":path", ":scheme", ":authority"))
_HEAD_MISSING = "its header fields were not captured"
_MAX_KEPT_BODIES = 16
"""How many times ``dissect.maxBody`` the bodies of all open streams may take together."""
_FIELD_BYTES = 184
"""What a field takes in memory, besides its text: a pair, its place in a list, two strings."""
_MAX_NOTES = 4
"""Of one half: head and trailers have one each, and nobody else sends more."""
_MAX_GOAWAYS = 16
"""Looked at of one connection; two are usual."""
_CROWDED = Problem("dissection", "too many streams of this connection are open (dissect.maxPending)")

_TOLD = Http2Payload(True, 0, [])
"""In the place of a request that went out: who waits for its response has it, and lets go of it when he likes."""


class Exchange:
    """One stream: a request and its response."""

    __slots__ = ("answered", "asked", "asked_ns", "request", "response", "stream")

    def __init__(self, stream: int) -> None:
        self.stream = stream
        self.request: Http2Payload | None = None
        self.asked = False
        """The request has ended, and went out; or there is none to be seen here."""
        self.asked_ns = 0
        """When it ended."""
        self.response: Http2Payload | None = None
        self.answered = False
        """The response has ended, and waits for the end of the request."""


class Exchanges:
    """All streams of one connection."""

    __slots__ = (
        "_farewell",
        "_goaways",
        "_head_bytes",
        "_kept_bytes",
        "_lingering",
        "_max_kept_bytes",
        "_max_streams",
        "_open",
        "_options",
        "_sweep_ns",
        "_timeout_ns",
        "client",
        "done",
        "highest",
        "newest",
        "oldest",
    )

    def __init__(self, options: DissectOptions) -> None:
        self._options = options
        self._max_streams = options.max_pending
        self._max_kept_bytes = _MAX_KEPT_BODIES * options.max_body_bytes
        self._kept_bytes = 0
        self._head_bytes = 0
        """What the fields of all open streams take; bounded as the bodies are."""
        self._timeout_ns = int(options.pair_timeout_s * NS_PER_S)
        self._open: dict[int, Exchange] = {}
        self._lingering: dict[int, None] = {}
        """Streams whose end may have been missed, or that wait for something that may never come."""
        self._sweep_ns = 0
        self._farewell = ""
        """What a GOAWAY said that was no ordinary one."""
        self._goaways = 0
        self.client = -1
        """The direction of requests; -1: not yet known."""
        self.highest = 0
        """The newest stream that either side spoke of."""
        self.oldest = self.newest = 0
        """The first and the last stream that the client opened since its frames are seen without a gap; 0: none yet."""
        self.done: list[Message] = []

    @property
    def answering(self) -> set[int]:
        """Streams whose response arrives."""
        return {stream for stream, exchange in self._open.items() if exchange.response is not None}

    @property
    def held_bytes(self) -> int:
        """Of bodies and fields."""
        return self._kept_bytes + self._head_bytes

    def payload_at(self, stream: int, direction: int, time_ns: int) -> Http2Payload | None:
        """Whose body a DATA frame of ``stream`` is, which begins now; None: nobody's that is known."""
        exchange = self._open.get(stream)
        if exchange is None:
            return None
        if direction == self._requester(direction, ()):
            return None if exchange.asked else exchange.request
        if exchange.response is None and not exchange.answered:  # its head was in a gap
            exchange.response = self._half(False, [], time_ns)
            exchange.response.notes.append(_HEAD_MISSING)
        return None if exchange.answered else exchange.response

    def keep(self, payload: Http2Payload, data: bytes) -> None:
        """More of a body; where those of all open streams take too much, no more of it is kept."""
        before = payload.kept_bytes
        if self._kept_bytes > self._max_kept_bytes:
            payload.limit_bytes = before
        payload.keep(data)
        self._kept_bytes += payload.kept_bytes - before

    def fields(
        self, stream: int, direction: int, fields: list[Field], note: str, *, size_bytes: int, start_ns: int
    ) -> Http2Payload | None:
        """A header block; returns the half that it belongs to, None where that is over or only announced."""
        self.highest = max(self.highest, stream)
        if direction == self._requester(direction, fields):
            payload = self._ask(stream, fields, start_ns)
        else:
            payload = self._answer(stream, fields, start_ns)
        if payload is not None:
            payload.size_bytes += size_bytes
            self._weigh(payload, fields, size_bytes)
            if note and len(payload.notes) < _MAX_NOTES:
                payload.notes.append(f"trailers: {note}" if payload.trailers is fields else note)
        return payload

    def promise(
        self, stream: int, fields: list[Field], note: str, *, size_bytes: int, start_ns: int, end_ns: int
    ) -> None:
        """The request that the server answers without being asked (RFC 9113, 8.4)."""
        if stream in self._open:
            return
        exchange = self._begin(stream)
        payload = exchange.request = self._half(True, fields, start_ns)
        payload.pushed, payload.size_bytes, payload.end_ns = True, size_bytes, end_ns
        self._weigh(payload, fields, size_bytes)
        if note:
            payload.notes.append(note)
        self.end(stream, payload)

    def _weigh(self, payload: Http2Payload, fields: list[Field], size_bytes: int) -> None:
        """Count what ``fields`` take, which came in frames of ``size_bytes``."""
        taken = len(fields) * _FIELD_BYTES
        payload.field_bytes += taken
        payload.head_bytes += taken + size_bytes
        self._head_bytes += taken + size_bytes

    def end(self, stream: int, payload: Http2Payload) -> None:
        """This half of the stream is whole."""
        exchange = self._open.get(stream)
        if exchange is None:
            return
        if payload is exchange.request:
            self._tell(exchange, payload)
            exchange.asked, exchange.asked_ns, exchange.request = True, payload.end_ns, _TOLD
            if exchange.answered:
                self._close(exchange)
        elif payload is exchange.response and not exchange.answered:
            exchange.answered = True
            if exchange.asked:
                self._close(exchange)
            else:
                self._lingering[stream] = None

    def reset(self, stream: int, direction: int, code: int) -> None:
        """One side ends the stream (RFC 9113, 5.4.2)."""
        exchange = self._open.get(stream)
        if exchange is not None:
            who = "client" if direction == self._requester(direction, ()) else "server"
            self._give_up(exchange, Problem("connection", f"the {who} reset the stream ({error_name(code)})"))

    def go_away(self, direction: int, last: int, code: int, said: str) -> None:
        """One side accepts no more streams, and never looked at those behind ``last`` (RFC 9113, 6.8)."""
        self._goaways += 1
        if self._goaways > _MAX_GOAWAYS:
            return
        is_server = direction != self._requester(direction, ())
        text = error_name(code) + (f": {said}" if said else "")
        if code:
            self._farewell = f"the {'server' if is_server else 'client'} went away ({text})"
        if is_server:
            problem = Problem("connection", f"the server went away and did not look at this stream ({text})")
            for exchange in list(self._open.values()):
                if exchange.stream > last and exchange.stream & 1 and exchange.response is None:
                    self._give_up(exchange, problem)

    def doubt(self, direction: int) -> None:
        """Frames of ``direction`` were not captured."""
        is_client = direction == self._requester(direction, ())
        if is_client:
            self.oldest = self.newest = 0
        for stream, exchange in self._open.items():
            payload, over = (exchange.request, exchange.asked) if is_client else (exchange.response, exchange.answered)
            if payload is not None and not over:
                payload.doubt()
                self._lingering[stream] = None

    @property
    def lingering(self) -> bool:
        """There is something to sweep."""
        return bool(self._lingering)

    def sweep(self, now_ns: int) -> None:
        """Let go of streams whose end was missed, once nothing came of them for ``pair_timeout_s``."""
        if now_ns < self._sweep_ns:
            return
        self._sweep_ns = now_ns + NS_PER_S
        for stream in list(self._lingering):
            exchange = self._open[stream]
            if _last_ns(exchange) < now_ns - self._timeout_ns:
                self._give_up(exchange, Problem("timeout", "its end was not seen"))

    def close(self, kind: str, reason: str) -> None:
        """The connection is over; requests that went out are left to who waits for their response."""
        reason = f"{reason}; {self._farewell}" if self._farewell else reason
        for exchange in list(self._open.values()):
            if self._farewell and exchange.response is None:
                self._give_up(exchange, Problem("connection", self._farewell))
            elif not (exchange.asked and exchange.response is None):
                self._give_up(exchange, Problem(kind, reason), answer=False)
        self._open.clear()
        self._lingering.clear()

    def upgraded(self, request: Message) -> None:
        """Stream 1 answers the request of HTTP/1 that led here (RFC 7540, 3.2)."""
        self._begin(1).asked = True
        self.client, self.highest, self.oldest, self.newest = request.direction, 1, 1, 1
        self.done.append(replace(request, key=1))

    def _requester(self, direction: int, fields: list[Field] | tuple[()]) -> int:
        """The direction of requests: as field names say, else who opened the connection."""
        if self.client < 0:
            for name, _ in fields:
                if name == ":status":
                    self.client = 1 - direction
                elif name in _REQUEST_FIELDS:
                    self.client = direction
        return max(self.client, 0)

    def _ask(self, stream: int, fields: list[Field], start_ns: int) -> Http2Payload | None:
        exchange = self._open.get(stream)
        if exchange is None or exchange.request is None:
            if not _REQUEST_FIELDS.intersection(name for name, _ in fields) and not _has_unknown(fields) and fields:
                return None  # the trailers of a request that began before the capture
            self.oldest, self.newest = self.oldest or stream, max(self.newest, stream)
            exchange = exchange or self._begin(stream)
            exchange.request, exchange.asked = self._half(True, fields, start_ns), False
            return exchange.request
        return None if exchange.asked else _end_with(exchange.request, fields)

    def _answer(self, stream: int, fields: list[Field], start_ns: int) -> Http2Payload | None:
        exchange = self._open.get(stream)
        if exchange is None and self.oldest <= stream <= self.newest and stream & 1:
            return None  # a late frame of a stream that is over
        if exchange is not None and exchange.response is not None:
            return None if exchange.answered else _end_with(exchange.response, fields)
        status = next((value for name, value in fields if name == ":status"), None)
        if status is not None and len(status) == 3 and status[0] == "1":  # announces the answer (RFC 9110, 15.2)
            return None
        if exchange is None:
            exchange = self._begin(stream)
            exchange.asked = not (self.oldest and stream > self.newest and stream & 1)
        if status is None and fields and not _has_unknown(fields):
            payload = self._half(False, [], start_ns)
            payload.notes.append(_HEAD_MISSING)
            payload.trailers = fields
        else:
            payload = self._half(False, fields, start_ns)
        exchange.response = payload
        return payload

    def _half(self, is_request: bool, fields: list[Field], start_ns: int) -> Http2Payload:
        payload = Http2Payload(is_request, self._options.max_body_bytes, fields)
        payload.start_ns = payload.end_ns = start_ns
        return payload

    def _begin(self, stream: int) -> Exchange:
        if len(self._open) >= self._max_streams or (self._head_bytes > self._max_kept_bytes and self._open):
            self._give_up(next(iter(self._open.values())), _CROWDED)
        exchange = self._open[stream] = Exchange(stream)
        return exchange

    def _give_up(self, exchange: Exchange, problem: Problem, *, answer: bool = True) -> None:
        """What there is of the stream goes out; ``answer``: ``problem`` is told in the place of a response."""
        request, response = exchange.request, exchange.response
        if not exchange.asked and request is not None:
            if response is None and answer:
                request.fault = request.fault or Problem(problem.type, "request: it was not sent to its end")
            elif not exchange.answered:
                request.fault = request.fault or Problem(problem.type, f"request: {problem.msg}")
            self._tell(exchange, request)
        if response is not None and not exchange.answered:
            response.fault = response.fault or Problem(problem.type, f"response: {problem.msg}")
        elif response is None and answer:
            self.done.append(no_answer(1 - self._requester(0, ()), exchange.stream, problem))
        self._close(exchange)
        self.done[-1].crowded = problem is _CROWDED

    def _close(self, exchange: Exchange) -> None:
        if exchange.response is not None:
            self._tell(exchange, exchange.response)
        self._open.pop(exchange.stream, None)
        self._lingering.pop(exchange.stream, None)

    def _tell(self, exchange: Exchange, payload: Http2Payload) -> None:
        self._kept_bytes -= payload.kept_bytes
        self._head_bytes -= payload.head_bytes
        payload.told = True
        client = self._requester(0, ())
        direction = client if payload.is_request else 1 - client
        self.done.append(
            Message(
                payload.is_request,
                direction,
                exchange.stream,
                payload.start_ns,
                payload.end_ns,
                payload.size_bytes,
                payload,
                more_bytes=payload.field_bytes,
            )
        )


def _end_with(payload: Http2Payload, fields: list[Field]) -> Http2Payload:
    """Take ``fields`` as trailers; more of them would be malformed (RFC 9113, 8.1)."""
    payload.trailers = payload.trailers or fields
    return payload


def _last_ns(exchange: Exchange) -> int:
    """When something of the stream was captured last."""
    halves = (half for half in (exchange.request, exchange.response) if half is not None)
    return max(exchange.asked_ns, *(half.end_ns for half in halves), 0)


def _has_unknown(fields: list[Field]) -> bool:
    return any(name.startswith(UNKNOWN) for name, _ in fields)
