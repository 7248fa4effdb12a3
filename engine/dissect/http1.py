"""HTTP/1.0 and 1.1 (RFC 9112): where messages begin and end; what is in them is built when somebody looks.

Each direction is a small machine whose step takes what it can of the bytes at hand. Most chunks are one whole message;
``http_whole`` finds those at a third of the cost and leaves all others to the machine.
"""

from __future__ import annotations

from engine.dissect.http_bodies import STEPS, by_length, chunk_data, chunk_end, until_close
from engine.dissect.http_framing import Framing, head_end, request_framing, response_framing
from engine.dissect.http_half import Half
from engine.dissect.http_protocol import BLANK, REQUEST_LINE, STATUS_LINE, describe, detect, resumes
from engine.dissect.http_refused import left_out, may_leave_out
from engine.dissect.http_sections import HttpPayload
from engine.dissect.http_switch import Switch, leads, may_switch, successor_of
from engine.dissect.http_whole import whole_request, whole_response
from engine.dissect.message import Message, Problem
from engine.dissect.options import DissectOptions
from engine.dissect.table import ProtocolRow, Successor
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, TCP

MAX_EARLY = 64
"""Responses that may come before the end of their request."""


class Http1:
    """Dissector of one TCP stream."""

    __slots__ = (
        "_done",
        "_early",
        "_halves",
        "_limit_bytes",
        "_max_head_bytes",
        "_max_waiting",
        "_methods",
        "_requests",
        "_switch",
        "lost",
        "successor",
    )

    def __init__(self, options: DissectOptions) -> None:
        self.lost = ""
        self.successor: Successor | None = None
        self._limit_bytes = options.max_body_bytes
        self._max_head_bytes = options.max_header_bytes
        self._max_waiting = options.max_pending * 2
        self._halves: tuple[Half, Half] | None = None
        """The machine; most streams never need it."""
        self._requests: int = -1
        """The direction that sends requests; -1: not yet known."""
        self._methods: list[bytes] = []
        """Of the requests whose response has not begun; few enough for a list."""
        self._early: list[Message] = []
        self._done: list[Message] = []
        self._switch: Switch | None = None
        """A request for another protocol that is not answered yet."""

    @property
    def answering(self) -> bool:
        """A response is arriving."""
        payloads = (half.payload for half in self._halves or ())
        return any(payload is not None and not payload.is_request for payload in payloads)

    @property
    def held_bytes(self) -> int:
        """Of messages that are arriving, of responses before the end of their request, and behind one to switch."""
        bodies = sum(half.held_bytes for half in self._halves or ()) + (self._switch.size_bytes if self._switch else 0)
        return bodies + sum(min(early.size_bytes, self._limit_bytes) for early in self._early)

    def feed(self, chunk: Chunk) -> list[Message]:
        """Messages that end in ``chunk``."""
        if self.lost:
            return []
        halves, switch = self._halves, self._switch
        if (halves is None or halves[chunk.direction].idle) and not chunk.missing_bytes and switch is None:
            message = self._whole(chunk)
            if message is not None:
                return [message]
        if halves is None:
            halves = self._halves = (Half(CLIENT, head), Half(SERVER, head))
        if switch is not None and halves[chunk.direction].step is wait:
            switch.keep(chunk)
            if switch.size_bytes > self._max_head_bytes:
                self._go_on(switch, halves[chunk.direction])
        else:
            self._hear(halves[chunk.direction], chunk)
        done, self._done = self._done, []
        return done

    def _hear(self, half: Half, chunk: Chunk) -> None:
        if chunk.missing_bytes:
            self._skip(half, chunk.missing_bytes)
        self._advance(half, half.take(chunk, self._max_head_bytes))
        half.let_go(head)

    def _go_on(self, switch: Switch, half: Half) -> None:
        """No other protocol follows: what ``half`` said behind its request is HTTP."""
        self._switch = None
        if half.step is wait:
            half.step = head
        for chunk in switch.chunks:
            self._hear_again(half, chunk)

    def _hear_again(self, half: Half, chunk: Chunk) -> None:
        if self._switch is not None and half.step is wait:  # one more such request
            self._switch.keep(chunk)
        elif not self.lost:
            self._hear(half, chunk)

    def keep_behind(self, half: Half, pos: int) -> None:
        """What lies from ``pos`` of the bytes at hand on, behind a request to switch, waits for the answer."""
        assert self._switch is not None
        self._switch.keep(half.rest(pos))

    def _whole(self, chunk: Chunk) -> Message | None:
        """The message that ``chunk`` is from its first byte to its last, where nothing else is under way."""
        _, direction, data, starts, times_ns, _ = chunk
        size_bytes, methods = len(data), self._methods
        payload: HttpPayload | None = None
        if data.startswith(b"HTTP/"):
            if self._requests != direction and not self._is_busy(1 - direction):
                method = methods[0] if methods else b""
                payload = whole_response(data, method, self._max_head_bytes, self._limit_bytes)
            if payload is None:
                return None
            del methods[:1]
            self._requests = 1 - direction
        else:
            method = data[: data.find(b" ")]
            if self._requests != 1 - direction and len(methods) < self._max_waiting:
                payload = whole_request(data, method, self._max_head_bytes, self._limit_bytes)
            if payload is None:
                return None
            methods.append(method)
            self._requests = direction
        end_ns = times_ns[-1] if starts[-1] < size_bytes else chunk.time_ns_at(size_bytes - 1)
        return Message(payload.is_request, direction, None, times_ns[0], end_ns, size_bytes, payload)

    def close(self, reason: str) -> list[Message]:
        """Messages that the end of the stream ends or cuts short."""
        if self._switch is not None and self._halves is not None and not self.lost:
            self._go_on(self._switch, self._halves[self._requests])
        self.lost = self.lost or "ended"
        halves = self._halves or ()
        if not self._early and all(half.payload is None for half in halves):
            return self._done  # between two messages
        for half in halves:
            if half.step is left_out:
                self.finish(half, half.asked_ns)
        if reason == "closed":
            for half in halves:
                if half.step is until_close:
                    self.finish(half, half.last_ns())
        kind = "connection" if reason in ("reset", "closed") else "dissection"
        self._cut_short(Problem(kind, f"the stream ended inside it ({reason})"))
        done, self._done = self._done, []
        return done

    def _cut_short(self, problem: Problem) -> None:
        """What is arriving will never be whole."""
        for half in self._halves or ():
            if half.payload is not None:
                which = "request" if half.payload.is_request else "response"
                half.payload.fault = half.payload.fault or Problem(problem.type, f"{which}: {problem.msg}")
                self.finish(half, half.last_ns())
        self._done += self._early
        self._early = []

    def _advance(self, half: Half, data: bytes) -> None:
        pos, size = 0, len(data)
        while pos < size and not self.lost:
            stopped = half.step(self, half, data, pos)
            if stopped < 0:
                half.hold(data[pos:], pos)
                break
            pos = stopped
        if self.lost:
            self._cut_short(Problem("dissection", self.lost))

    def begin(self, half: Half, data: bytes, pos: int) -> int:
        """The step that takes a head."""
        end = head_end(data, pos)
        if end < 0 or end - pos > self._max_head_bytes:
            if max(end, len(data)) - pos > self._max_head_bytes:
                self.lost = "head_too_long"
            return -1
        raw = data[pos:end]
        half.start_ns = half.start_ns or half.time_ns(pos)
        half.size_bytes, half.stop = end - pos, end
        if STATUS_LINE.match(raw):
            self._response(half, raw, end)
        elif REQUEST_LINE.match(raw):
            self._request(half, raw, end)
        else:
            self.lost = "not_http"
        return end

    def _request(self, half: Half, raw: bytes, end: int) -> None:
        if self._requests != half.direction and not self._is_role(requests=half.direction):
            return
        if len(self._methods) >= self._max_waiting:
            self.lost = "too_many_unanswered"
            return
        self._methods.append(raw[: raw.find(b" ")])
        if self._switch is None and may_switch(raw):
            self._switch = Switch(raw)
        self._body(half, HttpPayload(raw, True, self._limit_bytes), request_framing(raw), end)

    def _response(self, half: Half, raw: bytes, end: int) -> None:
        if self._requests != 1 - half.direction and not self._is_role(requests=1 - half.direction):
            return
        status = raw[9:12]
        if status[0] == 49 and status != b"101":  # 1xx announces the answer, it is none (RFC 9110, 15.2)
            half.start_ns = 0
            return
        if half.after_gap:
            while len(self._methods) > 1:
                self._methods.pop(0)
        method = self._methods.pop(0) if self._methods else b""
        asking = self._is_busy(1 - half.direction)
        half.early = asking and not self._methods and method != b""
        if half.early and self._halves is not None and may_leave_out(asker := self._halves[1 - half.direction]):
            asker.step = left_out
        framing = response_framing(raw, method, status)
        if self._switch is not None and self._halves is not None and not self._methods and framing[0] != "tunnel":
            self._go_on(self._switch, self._halves[1 - half.direction])
        self._body(half, HttpPayload(raw, False, self._limit_bytes), framing, end)

    def _is_busy(self, direction: int) -> bool:
        """Whether a message of this direction is arriving."""
        return self._halves is not None and self._halves[direction].payload is not None

    def _is_role(self, requests: int) -> bool:
        """Whether ``requests`` is the direction of requests; what sends both is not HTTP."""
        if self._requests < 0:
            self._requests = requests
        if self._requests != requests:
            self.lost = "both_roles"
        return not self.lost

    def _body(self, half: Half, payload: HttpPayload, framing: Framing, end: int) -> None:
        how, half.remaining = framing
        half.payload = payload
        if how == "bad":
            self.break_off(half, "request: bad length" if payload.is_request else "response: bad length")
        elif how == "tunnel" or (how == "length" and not half.remaining):
            self.finish(half, half.time_ns(end - 1))
            if how == "tunnel":
                self.lost, self.successor = (
                    "switched_protocol",
                    successor_of(self._switch, payload.head, half.rest(end)),
                )
        else:
            half.step = STEPS[how]

    def finish(self, half: Half, end_ns: int) -> None:
        """The message of ``half`` is whole, or as whole as it gets."""
        payload = half.payload
        assert payload is not None
        message = Message(
            payload.is_request, half.direction, None, half.start_ns, end_ns, half.size_bytes, payload, half.after_gap
        )
        half.payload, half.step, half.start_ns, half.after_gap = None, head, 0, False
        if payload.is_request and self._switch is not None:
            half.step = wait
            self._switch.request = message
        if payload.is_request:
            self._done.append(message)
            self._done += self._early
            self._early = []
        elif half.early and self._is_busy(1 - half.direction):
            self._early.append(message)
            self.lost = "too_many_early_responses" if len(self._early) > MAX_EARLY else self.lost
        else:
            self._done.append(message)

    def break_off(self, half: Half, reason: str) -> None:
        """The framing is lost: what there is of the message goes out, and the next one is looked for."""
        if half.payload is not None:
            half.payload.fault = half.payload.fault or Problem("dissection", reason)
            self.finish(half, half.last_ns())
        half.forget()
        half.step, half.after_gap = hunt, True

    def _skip(self, half: Half, missing: int) -> None:
        """``missing`` bytes were never seen."""
        payload, step = half.payload, half.step
        half.size_bytes += missing
        if payload is not None and step is until_close:
            payload.miss(missing)
        elif payload is not None and step in (by_length, chunk_data) and missing <= half.remaining:
            payload.miss(missing)
            half.remaining -= missing
            if not half.remaining and step is by_length:
                self.finish(half, half.last_ns())
            elif not half.remaining:
                half.step = chunk_end
        else:
            if payload is not None and step is by_length:
                half.size_bytes -= missing - half.remaining
                payload.miss(half.remaining)
            self.break_off(half, "bytes are missing")


def head(stream: Http1, half: Half, data: bytes, pos: int) -> int:
    """The step between two messages."""
    if data[pos] in b"\r\n":  # empty lines before a message (RFC 9112, 2.2)
        return BLANK.match(data, pos).end()  # type: ignore[union-attr] # it matches everything
    return stream.begin(half, data, pos)


def wait(stream: Http1, half: Half, data: bytes, pos: int) -> int:
    """The step behind a request for another protocol."""
    stream.keep_behind(half, pos)
    return len(data)


def hunt(stream: Http1, half: Half, data: bytes, pos: int) -> int:  # noqa: ARG001 - a step
    """The step behind a gap: to the first packet that begins like a message."""
    for start in half.starts(pos):
        if resumes(data[start : start + 8192]):
            half.step = head
            return start
    return len(data)


ROW = ProtocolRow("http", TCP, detect, frozenset((80, 8080)), Http1, describe, leads=leads)
