"""What the stream table remembers of a stream beyond its row: which SYN belongs to it, and when it is forgotten."""

from __future__ import annotations

from engine.clock import NS_PER_S
from engine.streams.stream import Stream

FIN, SYN, RST, ACK = 1, 2, 4, 16
SPOKE = 0x80
"""In a mark: a packet came from this side."""
UPPER_SHIFT = 8
"""Marks are two bytes: what the lower endpoint sent, and, shifted, what the upper one sent."""
FIN_BOTH = FIN | FIN << UPPER_SHIFT
RST_ANY = RST | RST << UPPER_SHIFT

LINGER_NS = 10 * NS_PER_S
"""How long packets that come after the end still belong to a stream: late FINs, acknowledgements, resets. Longer costs
memory (0.7 kB a stream: 10 s of 5000 connections a second are 35 MB), shorter makes streams of leftovers."""
REORDER_BYTES = 1 << 16
"""A SYN that is captured after the data it opened lies at most this far below that data."""
_SEQUENCE_MASK = 0xFFFFFFFF


class Entry:
    """One stream in the table. Sides are 0, the lower endpoint of the five-tuple, and 1, the upper one."""

    __slots__ = ("bases", "bucket", "client_upper", "ended", "exact", "key", "marks", "stream", "timeout_ns")

    def __init__(
        self, key: bytes, stream: Stream, client_upper: bool, bases: tuple[int, int], exact: bool, timeout_ns: int
    ) -> None:
        self.key, self.stream, self.client_upper = key, stream, client_upper
        self.bases = bases
        """Per side, the sequence number of its first byte as the stream's first packet told it; -1 where it did not."""
        self.exact = exact
        """The bases come from a handshake."""
        self.timeout_ns = timeout_ns
        self.marks = 0
        """All TCP flags seen so far, per side."""
        self.ended = False
        self.bucket = -1

    @property
    def forgotten_after_ns(self) -> int:
        """A packet later than this is of another stream."""
        return self.stream.end_ns + self.timeout_ns


def has_ended(marks: int) -> bool:
    """A reset, or FIN from both sides."""
    return bool(marks & RST_ANY) or marks & FIN_BOTH == FIN_BOTH


def syn_belongs(bases: tuple[int, int], exact: bool, marks: int, side: int, sequence: int) -> bool:
    """Whether a pure SYN of ``side`` is of this stream: retransmitted, captured late, or a simultaneous open."""
    base = bases[side]
    if base < 0:
        said = marks >> (UPPER_SHIFT * side) & 0xFF
        return not has_ended(marks) and not said & ~(SPOKE | SYN)
    below = (base - 1 - sequence) & _SEQUENCE_MASK
    return below == 0 if exact else below < REORDER_BYTES
