"""What connection items are made of: packets and bytes of each side of a stream, and what it spoke.

Beside the register's rows and not in them, because every batch copies rows; where nobody asks, there is nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from engine.clock import NS_PER_S
from engine.decode.columns import Columns
from engine.streams.bundle import Bundles
from engine.streams.register import Indices, Records, Register, pick, streams_of
from engine.streams.stream import Stream

SIDE = np.dtype([("upper_packets", "i8"), ("upper_bytes", "i8"), ("spoken", "u8")])
"""Of the upper endpoint; the lower one has what is left of the totals. ``spoken``: a bit for each dissector."""


class Counted(NamedTuple):
    """A stream at one time."""

    stream: Stream
    """An object of its own."""
    item: int
    """Place of the item that is made of this."""
    counts: tuple[int, int, int, int]
    """Packets and bytes of the client, then of the server."""
    spoken: int


class Sides:
    """One row for each of the register's."""

    def __init__(self, register: Register, protocols: Iterable[int]) -> None:
        """``protocols``: IP protocol numbers of the streams that are told."""
        self._register = register
        self._rows: Records = np.zeros(len(register.rows), SIDE)
        self._wanted = np.zeros(256, np.bool_)
        self._wanted[list(protocols)] = True
        self._told_s = -1
        """Until which second of the capture ``going`` has looked."""

    def add(self, columns: Columns, bundles: Bundles, rows: Indices, fresh: Indices) -> None:
        """Count a batch; ``rows`` has one entry per bundle, ``fresh`` are the bundles that begin a stream."""
        if len(self._rows) < len(self._register.rows):
            larger: Records = np.zeros(len(self._register.rows), SIDE)
            larger[: len(self._rows)] = self._rows
            self._rows = larger
        self._rows[rows[fresh]] = 0
        sizes = np.where(bundles.upper, columns.captured_length[bundles.order], 0)
        self._rows["upper_packets"][rows] += np.add.reduceat(bundles.upper.astype(np.int64), bundles.starts)
        self._rows["upper_bytes"][rows] += np.add.reduceat(sizes, bundles.starts)

    def spoke(self, row: int, number: int) -> None:
        """The stream in ``row`` speaks what the dissector with this number knows."""
        self._rows["spoken"][row] |= np.uint64(1 << (number & 63))

    def told(self, rows: Indices, records: Records) -> Iterator[Counted]:
        """Those of ``rows`` that are to be told, each with a number of its own; ``records``: as they are now."""
        chosen = np.flatnonzero(self._wanted[records["protocol"]])
        if not chosen.size:
            return iter(())
        rows, records = rows[chosen], pick(records, chosen)
        numbers = [self._register.next_item(row) for row in rows.tolist()]
        columns = streams_of(records), numbers, self._counts(rows, records), self._rows["spoken"][rows].tolist()
        return map(Counted, *columns)

    def going(self, capture_ns: int, interval_s: int) -> tuple[Indices, Records]:
        """``(rows, what stands there)`` of streams older than the interval that had packets within it.

        Each row has its second of the interval, so that not all are told at once. Ask once a second or so.
        """
        now_s = capture_ns // NS_PER_S
        passed_s = min(now_s - self._told_s, interval_s) if self._told_s >= 0 else 0
        self._told_s = now_s
        known = self._register.rows[: self._register.top]
        turn = (np.arange(known.size) - (now_s - passed_s + 1)) % interval_s < passed_s
        since_ns = capture_ns - interval_s * NS_PER_S
        alive = turn & (known["id"] != 0) & ~known["ended"]
        rows = np.flatnonzero(alive & (known["end_ns"] > since_ns) & (known["start_ns"] <= since_ns))
        return rows, pick(self._register.rows, rows)

    def _counts(self, rows: Indices, records: Records) -> list[tuple[int, int, int, int]]:
        upper, turned = self._rows[rows], records["client_upper"]
        packets, size = records["packets"] - upper["upper_packets"], records["bytes"] - upper["upper_bytes"]
        columns = (
            np.where(turned, upper["upper_packets"], packets),
            np.where(turned, upper["upper_bytes"], size),
            np.where(turned, packets, upper["upper_packets"]),
            np.where(turned, size, upper["upper_bytes"]),
        )
        return list(zip(*(column.tolist() for column in columns), strict=True))
