"""Where messages of memcached begin and end: lines, and behind some of them a block of data with a line end."""

from __future__ import annotations

from engine.dissect.message import Message, Problem
from engine.dissect.options import DissectOptions
from engine.dissect.table import Verdict
from engine.streams.chunk import Chunk
from remora_memcached.text import ANSWERS, COMMANDS, MANY, MemcachedPayload, block_bytes

MAX_LINE_BYTES = 2048
"""Memcached's own limit."""
MAX_LINES = 4096
"""Of one answer."""


def detect(data: bytes) -> Verdict:
    """A command or an answer in the first line. Single words may be chance, so the port must agree."""
    line, end, _ = data[: MAX_LINE_BYTES + 1].partition(b"\n")
    if not end:
        return Verdict.SHORT if len(line) <= MAX_LINE_BYTES and _may_begin(line) else Verdict.NO
    words = line.split()
    if not words or words[0] not in COMMANDS | ANSWERS:
        return Verdict.NO
    return Verdict.SURE if block_bytes(words) >= 0 else Verdict.PLAUSIBLE


def _may_begin(line: bytes) -> bool:
    word, blank, _ = line.partition(b" ")
    known = COMMANDS | ANSWERS
    return word in known if blank else any(each.startswith(word.rstrip(b"\r")) for each in known)


class Memcached:
    """Dissector of one TCP stream."""

    answering = False
    successor = None

    def __init__(self, options: DissectOptions) -> None:
        self.lost = ""
        self._halves = (_Half(options.max_body_bytes), _Half(options.max_body_bytes))

    def feed(self, chunk: Chunk) -> list[Message]:
        """Messages that end in ``chunk``."""
        half, at = self._halves[chunk.direction], 0
        done: list[Message] = []
        if chunk.missing_bytes:
            done += half.break_off(chunk.direction, "bytes are missing")
            at = next((start for start in chunk.starts if detect(chunk.data[start:]) > Verdict.SHORT), len(chunk.data))
        while at < len(chunk.data) and not self.lost:
            at = half.take(chunk, at, done)
            self.lost = half.lost
        return done

    def close(self, reason: str) -> list[Message]:
        """What is half done ends with the stream."""
        self.lost = self.lost or "ended"
        return [
            message
            for direction, half in enumerate(self._halves)
            for message in half.break_off(direction, f"the stream ended inside it ({reason})")
        ]


class _Half:
    """One direction."""

    __slots__ = ("_after_gap", "_block", "_left", "_limit_bytes", "_line", "_payload", "_size", "_start_ns", "lost")

    def __init__(self, limit_bytes: int) -> None:
        self.lost = ""
        self._limit_bytes = limit_bytes
        self._line = b""
        """The beginning of a line."""
        self._block = bytearray()
        self._left = 0
        """Bytes of a block that are still to come, its line end included."""
        self._payload: MemcachedPayload | None = None
        self._size = self._start_ns = 0
        self._after_gap = False

    def take(self, chunk: Chunk, at: int, done: list[Message]) -> int:
        """One line, or what there is of a block; where the next one begins."""
        if not self._size:
            self._start_ns = chunk.time_ns_at(at)
        end = at + self._left if self._left else chunk.data.find(b"\n", at) + 1 or len(chunk.data)
        piece = chunk.data[at:end]
        self._size += len(piece)
        if self._left:
            self._left -= len(piece)
            room = self._limit_bytes + 2 - len(self._block)
            self._block += piece[: max(room, 0)]
            if not self._left:
                self._end_block(chunk, at + len(piece) - 1, done)
        else:
            self._take_line(chunk, piece, at + len(piece) - 1, done)
        return at + len(piece)

    def _take_line(self, chunk: Chunk, piece: bytes, last: int, done: list[Message]) -> None:
        self._line += piece
        if len(self._line) > MAX_LINE_BYTES:
            self.lost = "line_too_long"
        if self.lost or not self._line.endswith(b"\n"):
            return
        line, self._line = self._line.rstrip(b"\r\n"), b""
        words = line.split()
        if not words or words[0] not in COMMANDS | ANSWERS:
            self.lost = "not_memcached"
            return
        if self._payload is None:
            self._payload = MemcachedPayload(words[0] in COMMANDS)
        self._payload.lines.append(line)
        self._payload.blocks.append(b"")
        self._left = block_bytes(words) + 2 if block_bytes(words) >= 0 else 0
        if len(self._payload.lines) > MAX_LINES:
            self.lost = "too_many_lines"
        elif not self._left and words[0] not in MANY:
            self._finish(chunk.direction, chunk.time_ns_at(last), done)

    def _end_block(self, chunk: Chunk, last: int, done: list[Message]) -> None:
        assert self._payload is not None, "a line announced the block"
        block, size = bytes(self._block), len(self._block)
        self._block = bytearray()
        whole = size <= self._limit_bytes + 2 and block.endswith(b"\r\n")
        self._payload.blocks[-1] = block[:-2] if whole else block[: self._limit_bytes]
        if self._payload.lines[-1].split()[0] not in MANY:
            self._finish(chunk.direction, chunk.time_ns_at(last), done)

    def _finish(self, direction: int, end_ns: int, done: list[Message]) -> None:
        payload, self._payload = self._payload, None
        assert payload is not None, "there was a line"
        silent = payload.is_request and payload.lines[0].split()[-1] in (b"noreply", b"quit")
        done.append(
            Message(
                payload.is_request,
                direction,
                None,
                self._start_ns,
                end_ns,
                self._size,
                payload,
                after_gap=self._after_gap,
                alone=silent,
            )
        )
        self._size, self._after_gap = 0, False

    def break_off(self, direction: int, why: str) -> list[Message]:
        """What there is of a message, with an error; nothing of the next one is known."""
        done: list[Message] = []
        if self._payload is not None:
            self._payload.fault = Problem("dissection", why)
            self._finish(direction, self._start_ns, done)
        self._line, self._left, self._size, self._after_gap = b"", 0, 0, True
        self._block = bytearray()
        return done
