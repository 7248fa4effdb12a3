"""HTTP/1.0 and 1.1 (RFC 9112): where messages begin and end; what is in them is built when somebody looks.

Each direction is a small machine whose step takes what it can of the bytes at hand. Only an unfinished head or line is
held back, and joined once its end is there, so that no input costs more than linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from engine.dissect.http_sections import HttpPayload
from engine.dissect.message import Message, Payload, Problem
from engine.dissect.options import DissectOptions
from engine.dissect.table import ProtocolRow, Verdict, constant
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, TCP

MAX_LINE_BYTES = 4096
"""Chunk size lines with their extensions."""
MAX_EARLY = 64
"""Responses that may come before the end of their request."""

_REQUEST_LINE = re.compile(rb"[!-~]{1,32} [^\r\n]*HTTP/1\.[0-9] *\r?\n")
_REQUEST_START = re.compile(rb"(?:[A-Z][A-Z-]{0,31} [^\r\n]{0,8192}|[A-Z][A-Z-]{0,31})\r?\Z")
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] [1-9][0-9][0-9][ \r\n]")
_BLANK = re.compile(rb"[\r\n]*")
_DIGITS = re.compile(rb"[0-9]{1,18}")
_HEX = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?\r?\Z", re.DOTALL)

Step = Callable[["Http1", "_Half", bytes, int], int]
Framing = tuple[str, int]
"""How long the body is: ``("length", n)``, ``("chunked", 0)``, ``("close", 0)`` or ``("tunnel", 0)``."""


def detect(data: bytes) -> Verdict:
    """A request line or a status line, whatever the method is called."""
    if _STATUS_LINE.match(data) or _REQUEST_LINE.match(data):
        return Verdict.SURE
    if len(data) < 13 and b"HTTP/1.".startswith(data[:7]):
        return Verdict.SHORT
    return Verdict.SHORT if _REQUEST_START.match(data) else Verdict.NO


class _Half:
    """One direction: what it is in the middle of."""

    __slots__ = (
        "after_gap",
        "direction",
        "early",
        "held",
        "held_bytes",
        "last_ns",
        "payload",
        "remaining",
        "size_bytes",
        "start_ns",
        "step",
        "stop",
        "tail",
    )

    def __init__(self, direction: int) -> None:
        self.direction = direction
        self.step: Step = Http1._head
        self.payload: HttpPayload | None = None
        """The message whose body is arriving."""
        self.remaining = 0
        """Bytes that its body, or the chunk of its body, still lacks."""
        self.start_ns = 0
        self.last_ns = 0
        """When the last byte of the chunk before was captured."""
        self.stop = 0
        """Behind the last byte of the message in the bytes at hand; 0: none of them was looked at."""
        self.size_bytes = 0
        self.early = False
        """The response that is arriving answers the request that is arriving."""
        self.after_gap = False
        self.held: list[bytes] = []
        """The beginning of a head or line."""
        self.held_bytes = 0
        self.tail = b""
        """The last bytes of ``held``, where its end may begin."""


class Http1:
    """Dissector of one TCP stream."""

    __slots__ = (
        "_base",
        "_chunk",
        "_done",
        "_early",
        "_halves",
        "_limit_bytes",
        "_max_head_bytes",
        "_max_waiting",
        "_methods",
        "_requests",
        "lost",
    )

    def __init__(self, options: DissectOptions) -> None:
        self.lost = ""
        self._limit_bytes = options.max_body_bytes
        self._max_head_bytes = options.max_header_bytes
        self._max_waiting = options.max_pending * 2
        self._halves = (_Half(CLIENT), _Half(SERVER))
        self._requests: int = -1
        """The direction that sends requests; -1: not yet known."""
        self._methods: list[bytes] = []
        """Of the requests whose response has not begun; few enough for a list."""
        self._early: list[Message] = []
        self._done: list[Message] = []
        self._chunk: Chunk | None = None
        self._base = 0
        """Held bytes in front of the chunk's own."""

    @property
    def answering(self) -> bool:
        """A response is arriving."""
        payloads = (half.payload for half in self._halves)
        return any(payload is not None and not payload.is_request for payload in payloads)

    def feed(self, chunk: Chunk) -> list[Message]:
        """Messages that end in ``chunk``."""
        if self.lost:
            return []
        half = self._halves[chunk.direction]
        self._chunk, self._base = chunk, 0
        if chunk.missing_bytes:
            self._skip(half, chunk.missing_bytes)
        data = chunk.data
        if half.held:
            data = self._with_held(half, data)
            self._base = len(data) - len(chunk.data)
        self._advance(half, data)
        half.last_ns, half.stop = chunk.times_ns[-1], 0
        done, self._done, self._chunk = self._done, [], None
        return done

    def close(self, reason: str) -> list[Message]:
        """Messages that the end of the stream ends or cuts short."""
        self.lost = self.lost or "ended"
        client, server = self._halves
        if client.payload is None and server.payload is None and not self._early:
            return []  # between two messages
        if reason == "closed":
            for half in self._halves:
                if half.step is Http1._until_close:
                    self._finish(half, self._last_ns(half))
        kind = "connection" if reason in ("reset", "closed") else "dissection"
        self._cut_short(Problem(kind, f"the stream ended inside it ({reason})"))
        done, self._done = self._done, []
        return done

    def _cut_short(self, problem: Problem) -> None:
        """What is arriving will never be whole."""
        for half in self._halves:
            if half.payload is not None:
                which = "request" if half.payload.is_request else "response"
                half.payload.fault = half.payload.fault or Problem(problem.type, f"{which}: {problem.msg}")
                self._finish(half, self._last_ns(half))
        self._done += self._early
        self._early = []

    # One step takes bytes of ``data`` from ``pos`` on and returns where it stopped; -1: it needs more than there is.

    def _advance(self, half: _Half, data: bytes) -> None:
        pos, size = 0, len(data)
        while pos < size and not self.lost:
            stopped = half.step(self, half, data, pos)
            if stopped < 0:
                self._hold(half, data[pos:], pos)
                break
            pos = stopped
        if self.lost:
            self._cut_short(Problem("dissection", self.lost))

    def _head(self, half: _Half, data: bytes, pos: int) -> int:
        if data[pos] in b"\r\n":  # empty lines before a message (RFC 9112, 2.2)
            return _BLANK.match(data, pos).end()  # type: ignore[union-attr] # it matches everything
        end = _head_end(data, pos)
        if end < 0 or end - pos > self._max_head_bytes:
            if max(end, len(data)) - pos > self._max_head_bytes:
                self.lost = "head_too_long"
            return -1
        head = data[pos:end]
        half.start_ns = half.start_ns or self._time_ns(pos)
        half.size_bytes, half.stop = end - pos, end
        if _STATUS_LINE.match(head):
            self._response(half, head, end)
        elif _REQUEST_LINE.match(head):
            self._request(half, head, end)
        else:
            self.lost = "not_http"
        return end

    def _request(self, half: _Half, head: bytes, end: int) -> None:
        if self._requests != half.direction and not self._is_role(requests=half.direction):
            return
        if len(self._methods) >= self._max_waiting:
            self.lost = "too_many_unanswered"
            return
        self._methods.append(head[: head.find(b" ")])
        self._begin(half, HttpPayload(head, True, self._limit_bytes), _request_framing(head), end)

    def _response(self, half: _Half, head: bytes, end: int) -> None:
        if self._requests != 1 - half.direction and not self._is_role(requests=1 - half.direction):
            return
        status = head[9:12]
        if status[0] == 49 and status != b"101":  # 1xx announces the answer, it is none (RFC 9110, 15.2)
            half.start_ns = 0
            return
        if half.after_gap:
            while len(self._methods) > 1:
                self._methods.pop(0)
        method = self._methods.pop(0) if self._methods else b""
        asking = self._halves[1 - half.direction].payload is not None
        half.early = asking and not self._methods and method != b""
        self._begin(half, HttpPayload(head, False, self._limit_bytes), _response_framing(head, method, status), end)

    def _is_role(self, requests: int) -> bool:
        """Whether ``requests`` is the direction of requests; what sends both is not HTTP."""
        if self._requests < 0:
            self._requests = requests
        if self._requests != requests:
            self.lost = "both_roles"
        return not self.lost

    def _begin(self, half: _Half, payload: HttpPayload, framing: Framing, end: int) -> None:
        how, half.remaining = framing
        half.payload = payload
        if how == "bad":
            self.lost = "bad_length"  # which also sends out what there is
        elif how == "tunnel" or (how == "length" and not half.remaining):
            self._finish(half, self._time_ns(end - 1))
            self.lost = "switched_protocol" if how == "tunnel" else self.lost
        else:
            half.step = _STEPS[how]

    def _body(self, half: _Half, data: bytes, pos: int) -> int:
        end = self._take(half, data, pos)
        if not half.remaining:
            self._finish(half, self._time_ns(end - 1))
        return end

    def _until_close(self, half: _Half, data: bytes, pos: int) -> int:
        half.remaining = len(data) - pos
        return self._take(half, data, pos)

    def _take(self, half: _Half, data: bytes, pos: int) -> int:
        end = min(pos + half.remaining, len(data))
        half.payload.keep(data[pos:end])  # type: ignore[union-attr] # steps of a body have one
        half.remaining -= end - pos
        half.size_bytes += end - pos
        half.stop = end
        return end

    def _chunk_size(self, half: _Half, data: bytes, pos: int) -> int:
        end = self._line_end(half, data, pos)
        if end < 0:
            return -1
        size = _HEX.match(data[pos : end - 1])
        if size is None:
            self._break(half, "chunk size expected")
            return end
        half.remaining = int(size[1], 16)
        half.step = Http1._chunk_data if half.remaining else Http1._trailers
        return end

    def _chunk_data(self, half: _Half, data: bytes, pos: int) -> int:
        end = self._take(half, data, pos)
        if not half.remaining:
            half.step = Http1._chunk_end
        return end

    def _chunk_end(self, half: _Half, data: bytes, pos: int) -> int:
        end = self._line_end(half, data, pos)
        if end < 0:
            return -1
        if data[pos:end].strip():
            self._break(half, "end of chunk expected")
            return end
        half.step = Http1._chunk_size
        return end

    def _trailers(self, half: _Half, data: bytes, pos: int) -> int:
        end = self._line_end(half, data, pos)
        if end >= 0 and not data[pos:end].strip():
            self._finish(half, self._time_ns(end - 1))
        return end

    def _line_end(self, half: _Half, data: bytes, pos: int) -> int:
        """Behind the next line feed; -1: not there yet."""
        end = data.find(b"\n", pos, pos + MAX_LINE_BYTES) + 1
        if end:
            half.size_bytes += end - pos
            half.stop = end
            return end
        if len(data) - pos >= MAX_LINE_BYTES:
            self.lost = "line_too_long"
        return -1

    def _hunt(self, half: _Half, data: bytes, pos: int) -> int:
        """Behind a gap: the first packet that begins like a message."""
        assert self._chunk is not None
        for offset in self._chunk.starts:
            start = offset + self._base
            if start >= pos and detect(data[start : start + 8192]) is Verdict.SURE:
                half.step = Http1._head
                return start
        return len(data)

    # What happens at the borders of messages.

    def _finish(self, half: _Half, end_ns: int) -> None:
        payload = half.payload
        assert payload is not None
        message = Message(
            payload.is_request, half.direction, None, half.start_ns, end_ns, half.size_bytes, payload, half.after_gap
        )
        half.payload, half.step, half.start_ns, half.after_gap = None, Http1._head, 0, False
        if payload.is_request:
            self._done.append(message)
            self._done += self._early
            self._early = []
        elif half.early and self._halves[1 - half.direction].payload is not None:
            self._early.append(message)
            self.lost = "too_many_early_responses" if len(self._early) > MAX_EARLY else self.lost
        else:
            self._done.append(message)

    def _break(self, half: _Half, reason: str) -> None:
        """The framing is lost: what there is of the message goes out, and the next one is looked for."""
        if half.payload is not None:
            half.payload.fault = half.payload.fault or Problem("dissection", reason)
            self._finish(half, self._last_ns(half))
        half.held, half.held_bytes, half.start_ns = [], 0, 0
        half.step, half.after_gap = Http1._hunt, True

    def _skip(self, half: _Half, missing: int) -> None:
        """``missing`` bytes were never seen."""
        payload, step = half.payload, half.step
        half.size_bytes += missing
        if payload is not None and step is Http1._until_close:
            payload.miss(missing)
        elif payload is not None and step in (Http1._body, Http1._chunk_data) and missing <= half.remaining:
            payload.miss(missing)
            half.remaining -= missing
            if not half.remaining and step is Http1._body:
                self._finish(half, self._last_ns(half))
            elif not half.remaining:
                half.step = Http1._chunk_end
        else:
            if payload is not None and step is Http1._body:
                half.size_bytes -= missing - half.remaining
                payload.miss(half.remaining)
            self._break(half, "bytes are missing")

    def _hold(self, half: _Half, rest: bytes, pos: int) -> None:
        if not half.held and half.payload is None:
            half.start_ns = half.start_ns or self._time_ns(pos)
        half.held, half.held_bytes, half.tail = [rest], len(rest), rest[-3:]

    def _with_held(self, half: _Half, data: bytes) -> bytes:
        """What was held and ``data``, if that ends a head or line; else nothing yet."""
        seen = half.tail + data
        ends = _head_end(seen, 0) >= 0 if half.payload is None else b"\n" in data
        if ends or half.held_bytes + len(data) > self._max_head_bytes:
            joined = b"".join([*half.held, data])
            half.held, half.held_bytes = [], 0
            return joined
        half.held.append(data)
        half.held_bytes += len(data)
        half.tail = seen[-3:]
        return b""

    def _last_ns(self, half: _Half) -> int:
        """When the last byte of the message so far was captured."""
        return self._time_ns(half.stop - 1) if half.stop else half.last_ns

    def _time_ns(self, offset: int) -> int:
        """When byte ``offset`` of the bytes at hand was captured."""
        chunk = self._chunk
        assert chunk is not None
        at = offset - self._base
        if at >= chunk.starts[-1]:  # nearly always asked of a first or of a last byte: a search takes 0.3 us
            return chunk.times_ns[-1]
        return chunk.time_ns_at(at) if at > 0 else chunk.times_ns[0]


