"""What streams hand to dissection: in-order bytes of one direction, with the time of every packet in them."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from engine.streams.stream import Stream


class Chunk(NamedTuple):
    """In-order payload of one direction of one stream, or one datagram.

    TCP: consecutive packets of the same direction are joined until the other direction speaks; what was retransmitted
    is in it once. UDP: one datagram.
    """

    stream: Stream
    direction: int
    """``CLIENT`` or ``SERVER``: who sent it."""
    data: bytes
    starts: list[int]
    """Offset in ``data`` of each packet's bytes; begins with 0. Same length as ``times_ns``."""
    times_ns: list[int]
    """Timestamp of each packet."""
    missing_bytes: int
    """TCP: bytes of this direction that were never seen, just before ``data``. UDP: bytes cut off its end."""

    def time_ns_at(self, offset: int) -> int:
        """When the byte at ``offset`` of ``data`` arrived."""
        return self.times_ns[bisect_right(self.starts, offset) - 1]

    def behind(self, offset: int) -> Chunk:
        """The part from ``offset`` of ``data`` on; of one that is left whole, with what is missing before it."""
        if not offset:
            return self
        first = bisect_right(self.starts, offset) - 1
        starts = [0, *(start - offset for start in self.starts[first + 1 :])]
        return Chunk(self.stream, self.direction, self.data[offset:], starts, self.times_ns[first:], 0)
