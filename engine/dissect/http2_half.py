"""One direction of an HTTP/2 connection: which bytes are at hand, and what of the frame under way is still to come.

Payloads of DATA frames are passed on as they come, and what nobody looks at is passed over; only the beginning of
another frame is held back, and joined once all of it is there, so that no input costs more than linear time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from engine.dissect.http2_headers import HeaderTable
from engine.dissect.http2_sections import Http2Payload
from engine.streams.chunk import Chunk


class Block:
    """A header block that more frames continue."""

    __slots__ = ("ends", "parts", "promised", "size_bytes", "start_ns", "stream", "wire_bytes")

    def __init__(self, stream: int, start_ns: int, *, ends: bool, promised: int) -> None:
        self.stream = stream
        self.start_ns = start_ns
        self.ends = ends
        """The stream ends with it."""
        self.promised = promised
        """The stream that a PUSH_PROMISE announces; 0: it is none."""
        self.parts: list[bytes] = []
        self.size_bytes = 0
        self.wire_bytes = 0


class Half:
    """State of one direction."""

    __slots__ = (
        "_base",
        "_chunk",
        "_held",
        "_held_bytes",
        "_held_ns",
        "_held_since_ns",
        "_held_starts",
        "_needed",
        "block",
        "direction",
        "ends",
        "fresh",
        "last_ns",
        "left",
        "lost_frames",
        "padding",
        "sink",
        "stream",
        "sure",
        "table",
    )

    def __init__(self, direction: int) -> None:
        self.direction = direction
        self.table = HeaderTable(whole=False)
        self.fresh = True
        """Nothing was looked at yet."""
        self.lost_frames = True
        """Where frames begin is not known: it begins so, and a gap may do it."""
        self.sure = False
        """Every frame since the first was seen."""
        self.left = 0
        """Bytes that the frame under way still lacks, ``padding`` of them at its end."""
        self.padding = 0
        self.sink: Http2Payload | None = None
        """Whose body they are; None: nobody looks at them."""
        self.stream = 0
        self.ends = False
        """The stream ends with that frame."""
        self.block: Block | None = None
        self.last_ns = 0
        """When the last byte of the chunk before was captured."""
        self._chunk: Chunk | None = None
        self._base = 0
        """Held bytes in front of the chunk's own."""
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._held_since_ns = 0
        """When the first held byte was captured."""
        self._held_starts: list[int] = []
        """Where packets begin in what is held, as far as one of them may begin a frame."""
        self._held_ns: list[int] = []
        """When they were captured."""
        self._needed = 0

    def begin(self, table: HeaderTable) -> None:
        """This is where the connection begins."""
        self.table, self.fresh, self.sure, self.lost_frames = table, False, True, False

    def take(self, chunk: Chunk) -> bytes:
        """The bytes at hand: what was held and those of ``chunk``; nothing, while they are too few."""
        self._chunk, self._base = chunk, 0
        if not self._held:
            return chunk.data
        self._held.append(chunk.data)
        self._held_bytes += len(chunk.data)
        if self._held_bytes < self._needed:
            if not self.sure:
                base = self._held_bytes - len(chunk.data)
                self._held_starts += [base + start for start in chunk.starts]
                self._held_ns += chunk.times_ns
            return b""
        data = b"".join(self._held)
        self._base = len(data) - len(chunk.data)
        self._held, self._held_bytes = [], 0
        return data

    def hold(self, data: bytes, pos: int, needed: int) -> None:
        """What lies at ``pos`` begins a frame of which ``needed`` bytes must be there; the chunk ends with it.

        Where it may turn out to be none, the packets in it are remembered: one of them may begin a frame.
        """
        starts = [] if self.sure else [start - pos for start in self.starts(pos)]
        since_ns, times = self.time_ns(pos), [self.time_ns(pos + start) for start in starts]
        self._held, self._held_bytes, self._needed = [data[pos:]], len(data) - pos, needed
        self._held_since_ns, self._held_starts, self._held_ns = since_ns, starts, times

    def forget(self) -> None:
        """Hold nothing; where frames begin is not known any more, nor what header blocks said."""
        self._held, self._held_bytes = [], 0
        self.left, self.sink, self.block = 0, None, None
        self.lost_frames, self.sure, self.fresh = True, False, False
        self.table.forget()

    def starts(self, pos: int) -> Iterator[int]:
        """Where, from ``pos`` on, packets begin in the bytes at hand."""
        assert self._chunk is not None
        yield from (start for start in self._held_starts if pos <= start < self._base)
        yield from (start + self._base for start in self._chunk.starts if start + self._base >= pos)

    def time_ns(self, offset: int) -> int:
        """When byte ``offset`` of the bytes at hand was captured."""
        chunk = self._chunk
        assert chunk is not None
        at = offset - self._base
        if at >= chunk.starts[-1]:  # nearly always asked of a first or of a last byte: a search takes 0.3 us
            return chunk.times_ns[-1]
        if at >= 0:
            return chunk.time_ns_at(at)
        held = bisect_right(self._held_starts, offset)
        return self._held_ns[held - 1] if held else self._held_since_ns

    def done(self) -> None:
        """The chunk was looked at."""
        assert self._chunk is not None
        self.last_ns, self._chunk = self._chunk.times_ns[-1], None