_STEPS: dict[str, Step] = {"length": Http1._body, "chunked": Http1._chunk_size, "close": Http1._until_close}


def _head_end(data: bytes, pos: int) -> int:
    """Behind the empty line that ends a head, CR LF or bare LF; -1: not there yet."""
    end = data.find(b"\n\r\n", pos)
    bare = data.find(b"\n\n", pos, end if end >= 0 else len(data))
    return bare + 2 if bare >= 0 else end + 3 if end >= 0 else -1


def _field(lowered: bytes, name: bytes) -> bytes | None:
    """The value of ``name`` (a line feed and the name) in a head in lower case; repeats joined by a comma."""
    at = lowered.find(name)
    if at < 0:
        return None
    if lowered.find(name, at + 1) < 0 and lowered[at + len(name)] == 58:  # the usual case, at half the cost
        return lowered[at + len(name) + 1 : lowered.find(b"\n", at + 1)].strip()
    found: list[bytes] = []
    while at >= 0:
        line = lowered[at + len(name) : lowered.find(b"\n", at + 1)]
        before, colon, value = line.partition(b":")
        if colon and not before.strip():
            found.append(value.strip())
        at = lowered.find(name, at + 1)
    return b",".join(found) if found else None


def _length(value: bytes) -> Framing:
    """RFC 9112, 6.3: several lengths must agree."""
    if value.isdigit() and len(value) < 19:
        return "length", int(value)
    lengths = {part.strip() for part in value.split(b",")}
    if len(lengths) != 1 or not _DIGITS.fullmatch(min(lengths)):
        return "bad", 0
    return "length", int(min(lengths))


