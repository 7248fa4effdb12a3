"""One direction of a TCP stream, one segment at a time (RFC 9293, 3.4): the careful path.

The quick path of ``reassembly`` only moves ``next``; whatever is not plainly in order comes here.
"""

from __future__ import annotations

from engine.streams.chunk import Chunk
from engine.streams.holding import Hold, Island, Piece
from engine.streams.marks import FIN, SYN
from engine.streams.stream import Stream

ACKED_WAIT_NS = 50_000_000
"""Bytes that the receiver has acknowledged will not be sent again; they can only come late from the capture itself,
which reorders by milliseconds where a network card has several queues."""
_SEQUENCE_MASK = 0xFFFFFFFF


class Half:
    """One direction."""

    __slots__ = ("hold", "next")

    def __init__(self) -> None:
        self.next = -1
        """Absolute position of the next byte in order; its low 32 bits are the sequence number. -1: nothing seen."""
        self.hold: Hold | None = None

    @property
    def ordinary(self) -> bool:
        """Nothing is held or untold, so that the quick path may go on."""
        return self.hold is None or self.hold.settled


State = tuple[Half, Half]
"""Both directions of a stream; ``CLIENT`` and ``SERVER`` are the indices."""


class Draft:
    """Chunks of one stream in the making, and what became of the payload bytes that are not in them."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.chunks: list[Chunk] = []
        self.delivered = 0
        self.duplicate = 0
        self.late = 0
        """Bytes that came after their hole was given up."""
        self.dropped = 0
        """The same, for a hole that a limit gave up."""
        self._parts: list[bytes] = []
        self._starts: list[int] = []
        self._times_ns: list[int] = []
        self._direction, self._missing, self._size = -1, 0, 0

    def add(self, direction: int, data: bytes, time_ns: int, missing: int = 0) -> None:
        """Append in-order bytes; ``missing`` bytes lie before them."""
        if direction != self._direction or missing:
            self._cut()
            self._direction, self._missing = direction, missing
        self._starts.append(self._size)
        self._times_ns.append(time_ns)
        self._parts.append(data)
        self._size += len(data)

    def finish(self) -> list[Chunk]:
        """All chunks."""
        self._cut()
        return self.chunks

    def _cut(self) -> None:
        if self._parts:
            data = b"".join(self._parts)
            self.delivered += len(data)
            self.chunks.append(Chunk(self._stream, self._direction, data, self._starts, self._times_ns, self._missing))
        self._parts, self._starts, self._times_ns = [], [], []
        self._size, self._missing, self._direction = 0, 0, -1


def absolute(position: int, sequence: int) -> int:
    """The position nearest to ``position`` whose low 32 bits are ``sequence``."""
    return position + ((sequence - position + 0x80000000) & _SEQUENCE_MASK) - 0x80000000


def accept(
    half: Half, direction: int, sequence: int, flags: int, data: bytes, span: int, time_ns: int, draft: Draft
) -> None:
    """Take one segment. ``span`` is its payload length on the wire, at least ``len(data)``."""
    if half.next < 0:
        half.next = sequence
    start = absolute(half.next, sequence)
    if flags & SYN:
        half.next += start == half.next
        start += 1
    end = start + span
    if start < half.next:
        _discard_old(half, start, min(half.next - start, len(data)), draft)
        data, start = data[half.next - start :], half.next
    if start < end:
        _place(half, direction, Piece(start, end, data, time_ns), draft)
    if flags & FIN and end >= half.next:
        hold_of(half).fin_at = end
        _reach_fin(half)


def hold_of(half: Half) -> Hold:
    """The half's hold, made when it is first needed."""
    if half.hold is None:
        half.hold = Hold()
    return half.hold


def _discard_old(half: Half, start: int, size: int, draft: Draft) -> None:
    """Bytes below ``next``: seen before, or given up before."""
    if half.hold is not None and half.hold.holes:
        late, dropped = half.hold.late(start, start + size)
        draft.late += late
        draft.dropped += dropped
        size -= late + dropped
    draft.duplicate += size


def _place(half: Half, direction: int, piece: Piece, draft: Draft) -> None:
    if piece.start == half.next and (half.hold is None or not half.hold.islands):
        _deliver(half, direction, piece, draft)
        half.next = piece.end
        _reach_fin(half)
        return
    hold = hold_of(half)
    draft.duplicate += len(piece.data) - hold.insert(piece)
    if hold.islands[0].start == half.next:
        hold.progress_ns, hold.acked_ns = piece.time_ns, -1
        release(half, direction, draft)


def release(half: Half, direction: int, draft: Draft) -> None:
    """Deliver what is held and now in order."""
    hold = half.hold
    while hold is not None and hold.islands and hold.islands[0].start == half.next:
        island: Island = hold.take_first()
        for piece in island.pieces:
            _deliver(half, direction, piece, draft)
        half.next = island.end
    _reach_fin(half)


def _deliver(half: Half, direction: int, piece: Piece, draft: Draft) -> None:
    if piece.data:
        missing = 0
        if half.hold is not None:
            missing, half.hold.missing = half.hold.missing, 0
        draft.add(direction, piece.data, piece.time_ns, missing)
    cut_off = piece.end - piece.start - len(piece.data)
    if cut_off:
        hold_of(half).missing += cut_off


def _reach_fin(half: Half) -> None:
    hold = half.hold
    if hold is not None and 0 <= hold.fin_at <= half.next:
        half.next += hold.fin_at == half.next
        hold.fin_at = -1


def note_acknowledgement(half: Half, acknowledgement: int, time_ns: int) -> None:
    """The other side has received everything of ``half`` up to ``acknowledgement``."""
    hold = half.hold
    if hold is None or not hold.islands or hold.acked_ns >= 0:
        return
    if absolute(half.next, acknowledgement) >= hold.islands[0].start:
        hold.acked_ns = time_ns


def deadline_ns(half: Half, wait_ns: int) -> int | None:
    """When the first hole is given up; ``None`` when nothing waits."""
    hold = half.hold
    if hold is None or not hold.islands:
        return None
    deadline = max(hold.islands[0].since_ns, hold.progress_ns) + wait_ns
    return deadline if hold.acked_ns < 0 else min(deadline, hold.acked_ns + ACKED_WAIT_NS)


def skip_hole(half: Half, direction: int, draft: Draft, by_limit: bool = False) -> None:
    """Give up the first hole and deliver what lies behind it."""
    hold = hold_of(half)
    start = hold.islands[0].start
    hold.give_up(half.next, start, by_limit)
    half.next, hold.acked_ns = start, -1
    release(half, direction, draft)


def flush(half: Half, direction: int, time_ns: int, draft: Draft) -> None:
    """Deliver all that is held; bytes missing at the very end are told by an empty chunk."""
    hold = half.hold
    if hold is None:
        return
    while hold.islands:
        skip_hole(half, direction, draft)
    if hold.fin_at > half.next:
        hold.give_up(half.next, hold.fin_at, False)
    if hold.missing:
        draft.add(direction, b"", time_ns, hold.missing)
        hold.missing = 0
