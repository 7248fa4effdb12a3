"""TCP flags of both sides of a stream, and what they say: whether it has ended, which SYN belongs to it.

Sides are 0, the lower endpoint of the five-tuple, and 1, the upper one, whoever is the client.
"""

from __future__ import annotations

from engine.clock import NS_PER_S

FIN, SYN, RST, ACK = 1, 2, 4, 16
SPOKE = 0x80
"""In a mark: a packet came from this side."""
UPPER_SHIFT = 8
"""Marks are two bytes: what the lower endpoint sent, and, shifted, what the upper one sent."""
FIN_BOTH = FIN | FIN << UPPER_SHIFT
RST_ANY = RST | RST << UPPER_SHIFT

LINGER_NS = 10 * NS_PER_S
"""How long packets that come after the end still belong to a stream: late FINs, acknowledgements, resets. Longer costs
memory (0.2 kB a stream: 10 s of 5000 connections a second are 10 MB), shorter makes streams of leftovers."""
REORDER_BYTES = 1 << 16
"""A SYN that is captured after the data it opened lies at most this far below that data."""
_SEQUENCE_MASK = 0xFFFFFFFF


def has_ended(marks: int) -> bool:
    """A reset, or FIN from both sides."""
    return bool(marks & RST_ANY) or marks & FIN_BOTH == FIN_BOTH


def syn_belongs(bases: tuple[int, int], exact: bool, marks: int, side: int, sequence: int) -> bool:
    """Whether a pure SYN of ``side`` is of this stream: retransmitted, captured late, or a simultaneous open.

    ``bases`` and ``exact`` are those of ``engine.streams.register.ROW``.
    """
    base = bases[side]
    if base < 0:
        said = marks >> (UPPER_SHIFT * side) & 0xFF
        return not has_ended(marks) and not said & ~(SPOKE | SYN)
    below = (base - 1 - sequence) & _SEQUENCE_MASK
    return below == 0 if exact else below < REORDER_BYTES