def _request_framing(head: bytes) -> Framing:
    lowered = head.lower()
    if b"\ntransfer-encoding" in lowered:
        coding = _field(lowered, b"\ntransfer-encoding")
        if coding is not None:
            return ("chunked", 0) if coding.endswith(b"chunked") else ("bad", 0)
    length = _field(lowered, b"\ncontent-length") if b"\ncontent-length" in lowered else None
    return ("length", 0) if length is None else _length(length)


def _response_framing(head: bytes, method: bytes, status: bytes) -> Framing:
    if status == b"101" or (method == b"CONNECT" and status[:1] == b"2"):
        return "tunnel", 0
    if method == b"HEAD" or status in (b"204", b"304"):
        return "length", 0
    lowered = head.lower()
    if b"\ntransfer-encoding" in lowered:
        coding = _field(lowered, b"\ntransfer-encoding")
        if coding is not None:
            return ("chunked", 0) if coding.endswith(b"chunked") else ("close", 0)
    length = _field(lowered, b"\ncontent-length")
    return ("close", 0) if length is None else _length(length)


def _constant(version: str) -> dict[str, Any]:
    reference = {"1.0": "https://www.rfc-editor.org/rfc/rfc1945", "1.1": "https://www.rfc-editor.org/rfc/rfc9112"}
    return constant(
        "http",
        version,
        "HTTP",
        f"Hypertext Transfer Protocol -- HTTP/{version}",
        macro="http",
        colour="#416CDE",
        reference=reference[version],
        ports=["80", "443", "8080"],
        layer4="tcp",
        priority=0,
    )


HTTP_1_0, HTTP_1_1 = _constant("1.0"), _constant("1.1")


def describe(request: Payload | None, response: Payload | None) -> dict[str, Any]:
    """HTTP/1.0 or HTTP/1.1, as the request says; without one, as the response does."""
    payload = request or response
    assert isinstance(payload, HttpPayload)
    if payload.is_request:
        line = payload.head[: payload.head.find(b"\n")].rstrip()
        return HTTP_1_0 if line.endswith(b"1.0") else HTTP_1_1
    return HTTP_1_0 if payload.head[5:8] == b"1.0" else HTTP_1_1


ROW = ProtocolRow("http", TCP, detect, frozenset((80, 8080)), Http1, describe)
