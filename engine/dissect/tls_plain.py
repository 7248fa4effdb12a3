"""The plaintext of a TLS stream, as chunks for the dissector of what is inside."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from engine.dissect.tls_records import HEADER_BYTES, Record
from engine.streams.chunk import Chunk


class _Piece(NamedTuple):
    """The content of one record."""

    chunk: Chunk
    """Where its record lies."""
    content: bytes
    starts: list[int]
    times_ns: list[int]
    missing_bytes: int


class Plaintext:
    """Collects the contents of records; neighbours of one direction become one chunk, as packets do."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []

    def add(self, record: Record, content: bytes, missing_bytes: int) -> None:
        """The content of ``record``, and how much is missing before it."""
        if not content:
            return
        chunk = record.chunk
        begin = record.start + HEADER_BYTES
        first, last = bisect_right(chunk.starts, record.start) - 1, bisect_left(chunk.starts, record.end)
        starts = [0, *(min(max(start - begin, 0), len(content)) for start in chunk.starts[first + 1 : last])]
        self._pieces.append(_Piece(chunk, content, starts, chunk.times_ns[first:last], missing_bytes))

    def take(self) -> list[Chunk]:
        """All of it, in its order; it is forgotten here."""
        pieces, self._pieces = self._pieces, []
        chunks: list[Chunk] = []
        run: list[_Piece] = []
        for piece in pieces:
            if run and (piece.missing_bytes or piece.chunk.direction != run[0].chunk.direction):
                chunks.append(_joined(run))
                run = []
            run.append(piece)
        if run:
            chunks.append(_joined(run))
        return chunks


def _joined(run: list[_Piece]) -> Chunk:
    first = run[0]
    stream, direction = first.chunk.stream, first.chunk.direction
    if len(run) == 1:
        return Chunk(stream, direction, first.content, first.starts, first.times_ns, first.missing_bytes)
    starts: list[int] = []
    times_ns: list[int] = []
    base = 0
    for piece in run:
        starts += [start + base for start in piece.starts]
        times_ns += piece.times_ns
        base += len(piece.content)
    data = b"".join([piece.content for piece in run])
    return Chunk(stream, direction, data, starts, times_ns, first.missing_bytes)
