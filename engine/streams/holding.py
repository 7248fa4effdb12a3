"""Bytes of one direction that cannot be delivered yet, because something before them is missing.

Positions are sequence numbers made absolute: they do not wrap. Where two packets bring the same bytes, the first one
wins. Touching pieces form an island, so the number of islands is the number of holes, and inserting costs no more than
the islands it joins.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from operator import attrgetter
from typing import NamedTuple

PIECE_COST_BYTES = 200
"""What a piece costs in memory besides its bytes; counted against the limits, so that tiny pieces cannot evade them."""
REMEMBERED_HOLES = 8

_start_of, _end_of = attrgetter("start"), attrgetter("end")


class Piece(NamedTuple):
    """Bytes of one packet. ``data`` is shorter than ``end - start`` where the capture cut the packet."""

    start: int
    end: int
    data: bytes
    time_ns: int

    def part(self, start: int, end: int) -> Piece:
        """What lies in ``start`` to ``end``."""
        return Piece(start, end, self.data[start - self.start : end - self.start], self.time_ns)


class Island:
    """Pieces without a hole between them."""

    __slots__ = ("end", "pieces", "since_ns", "start")

    def __init__(self, start: int, end: int, pieces: list[Piece], since_ns: int) -> None:
        self.start, self.end, self.pieces = start, end, pieces
        self.since_ns = since_ns
        """When its first piece came: since then its bytes wait."""


class Hole(NamedTuple):
    """What was given up."""

    start: int
    end: int
    by_limit: bool


class Late(NamedTuple):
    """How many bytes came after their hole was given up, because of time and because of a limit."""

    by_time: int
    by_limit: int


class Hold:
    """Everything of one direction that is out of the ordinary."""

    __slots__ = ("acked_ns", "bytes", "cost", "fin_at", "holes", "islands", "missing", "progress_ns")

    def __init__(self) -> None:
        self.islands: list[Island] = []
        self.bytes = 0
        """Payload bytes in ``islands``."""
        self.cost = 0
        """Memory in bytes that they are charged for."""
        self.missing = 0
        """Bytes given up that no chunk has told yet."""
        self.fin_at = -1
        """Where a FIN lies that has not been reached; -1: none."""
        self.progress_ns = 0
        """When bytes last came in order; who makes progress need not give up."""
        self.acked_ns = -1
        """When the other side acknowledged bytes behind the first hole; -1: it has not."""
        self.holes: deque[Hole] = deque(maxlen=REMEMBERED_HOLES)

    @property
    def settled(self) -> bool:
        """Nothing is held, awaited or untold."""
        return not self.islands and not self.missing and self.fin_at < 0

    def insert(self, piece: Piece) -> int:
        """Hold what of ``piece`` is not held yet; answers how many payload bytes that was."""
        islands = self.islands
        if islands and piece.start == islands[-1].end:
            islands[-1].pieces.append(piece)
            islands[-1].end = piece.end
            return self._charge([piece])
        first = bisect_left(islands, piece.start, key=_end_of)
        behind = bisect_right(islands, piece.end, key=_start_of)
        if first >= behind:
            islands.insert(first, Island(piece.start, piece.end, [piece], piece.time_ns))
            return self._charge([piece])
        touched = islands[first:behind]
        fresh = _between(piece, touched)
        if fresh:
            islands[first:behind] = [_joined(touched, fresh)]
        return self._charge(fresh)

    def take_first(self) -> Island:
        """Hold the first island no longer."""
        island = self.islands.pop(0)
        size = sum(len(piece.data) for piece in island.pieces)
        self.bytes -= size
        self.cost -= size + PIECE_COST_BYTES * len(island.pieces)
        return island

    def give_up(self, start: int, end: int, by_limit: bool) -> None:
        """Nobody waits for ``start`` to ``end`` any longer."""
        self.missing += end - start
        self.holes.append(Hole(start, end, by_limit))

    def late(self, start: int, end: int) -> Late:
        """How much of ``start`` to ``end`` was given up before; the same bytes are late only once."""
        counts = [0, 0]
        for _ in range(len(self.holes)):
            hole = self.holes.popleft()
            overlap = min(hole.end, end) - max(hole.start, start)
            if overlap <= 0:
                self.holes.append(hole)
                continue
            counts[hole.by_limit] += overlap
            if hole.start < start:
                self.holes.append(hole._replace(end=start))
            if end < hole.end:
                self.holes.append(hole._replace(start=end))
        return Late(*counts)

    def _charge(self, fresh: list[Piece]) -> int:
        size = sum(len(piece.data) for piece in fresh)
        self.bytes += size
        self.cost += size + PIECE_COST_BYTES * len(fresh)
        return size


def _between(piece: Piece, islands: list[Island]) -> list[Piece]:
    """The parts of ``piece`` that lie in none of ``islands``."""
    fresh, at = [], piece.start
    for island in islands:
        if at < island.start:
            fresh.append(piece.part(at, island.start))
        at = max(at, island.end)
    if at < piece.end:
        fresh.append(piece.part(at, piece.end))
    return fresh


def _joined(islands: list[Island], fresh: list[Piece]) -> Island:
    """One island of ``islands`` and the pieces that fill the holes between and around them.

    The largest list takes the others in, so that a piece moves at most log(n) times.
    """
    runs = sorted(
        [(island.start, island.pieces) for island in islands] + [(piece.start, [piece]) for piece in fresh],
        key=lambda run: run[0],
    )
    largest = max(range(len(runs)), key=lambda index: len(runs[index][1]))
    pieces = runs[largest][1]
    pieces[:0] = [piece for _, run in runs[:largest] for piece in run]
    pieces += [piece for _, run in runs[largest + 1 :] for piece in run]
    return Island(pieces[0].start, pieces[-1].end, pieces, min(island.since_ns for island in islands))
