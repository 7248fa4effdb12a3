"""Frames that say how long they are, out of the bytes of one direction; found again behind a gap."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from engine.streams.chunk import Chunk


class Frame(NamedTuple):
    """One frame, or as much of it as there is."""

    data: bytes
    """From its first byte on, up to the limit and up to the first byte that was not captured."""
    size_bytes: int
    """On the wire, with what is not in ``data``."""
    start_ns: int
    end_ns: int
    fault: str
    """What the capture lacks of it, else empty."""
    after_gap: bool
    """Frames may be missing just before it."""


class Grammar(Protocol):
    """How frames of one protocol look. Total."""

    head_bytes: int
    """So many bytes tell how long a frame is."""

    def size_of(self, data: bytes, at: int) -> int:
        """Bytes of the frame whose head is at ``at``; 0: no frame begins so."""

    def ends_well(self, first: int, last: int) -> bool:
        """Whether a frame may have these as its first and its last byte."""

    def find(self, chunk: Chunk, at: int) -> tuple[int, bool]:
        """Where a frame begins, from ``at`` on, and True; or, and False, where too few bytes are left to tell."""


class Framed:
    """One direction of one stream. Holds at most ``limit_bytes`` of a frame."""

    __slots__ = (
        "_after_gap", "_begun", "_gap_at", "_grammar", "_have", "_held", "_last_ns", "_limit_bytes", "_size",
        "_start_ns", "broken", "hunting", "loose",
    )  # fmt: skip

    def __init__(self, grammar: Grammar, limit_bytes: int) -> None:
        self._grammar = grammar
        self._limit_bytes = limit_bytes
        self._begun = bytearray()
        """The frame that has begun, as ``Frame.data``; in one piece, since it may come in ever so many."""
        self._have = 0
        """Bytes of it that went by, missing ones included."""
        self._size = 0
        """What it will have; 0 while its head is not complete."""
        self._gap_at = -1
        """Where bytes are missing in it."""
        self._start_ns = self._last_ns = 0
        self._after_gap = False
        self._held: Chunk | None = None
        """While hunting: what is too short to tell."""
        self.hunting = False
        """Where the next frame begins is not known."""
        self.loose = False
        """It was not known before, so what was taken for a frame may be none: hunt again instead of giving up."""
        self.broken = False
        """What came is no frame; nothing more will be found."""

    @property
    def busy(self) -> bool:
        """A frame has begun and is not at its end."""
        return self._have > 0

    @property
    def held_bytes(self) -> int:
        """Of the frame that has begun."""
        return len(self._begun)

    def hunt(self) -> None:
        """What was found is no frame after all, or the stream began before the capture did."""
        self.hunting = self.loose = True

    def take(self, chunk: Chunk) -> list[Frame]:
        """The frames that end in ``chunk``."""
        frames: list[Frame] = []
        if chunk.missing_bytes:
            self._miss(chunk.missing_bytes, frames)
        elif self._held is not None:
            chunk, self._held = _joined(self._held, chunk), None
        at = 0
        size = len(chunk.data)
        while at < size and not self.broken:
            if self.hunting:
                at = self._hunted(chunk, at)
            elif self._have or (at := self._whole(chunk, at, frames)) < size:
                at = self._advance(chunk, at, frames)
        self._last_ns = chunk.times_ns[-1]
        return frames

    def rest(self) -> Frame | None:
        """What there is of a frame at the end of the stream; None where not even its head is."""
        if not self._size:
            return None
        return self._finish(self._last_ns, "")

    def _hunted(self, chunk: Chunk, at: int) -> int:
        at, found = self._grammar.find(chunk, at)
        if found:
            self.hunting = False
            return at
        if at < len(chunk.data):
            self._held = chunk.behind(at)
        return len(chunk.data)

    def _whole(self, chunk: Chunk, at: int, frames: list[Frame]) -> int:
        """Take the frames that lie in ``chunk`` from end to end, as most do; where they end."""
        data, size, grammar, times_ns = chunk.data, len(chunk.data), self._grammar, chunk.times_ns
        at_once = len(times_ns) == 1
        while at + grammar.head_bytes <= size:
            count = grammar.size_of(data, at)
            end = at + count
            if not 0 < count <= self._limit_bytes or end > size or not grammar.ends_well(data[at], data[end - 1]):
                break
            start_ns = times_ns[0] if at_once else chunk.time_ns_at(at)
            end_ns = times_ns[0] if at_once else chunk.time_ns_at(end - 1)
            frames.append(Frame(data[at:end], count, start_ns, end_ns, "", self._after_gap))
            self._after_gap = False
            at = end
        return at

    def _advance(self, chunk: Chunk, at: int, frames: list[Frame]) -> int:
        """Take what the frame at hand can have of the bytes from ``at`` on; where the next one begins."""
        data = chunk.data
        if not self._size:
            at = self._take_head(chunk, at)
            if not self._size:
                return at
        count = min(self._size - self._have, len(data) - at)
        if self._gap_at < 0 and count and (room := self._limit_bytes - len(self._begun)) > 0:
            self._begun += data[at : at + min(count, room)]
        self._have += count
        at += count
        if self._have == self._size:
            first = self._begun[0]
            frames.append(self._finish(chunk.time_ns_at(max(at - 1, 0)), ""))
            if not self._grammar.ends_well(first, data[at - 1]):
                frames.pop()
                self._lose_course()
        return at

    def _take_head(self, chunk: Chunk, at: int) -> int:
        head_bytes, data = self._grammar.head_bytes, chunk.data
        if not self._have:
            self._start_ns = chunk.time_ns_at(at)
        count = min(head_bytes - self._have, len(data) - at)
        self._begun += data[at : at + count]
        self._have += count
        if self._have == head_bytes:
            self._size = self._grammar.size_of(bytes(self._begun), 0)
            if self._size < head_bytes:
                self._lose_course()
        return at + count

    def _miss(self, count: int, frames: list[Frame]) -> None:
        """``count`` bytes were not captured."""
        self.loose, self._held = True, None
        if self._size and count <= self._size - self._have:
            if self._gap_at < 0:
                self._gap_at = self._have
            self._have += count
            if self._have == self._size:
                frames.append(self._finish(self._last_ns, ""))
            return
        if self._size:
            frames.append(self._finish(self._last_ns, f"bytes are missing after {self._have}"))
        self._reset()
        self.hunting = self._after_gap = True

    def _lose_course(self) -> None:
        self._reset()
        if self.loose:
            self.hunting = self._after_gap = True
        else:
            self.broken = True

    def _finish(self, end_ns: int, fault: str) -> Frame:
        if self._gap_at >= 0:
            fault = f"bytes are missing after {self._gap_at}"
        frame = Frame(bytes(self._begun), self._size, self._start_ns, end_ns, fault, self._after_gap)
        self._after_gap = False
        self._reset()
        return frame

    def _reset(self) -> None:
        self._begun = bytearray()
        self._have, self._size, self._gap_at = 0, 0, -1


def _joined(first: Chunk, second: Chunk) -> Chunk:
    shift = len(first.data)
    starts = [*first.starts, *(start + shift for start in second.starts)]
    return first._replace(data=first.data + second.data, starts=starts, times_ns=[*first.times_ns, *second.times_ns])
