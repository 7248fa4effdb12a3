"""A batch cut into bundles, the packets of one stream each, with what the table needs to know of every bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.decode.columns import Columns
from engine.streams.direction import sender_is_client
from engine.streams.entry import ACK, FIN_BOTH, RST_ANY, SYN, Entry
from engine.streams.grouping import U64, group
from engine.streams.splitting import Packets, find_splits, marks_of
from engine.streams.stored import Stored, splits_by_id

_FLAG_BITS = np.uint8(0x3F)


class Newcomer(NamedTuple):
    """What the first packet of a new stream says about it."""

    key: bytes
    protocol: int
    client_ip: bytes
    client_port: int
    server_ip: bytes
    server_port: int
    timestamp_ns: int
    client_upper: bool
    """The client is the upper endpoint of the five-tuple."""
    lower_base: int
    upper_base: int
    exact: bool
    """See ``Entry.bases`` and ``Entry.exact``."""
    id: int
    """The number it has in segments, 0 where it is new."""


class Sums(NamedTuple):
    """Totals of each bundle."""

    packets: list[int]
    bytes: list[int]
    payload_bytes: list[int]
    end_ns: list[int]
    marks: list[int]


class Bundles:
    """Bundles come in the order of their first packets."""

    order: npt.NDArray[np.int64]
    """Rows, bundle by bundle, in capture order within one."""
    starts: npt.NDArray[np.int64]
    upper: npt.NDArray[np.bool_]
    """Per entry of ``order``: the upper endpoint of the five-tuple sent it."""
    known: list[Entry | None]
    """The stream that a bundle continues; ``None`` where it begins one."""

    def __init__(
        self,
        columns: Columns,
        rows: npt.NDArray[np.int64],
        words: U64,
        entries: Mapping[bytes, Entry],
        timeout_ns: Callable[[int], int],
        stored: Stored | None = None,
    ) -> None:
        self._columns, self._stored = columns, stored
        groups = group(columns, rows, words)
        packets = _packets(columns, groups.order, groups.starts, groups.upper)
        known = [entries.get(key) for key in groups.keys]
        keys = groups.keys
        starts = groups.starts
        if stored is not None:
            numbers = [entry.stream.id if entry else 0 for entry in known]
            splits = splits_by_id(stored.stream_ids[groups.order], starts, numbers)
        else:
            splits = find_splits(packets, known, timeout_ns) if rows.size else []
        if splits:
            begins = np.zeros(groups.order.size, np.bool_)
            begins[splits] = True
            fresh = begins.copy()
            begins[starts] = True
            starts = np.flatnonzero(begins)  # not np.union1d: set routines load numpy.ma, which takes 5 ms
            owners = (np.searchsorted(groups.starts, starts, side="right") - 1).tolist()
            begun = fresh[starts].tolist()
            known = [None if new else known[owner] for new, owner in zip(begun, owners, strict=True)]
            keys = [keys[owner] for owner in owners]
        self._arrange(groups.order, packets, starts, known, keys)

    def _arrange(
        self,
        order: npt.NDArray[np.int64],
        packets: Packets,
        starts: npt.NDArray[np.int64],
        known: list[Entry | None],
        keys: list[bytes],
    ) -> None:
        """Put the bundles in the order of their first packets."""
        counts = np.diff(starts, append=order.size)
        rank = np.argsort(order[starts])
        self._counts = counts[rank]
        self.starts = np.cumsum(self._counts) - self._counts
        taken = np.repeat(starts[rank] - self.starts, self._counts) + np.arange(order.size)
        self.order, self.upper = order[taken], packets.upper[taken]
        self._marks, self._timestamp_ns = packets.marks[taken], packets.timestamp_ns[taken]
        ranks = rank.tolist()
        self.known = [known[index] for index in ranks]
        self._keys = [keys[index] for index in ranks]

    def sums(self) -> Sums:
        """Totals of each bundle, in order."""
        if not self.order.size:
            return Sums([], [], [], [], [])
        columns, order, starts = self._columns, self.order, self.starts
        payload = columns.payload_length[order] + columns.payload_missing[order]
        return Sums(
            self._counts.tolist(),
            np.add.reduceat(columns.captured_length[order], starts).tolist(),
            np.add.reduceat(payload, starts).tolist(),
            np.maximum.reduceat(self._timestamp_ns, starts).tolist(),
            np.bitwise_or.reduceat(self._marks, starts).tolist(),
        )

    def newcomers(self) -> Iterator[Newcomer]:
        """One for each ``None`` in ``known``, in order."""
        fresh = [index for index, entry in enumerate(self.known) if entry is None]
        if not fresh:
            return iter(())
        columns, at = self._columns, self.starts[fresh]
        rows, sender_upper = self.order[at], self.upper[at]
        stored = self._stored
        forward = sender_is_client(columns, rows) if stored is None else stored.from_client[rows]
        source, target = (
            _addresses(columns.source_high, columns.source_low, rows),
            _addresses(columns.target_high, columns.target_low, rows),
        )
        source_port, target_port = columns.source_port[rows], columns.target_port[rows]
        turned = forward[:, None]
        flags, sequence = columns.flags[rows], columns.sequence[rows].astype(np.int64)
        syn = (flags & SYN) != 0
        sender_base = (sequence + syn) & 0xFFFFFFFF
        other_base = np.where((flags & ACK) != 0, columns.acknowledgement[rows].astype(np.int64), -1)
        fields = (
            [self._keys[index] for index in fresh],
            columns.protocol[rows].tolist(),
            _texts(np.where(turned, source, target)),
            np.where(forward, source_port, target_port).tolist(),
            _texts(np.where(turned, target, source)),
            np.where(forward, target_port, source_port).tolist(),
            columns.timestamp_ns[rows].tolist(),
            (sender_upper == forward).tolist(),
            np.where(sender_upper, other_base, sender_base).tolist(),
            np.where(sender_upper, sender_base, other_base).tolist(),
            syn.tolist(),
            [0] * rows.size if stored is None else stored.stream_ids[rows].tolist(),
        )
        return map(Newcomer._make, zip(*fields, strict=True))  # half the cost of the constructor

    def closes_before_reset(self, index: int, marks: int) -> bool:
        """Whether bundle ``index`` has FIN from both sides before its first reset; ``marks`` are those before it."""
        begin = int(self.starts[index])
        for mark in self._marks[begin : begin + int(self._counts[index])].tolist():
            marks |= mark
            if marks & RST_ANY:
                return False
            if marks & FIN_BOTH == FIN_BOTH:
                return True
        return False


def _packets(
    columns: Columns,
    order: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    upper: npt.NDArray[np.bool_],
) -> Packets:
    flags = columns.flags[order] & _FLAG_BITS
    return Packets(
        starts,
        columns.timestamp_ns[order],
        columns.protocol[order],
        flags,
        columns.sequence[order],
        columns.acknowledgement[order],
        upper,
        marks_of(flags, upper),
    )


def _addresses(high: U64, low: U64, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    return np.stack((high[rows], low[rows]), axis=1).astype(">u8")


def _texts(addresses: npt.NDArray[np.uint64]) -> list[bytes]:
    """The 16 bytes of each address."""
    texts: list[bytes] = np.ascontiguousarray(addresses, ">u8").view("V16")[:, 0].tolist()
    return texts
