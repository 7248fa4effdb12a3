"""One direction of an HTTP/1 stream: what it is in the middle of, what it holds back, and when bytes were captured.

Only an unfinished head or line is held back, and joined once its end is there, so that no input costs more than linear
time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.dissect.http_framing import head_end
from engine.dissect.http_sections import HttpPayload
from engine.streams.chunk import Chunk

Step = Callable[[Any, "Half", bytes, int], int]
"""Of a stream and one of its halves: takes bytes of ``data`` from ``pos`` on and returns where it stopped; -1: it needs
more than there is."""


class Half:
    """State of one direction."""

    __slots__ = (
        "_base",
        "_chunk",
        "_held",
        "_held_bytes",
        "_last_ns",
        "_tail",
        "after_gap",
        "asked_ns",
        "behind_ns",
        "direction",
        "early",
        "idle",
        "payload",
        "remaining",
        "size_bytes",
        "start_ns",
        "step",
        "stop",
    )

    def __init__(self, direction: int, step: Step) -> None:
        self.direction = direction
        self.step = step
        self.idle = True
        """Between two messages, with nothing held and nothing lost: all that is below means nothing."""
        self.payload: HttpPayload | None = None
        """The message whose body is arriving."""
        self.remaining = 0
        """Bytes that its body, or the chunk of its body, still lacks."""
        self.start_ns = 0
        self.stop = 0
        """Behind the last byte of the message in the bytes at hand; 0: none of them was looked at."""
        self.size_bytes = 0
        self.early = False
        """The response that is arriving answers the request that is arriving."""
        self.after_gap = False
        self.asked_ns = 0
        """Of a request that was answered before its body: when its head ended."""
        self.behind_ns = 0
        """When what is behind that head began; 0: it has not."""
        self._chunk: Chunk | None = None
        self._base = 0
        """Held bytes in front of the chunk's own."""
        self._last_ns = 0
        """When the last byte of the chunk before was captured."""
        self._held: list[bytes] = []
        """The beginning of a head or line."""
        self._held_bytes = 0
        self._tail = b""
        """The last bytes of ``_held``, where its end may begin."""

    @property
    def held_bytes(self) -> int:
        """Of the message that is arriving."""
        return self._held_bytes + (0 if self.payload is None else self.payload.kept_bytes + len(self.payload.head))

    def take(self, chunk: Chunk, limit_bytes: int) -> bytes:
        """The bytes at hand: what was held and those of ``chunk``, once they end a head or line or exceed the limit."""
        self._chunk, self._base, self.stop = chunk, 0, 0
        if not self._held:
            return chunk.data
        data = self._with_held(chunk.data, limit_bytes)
        self._base = len(data) - len(chunk.data)
        return data

    def let_go(self, first_step: Step) -> None:
        """The bytes at hand have been looked at; ``first_step`` is that of a new message."""
        assert self._chunk is not None
        self._last_ns, self._chunk, self.stop = self._chunk.times_ns[-1], None, 0
        self.idle = (
            self.payload is None and self.step is first_step and not (self._held or self.start_ns or self.after_gap)
        )

    @property
    def holds_nothing(self) -> bool:
        """All bytes that came so far were taken."""
        return not self._held

    def hold(self, rest: bytes, pos: int) -> None:
        """``rest``, which lies at ``pos``, is the beginning of something."""
        if not self._held and self.payload is None:
            self.start_ns = self.start_ns or self.time_ns(pos)
        self._held, self._held_bytes, self._tail = [rest], len(rest), rest[-3:]

    def forget(self) -> None:
        """Hold nothing: the message that began is lost."""
        self._held, self._held_bytes, self.start_ns = [], 0, 0

    def starts(self, pos: int) -> list[int]:
        """Where, from ``pos`` on, packets begin in the bytes at hand."""
        assert self._chunk is not None
        return [start for offset in self._chunk.starts if (start := offset + self._base) >= pos]

    def rest(self, pos: int) -> Chunk:
        """What of the chunk at hand lies from ``pos`` of the bytes at hand on."""
        assert self._chunk is not None
        return self._chunk.behind(pos - self._base)

    def last_ns(self) -> int:
        """When the last byte of the message so far was captured."""
        return self.time_ns(self.stop - 1) if self.stop else self._last_ns

    def time_ns(self, offset: int) -> int:
        """When byte ``offset`` of the bytes at hand was captured."""
        chunk = self._chunk
        assert chunk is not None
        at = offset - self._base
        if at >= chunk.starts[-1]:  # nearly always asked of a first or of a last byte: a search takes 0.3 us
            return chunk.times_ns[-1]
        return chunk.time_ns_at(at) if at > 0 else chunk.times_ns[0]

    def _is_whole(self, seen: bytes, data: bytes) -> bool:
        """Whether it is worth looking at: the head ends, or what may be the next request begins behind a body."""
        if self.payload is None:
            return head_end(seen, 0) >= 0
        return b"\n" in data or not self.payload.body_bytes

    def _with_held(self, data: bytes, limit_bytes: int) -> bytes:
        seen = self._tail + data
        if self._is_whole(seen, data) or self._held_bytes + len(data) > limit_bytes:
            joined = b"".join([*self._held, data])
            self._held, self._held_bytes = [], 0
            return joined
        self._held.append(data)
        self._held_bytes += len(data)
        self._tail = seen[-3:]
        return b""
