"""Where values of RESP (2 and 3) end, one direction at a time: nothing is decoded, and nothing recurses.

What a value still lacks is a number: an array of three adds three, each element takes one away. Only what does not say
how long it is (``*?``, ``$?``) needs a stack, of those numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from engine.streams.chunk import Chunk

MAX_LINE_BYTES = 64 << 10
"""Lines of types and lengths, simple strings, inline commands; Redis takes no longer ones either."""
MANY_PARTS = 64
"""Of one value; more are joined."""
MAX_STREAMED = 64
"""Aggregates of unknown length inside one another."""
_MAX_LENGTH = 1 << 40
_OPEN = 1 << 60
"""Lacks an aggregate of unknown length, until its end comes."""
_BULKS, _LINES = frozenset(b"$!=;"), frozenset(b"+-:_#,(")
_AGGREGATES = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2, ord("|"): 2}
"""Elements for each one that the length counts."""
_BULK, _COMMAND, _ATTRIBUTE, _PIECE, _END = b"$*|;."
_RESUMES = re.compile(
    rb"[+-][^\r\n]{0,512}\r\n|:-?[0-9]{1,19}\r\n|[$!=]-?[0-9]{1,9}\r\n|_\r\n|#[tf]\r\n|,[^\r\n]{1,64}\r\n|"
    rb"\([+-]?[0-9]+\r\n|[*%~>|]-?[0-9]{1,7}\r\n(?:[-+:$*%~_#,(!=]|\Z)"
)
_RESUMES_AS_COMMAND = re.compile(rb"\*[1-9][0-9]{0,6}\r\n\$[0-9]{1,9}\r\n")
"""How a packet begins that goes on behind a gap."""


def is_plain(data: bytes, is_command: bool) -> bool:
    """Whether ``data`` is one value and nothing else: an array of strings and lines, a string or a line.

    As nearly all chunks are; it takes a quarter of what the machine does. False where it may be one all the same.
    """
    size, pos, left = len(data), 0, 1
    try:
        if data[0] == _COMMAND:
            pos = data.find(b"\n") + 1
            left = int(data[1:pos])
            if left < -1:
                return False
        elif is_command:
            return False  # a line
        while left > 0:
            left -= 1
            sign, end = data[pos], data.find(b"\n", pos) + 1
            if not end:
                return False
            if sign == _BULK:
                length = int(data[pos + 1 : end])
                if length >= 0:
                    end += length + 2
                    if data[end - 2 : end] != b"\r\n":
                        return False
                elif length < -1:
                    return False
            elif sign not in _LINES:
                return False
            pos = end
    except (ValueError, IndexError):
        return False
    return pos == size


class Side:
    """State of one direction, and the value that has just ended in it."""

    __slots__ = (
        "_base",
        "_bulk",
        "_chunk",
        "_held",
        "_held_bytes",
        "_held_ns",
        "_hunting",
        "_limit_bytes",
        "_pending",
        "_streams",
        "after_gap",
        "direction",
        "end_ns",
        "gap",
        "kept_bytes",
        "lost",
        "of_requests",
        "parts",
        "size_bytes",
        "start_ns",
    )

    def __init__(self, direction: int, limit_bytes: int) -> None:
        self.direction = direction
        self.of_requests = False
        self.lost = ""
        """Why nothing more is taken, else empty."""
        self.parts: list[bytes | bytearray] = []
        """The value, up to its first gap and up to the limit."""
        self.kept_bytes = 0
        self.size_bytes = 0
        """Of the value on the wire."""
        self.start_ns = self.end_ns = 0
        self.gap = False
        """Bytes of the value are missing."""
        self.after_gap = False
        """Values may be missing before it."""
        self._limit_bytes = limit_bytes
        self._pending = 0
        """Elements that the value still lacks; 0: between two values."""
        self._bulk = 0
        """Bytes that a string still lacks, with its line end."""
        self._streams: list[int] = []
        """What was pending around aggregates of unknown length."""
        self._held: list[bytes] = []
        """The beginning of a line."""
        self._held_bytes = 0
        self._held_ns = 0
        self._hunting = False
        self._chunk: Chunk | None = None
        self._base = 0
        """Held bytes in front of the chunk's own."""

    @property
    def arriving(self) -> bool:
        """A part of a value is there."""
        return self._pending > 0 or self._held_bytes > 0

    def feed(self, chunk: Chunk, found: Callable[[Side], None]) -> None:
        """Take ``chunk``; ``found`` is called at the end of every value, and once for one that a gap breaks off."""
        if chunk.missing_bytes:
            self._skip(chunk.missing_bytes, found)
        data, self._chunk, self._base = chunk.data, chunk, 0
        if not (self._pending or self._held_bytes or self._hunting) and is_plain(data, self.of_requests):
            self._keep(data)
            self.start_ns, self.end_ns = chunk.times_ns[0], self._time_ns(len(data) - 1)
            self._tell(found)
            return
        if self._held_bytes:
            if b"\n" not in data:
                self._hold(data)
                return
            self._base = self._held_bytes
            data = b"".join([*self._held, data])
            self._held, self._held_bytes = [], 0
        self._scan(data, self._hunt(data) if self._hunting else 0, found)

    def flush(self, found: Callable[[Side], None]) -> None:
        """What is arriving will never be whole."""
        if self._pending:
            self._tell(found)
        elif self._held_bytes:
            self.start_ns = self._held_ns
            self._keep(b"".join(self._held))
            self._tell(found)
        self._pending, self._held, self._held_bytes = 0, [], 0

    def _scan(self, data: bytes, pos: int, found: Callable[[Side], None]) -> None:
        """The loop: one turn for each element, half a microsecond."""
        size, begin, pending = len(data), pos, self._pending
        while pos < size and not self.lost:
            if self._bulk:
                taken = min(self._bulk, size - pos)
                pos, self._bulk = pos + taken, self._bulk - taken
                pending -= not self._bulk
            else:
                end = data.find(b"\n", pos) + 1
                if not end:
                    break
                if pending:
                    pos, pending = self._element(data, pos, end, pending)
                else:
                    begin, self.start_ns = pos, self._time_ns(pos)
                    if self.of_requests and data[pos] != _COMMAND:
                        pos = end  # an inline command is a line
                    else:
                        pos, pending = self._element(data, pos, end, 1)
            if not pending and not self.lost:
                self._keep(data[begin:pos])
                self.end_ns = self._time_ns(pos - 1)
                begin, self._pending = pos, 0
                self._tell(found)
        self._pending = pending
        if pending:
            self._keep(data[begin:pos])
            self.end_ns = self._time_ns(pos - 1) if pos else self.end_ns
        if pos < size and not self.lost:
            self._held_ns = self._time_ns(pos)
            self._hold(data[pos:])

    def _element(self, data: bytes, pos: int, end: int, pending: int) -> tuple[int, int]:
        """Behind the element at ``pos``, whose first line ends at ``end``, and what is pending then."""
        kind = data[pos]
        if kind in _LINES:
            return end, pending - 1
        if kind == _END:
            return end, self._close()
        try:
            length = int(data[pos + 1 : end])
        except ValueError:
            return end, self._open(data[pos + 1 : end], pending)
        if kind in _BULKS:
            return self._string(data, end, length, kind == _PIECE, pending)
        elements = _AGGREGATES.get(kind)
        if elements is None or not -1 <= length < _MAX_LENGTH:
            self.lost = "not_redis" if elements is None else "bad_length"
            return end, pending
        return end, pending - 1 + max(length, 0) * elements + (kind == _ATTRIBUTE)

    def _string(self, data: bytes, pos: int, length: int, piece: bool, pending: int) -> tuple[int, int]:
        """Behind a string that begins at ``pos``; a piece of one of unknown length is no element, but for the last."""
        if not -1 <= length < _MAX_LENGTH:
            self.lost = "bad_length"
        if piece and length < 1:
            return pos, self._close()
        pending += piece
        if length < 0:
            return pos, pending - 1
        end = pos + length + 2
        if end > len(data):
            self._bulk = end - len(data)
            return len(data), pending
        if data[end - 2 : end] != b"\r\n":
            self.lost = "bad_length"
        return end, pending - 1

    def _open(self, length: bytes, pending: int) -> int:
        """What is pending in an aggregate or string of unknown length."""
        if length.strip() != b"?" or len(self._streams) >= MAX_STREAMED:
            self.lost = "not_redis"
            return pending
        self._streams.append(pending)
        return _OPEN

    def _close(self) -> int:
        """What is pending behind the end of one."""
        if not self._streams:
            self.lost = "not_redis"
            return 1
        return self._streams.pop() - 1

    def _keep(self, data: bytes) -> None:
        self.size_bytes += len(data)
        room = self._limit_bytes - self.kept_bytes
        if not self.gap and room > 0 and data:
            if len(self.parts) < MANY_PARTS:
                self.parts.append(data[:room])
            else:
                self._append(data[:room])
            self.kept_bytes += min(len(data), room)

    def _append(self, data: bytes) -> None:
        """To the last part: a value in segments of one byte takes no more memory than another."""
        last = self.parts[-1]
        if isinstance(last, bytearray):
            last += data
        else:
            self.parts.append(bytearray(data))

    def _tell(self, found: Callable[[Side], None]) -> None:
        """The value is whole, or as whole as it gets."""
        found(self)
        self.parts, self.kept_bytes, self.size_bytes, self.gap, self.after_gap = [], 0, 0, False, False

    def _hold(self, data: bytes) -> None:
        assert self._chunk is not None
        self.end_ns = self._chunk.times_ns[-1]
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > MAX_LINE_BYTES:
            self.lost = "line_too_long"

    def _skip(self, missing: int, found: Callable[[Side], None]) -> None:
        """``missing`` bytes were never seen."""
        if missing <= self._bulk:
            self.gap = True
            self.size_bytes += missing
            self._bulk -= missing
            self._pending -= not self._bulk
            if not self._pending:
                self._tell(found)
            return
        if self._pending:
            self.gap = True
            self._tell(found)
        self._pending, self._bulk, self._held, self._held_bytes, self._streams = 0, 0, [], 0, []
        self._hunting = self.after_gap = True

    def _hunt(self, data: bytes) -> int:
        """Where values go on: at the first packet that begins like one."""
        assert self._chunk is not None
        looks = _RESUMES_AS_COMMAND if self.of_requests else _RESUMES
        for start in self._chunk.starts:  # nothing is held, so that they are places in ``data`` too
            if looks.match(data, start):
                self._hunting = False
                return start
        return len(data)

    def _time_ns(self, offset: int) -> int:
        """When byte ``offset`` of the bytes at hand was captured."""
        at = offset - self._base
        if at < 0:
            return self._held_ns
        assert self._chunk is not None
        return self._chunk.times_ns[-1] if at >= self._chunk.starts[-1] else self._chunk.time_ns_at(at)
