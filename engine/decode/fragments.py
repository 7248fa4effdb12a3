"""Fragments of IP datagrams wait here for the rest of theirs.

Where fragments overlap, the bytes that came first count (RFC 791 leaves it open, Linux discards such datagrams); where
two of them say where the datagram ends, the first does. Memory is bounded: beyond the limit the oldest
datagram is given up, and so is one that is not whole after ``TIMEOUT_NS`` of the capture clock.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from struct import Struct

from engine.clock import NS_PER_S
from engine.counters import Counters

TIMEOUT_NS = 30 * NS_PER_S
"""As Linux (``ipfrag_time``)."""
MAX_HELD_BYTES = 4 << 20
"""As Linux (``ipfrag_high_thresh``); every fragment counts ``OVERHEAD_BYTES`` on top of what it holds."""
OVERHEAD_BYTES = 256
MAX_DATAGRAM_BYTES = 65535
MAX_PIECES = 1024
"""Of one datagram: the largest in fragments of 64 bytes. A fragment that claims to cover them all costs 0.1 ms."""

_TIME = Struct("<II").unpack_from

Key = tuple[int, ...]
"""Addresses, IP version, protocol (IPv4) and identification (RFC 791, 3.2; RFC 8200, 4.5)."""
Row = tuple[int, ...]
"""What ``Frame`` finds: the columns from ``protocol`` to ``payload_missing``."""


@dataclass(slots=True, eq=False)
class Piece:
    """Bytes ``start`` to ``stop`` of a datagram; ``data`` is shorter where the capture cut them."""

    start: int
    stop: int
    data: bytes


@dataclass(slots=True, eq=False)
class Datagram:
    """What is there of one datagram."""

    key: Key
    begun_ns: int
    """Capture clock at its first fragment."""
    pieces: list[Piece] = field(default_factory=list)
    """In the order of their offsets; they do not overlap."""
    end: int = -1
    """Bytes of the whole; -1 until the last fragment came."""
    covered: int = 0
    """Bytes that a fragment brought, cut ones included."""
    held: int = 0
    protocol: int = -1
    """What the first fragment says about the transport (IPv6)."""
    row: Row | None = None
    """The row of a packet that belongs to this datagram and has no payload, once the first fragment tells the ports."""
    waiting: list[int] = field(default_factory=list)
    """Records of this batch that have no row because the ports are not known yet, the newest last; their offsets in the
    buffer."""

    @property
    def complete(self) -> bool:
        """Nothing is missing between the first byte and the last."""
        return self.covered == self.end

    def add(self, start: int, stop: int, data: bytes, last: bool) -> bool:
        """Put a fragment in its place; False where it lies behind the end."""
        if self.end < 0 and last and (not self.pieces or stop >= self.pieces[-1].stop):
            self.end = stop
        if self.end >= 0:
            stop = min(stop, self.end)
        if start >= stop:
            return False
        self._insert(start, stop, data[: stop - start])
        return True

    def _insert(self, start: int, stop: int, data: bytes) -> None:
        first = bisect_right(self.pieces, start, key=_stop_of)
        cursor, behind, fresh = start, first, []
        while behind < len(self.pieces) and self.pieces[behind].start < stop:
            piece = self.pieces[behind]
            if cursor < piece.start:
                fresh.append(Piece(cursor, piece.start, data[cursor - start : piece.start - start]))
            cursor, behind = piece.stop, behind + 1
        if cursor < stop:
            fresh.append(Piece(cursor, stop, data[cursor - start :]))
        self.pieces[first:behind] = sorted([*self.pieces[first:behind], *fresh], key=_stop_of)
        self.covered += sum(piece.stop - piece.start for piece in fresh)
        self.held += sum(len(piece.data) + OVERHEAD_BYTES for piece in fresh)

    def joined(self) -> bytes:
        """The datagram, up to the first byte that the capture cut off."""
        parts = []
        for piece in self.pieces:
            parts.append(piece.data)
            if len(piece.data) < piece.stop - piece.start:
                break
        return b"".join(parts)


def _stop_of(piece: Piece) -> int:
    return piece.stop


class Fragments:
    """All datagrams that are not whole. One owner: ``Decoder``."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._waiting: dict[Key, Datagram] = {}
        self._buffer = memoryview(b"")
        self._nameless: list[Datagram] = []
        """Datagrams with fragments in this batch."""
        self._held = 0
        self.clock_ns = 0
        """Largest timestamp of a fragment."""
        self.extra = bytearray()
        """Datagrams that this batch made whole, end to end."""
        self.rows: list[tuple[int, Row]] = []
        """Rows for records of this batch that were dropped before their ports were known; by offset in the buffer."""

    def begin(self, buffer: memoryview) -> None:
        """A new batch: the offsets of the batch before mean nothing any more."""
        self._buffer = buffer
        if self.extra or self.rows:
            self.extra, self.rows = bytearray(), []
        for datagram in self._nameless:
            datagram.waiting.clear()
        self._nameless.clear()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(
        self, key: Key, span: tuple[int, int], data: bytes, last: bool, records: tuple[int, ...]
    ) -> Datagram | None:
        """The datagram that a fragment belongs to, with it; None where it is not used: no sender sends such a one.

        Args:
            key: which datagram.
            span: first byte of the datagram in it, and the byte behind its last.
            data: what was captured of that.
            last: no fragment lies behind.
            records: offsets in the buffer of the records that brought it; more than one inside a tunnel that is itself
                fragmented.
        """
        seconds, nanoseconds = _TIME(self._buffer, records[-1])
        self.expire(seconds * NS_PER_S + nanoseconds)
        datagram = self._waiting.get(key) or self._begin(key)
        held = datagram.held
        used = datagram.add(*span, data, last)
        self._held += datagram.held - held
        if len(datagram.pieces) > MAX_PIECES:
            self._forget(datagram, "incomplete")
            return None
        if not used:
            return None
        datagram.waiting += records
        self._nameless.append(datagram)
        if datagram.complete:
            self._forget(datagram, "reassembled")
        while self._held > MAX_HELD_BYTES:
            self._forget(self._oldest(), "incomplete")
        return datagram

    def expire(self, capture_ns: int) -> None:
        """Give up what has waited for too long."""
        self.clock_ns = max(self.clock_ns, capture_ns)
        while self._waiting and self._oldest().begun_ns + TIMEOUT_NS <= self.clock_ns:
            self._forget(self._oldest(), "incomplete")

    def place(self, data: bytes) -> int:
        """Keep a datagram for this batch; answers where it lies, counted from the beginning of the buffer."""
        start = len(self._buffer) + len(self.extra)
        self.extra += data
        return start

    def tell(self, datagram: Datagram, row: Row) -> None:
        """Give the records that wait for the ports of ``datagram`` this row."""
        self.rows += [(record, row) for record in datagram.waiting]
        datagram.waiting.clear()

    def _begin(self, key: Key) -> Datagram:
        datagram = self._waiting[key] = Datagram(key, self.clock_ns)
        datagram.held = OVERHEAD_BYTES
        self._held += OVERHEAD_BYTES
        return datagram

    def _oldest(self) -> Datagram:
        return next(iter(self._waiting.values()))

    def _forget(self, datagram: Datagram, outcome: str) -> None:
        del self._waiting[datagram.key]
        self._held -= datagram.held
        self._counters.add(f"decode_datagrams_{outcome}_total")
