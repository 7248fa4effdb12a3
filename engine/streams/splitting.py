"""Where the packets of one five-tuple fall apart into several streams.

A new stream begins at a SYN of another sequence number (the port is used again) and after an idle timeout. NumPy finds
the few packets where that could be; Python looks at those alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.streams.marks import ACK, FIN, LINGER_NS, RST, SPOKE, SYN, UPPER_SHIFT, has_ended, syn_belongs
from engine.streams.register import Indices, Records
from engine.streams.stream import TCP, UDP


class Packets(NamedTuple):
    """The packets of a batch by five-tuple; columns have one row per packet."""

    starts: Indices
    """Where each five-tuple begins."""
    timestamp_ns: npt.NDArray[np.int64]
    protocol: npt.NDArray[np.uint8]
    flags: npt.NDArray[np.uint8]
    """Without the two ECN bits."""
    sequence: npt.NDArray[np.uint32]
    acknowledgement: npt.NDArray[np.uint32]
    upper: npt.NDArray[np.bool_]
    marks: npt.NDArray[np.uint16]


class Known(NamedTuple):
    """What is there already of each five-tuple."""

    rows: Indices
    """Row of the stream it had last; -1: none."""
    records: Records
    """That row; undefined where there is none."""


def marks_of(flags: npt.NDArray[np.uint8], upper: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint16]:
    """Flags of each packet in the byte of the side that sent it."""
    spoken = (flags | np.uint8(SPOKE)).astype(np.uint16)
    return np.where(upper, spoken << np.uint16(UPPER_SHIFT), spoken)


def find_splits(packets: Packets, known: Known, timeout_ns: Callable[[int], int]) -> list[int]:
    """Positions where a new stream begins although its five-tuple is known, from before or within the batch.

    ``timeout_ns`` answers for an IP protocol number.
    """
    suspects = _suspects(packets, known, min(LINGER_NS, timeout_ns(TCP), timeout_ns(UDP)))
    if not suspects.size:
        return []
    owners = np.searchsorted(packets.starts, suspects, side="right") - 1
    splits: list[int] = []
    begins = np.flatnonzero(np.diff(owners, prepend=-1)).tolist()
    for begin, end in zip(begins, [*begins[1:], suspects.size], strict=True):
        owner = int(owners[begin])
        record = known.records[owner] if known.rows[owner] >= 0 else None
        walk = _Walk(packets, int(packets.starts[owner]), record, timeout_ns)
        splits += [position for position in suspects[begin:end].tolist() if walk.splits_at(position)]
    return splits


def _suspects(packets: Packets, known: Known, pause_ns: int) -> Indices:
    """Every position where ``_Walk`` might split, and few others."""
    suspect = (packets.flags & (SYN | ACK | RST | FIN)) == SYN
    syn = suspect[packets.starts]
    suspect[1:] |= np.diff(packets.timestamp_ns) > pause_ns
    late = packets.timestamp_ns[packets.starts] > known.records["end_ns"] + known.records["timeout_ns"]
    suspect[packets.starts] = (known.rows >= 0) & (syn | late)
    return np.flatnonzero(suspect)


class _Walk:
    """Goes through one five-tuple from suspect to suspect, knowing what its stream was up to there."""

    def __init__(self, packets: Packets, begin: int, record: np.void | None, timeout_ns: Callable[[int], int]) -> None:
        self._packets, self._at = packets, begin
        self._open_timeout_ns = timeout_ns(int(packets.protocol[begin]))
        if record is None:
            self._start_at(begin)
        else:
            lower, upper = record["base"].tolist()
            self._bases, self._exact = (lower, upper), bool(record["exact"])
            self._marks, self._end_ns = int(record["marks"]), int(record["end_ns"])

    def splits_at(self, position: int) -> bool:
        """Whether a stream begins at ``position``; positions must rise."""
        if position > self._at:
            self._marks |= int(np.bitwise_or.reduce(self._packets.marks[self._at : position]))
            self._end_ns = max(self._end_ns, int(self._packets.timestamp_ns[self._at : position].max()))
            self._at = position
        over = self._is_late(position) or self._is_foreign_syn(position)
        if over:
            self._start_at(position)
        return over

    def _start_at(self, position: int) -> None:
        self._bases, self._exact = first_bases(self._packets, position)
        self._marks, self._end_ns = 0, int(self._packets.timestamp_ns[position])

    def _is_late(self, position: int) -> bool:
        timeout_ns = LINGER_NS if has_ended(self._marks) else self._open_timeout_ns
        return int(self._packets.timestamp_ns[position]) > self._end_ns + timeout_ns

    def _is_foreign_syn(self, position: int) -> bool:
        if int(self._packets.flags[position]) & (SYN | ACK | RST | FIN) != SYN:
            return False
        side, sequence = int(self._packets.upper[position]), int(self._packets.sequence[position])
        return not syn_belongs(self._bases, self._exact, self._marks, side, sequence)


def first_bases(packets: Packets, position: int) -> tuple[tuple[int, int], bool]:
    """What the first packet of a stream says about the first byte of each side; see ``ROW``."""
    flags, sequence = int(packets.flags[position]), int(packets.sequence[position])
    syn = bool(flags & SYN)
    sender = (sequence + syn) & 0xFFFFFFFF
    other = int(packets.acknowledgement[position]) if flags & ACK else -1
    return ((other, sender) if packets.upper[position] else (sender, other)), syn
