"""A batch cut into bundles, the packets of one stream each, with what the table needs to know of every bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.decode.columns import Columns
from engine.streams.direction import sender_is_client
from engine.streams.grouping import Groups
from engine.streams.marks import ACK, FIN_BOTH, RST_ANY, SYN
from engine.streams.register import KEY, ROW, Indices, Records, pick
from engine.streams.splitting import Known, Packets, find_splits, marks_of
from engine.streams.stored import Stored, splits_by_id
from engine.streams.stream import HALF_OPEN, TCP

_FLAG_BITS = np.uint8(0x3F)


class Bundles(NamedTuple):
    """Bundles come in the order of their first packets; arrays without another word have one entry per bundle."""

    order: Indices
    """Rows of the batch, bundle by bundle, in capture order within one."""
    starts: Indices
    """Where each begins in ``order``."""
    counts: Indices
    upper: npt.NDArray[np.bool_]
    """Per entry of ``order``: the upper endpoint of the five-tuple sent it."""
    marks: npt.NDArray[np.uint16]
    """Per entry of ``order``."""
    timestamp_ns: npt.NDArray[np.int64]
    """Per entry of ``order``."""
    owner: Indices
    """Its five-tuple, an index into ``Groups.keys``."""
    known: Indices
    """Row of the stream that it continues; -1: it begins one."""
    before: Indices
    """The bundle of the same five-tuple before it in this batch; -1: none."""
    last: npt.NDArray[np.bool_]
    """None of the same five-tuple comes behind it."""

    def closes_before_reset(self, index: int, marks: int) -> bool:
        """Whether bundle ``index`` has FIN from both sides before its first reset; ``marks`` are those before it."""
        begin = int(self.starts[index])
        for mark in self.marks[begin : begin + int(self.counts[index])].tolist():
            marks |= mark
            if marks & RST_ANY:
                return False
            if marks & FIN_BOTH == FIN_BOTH:
                return True
        return False


def cut(
    columns: Columns, groups: Groups, known: Known, timeout_ns: Callable[[int], int], stored: Stored | None
) -> Bundles:
    """Cut each five-tuple where a new stream begins."""
    packets = _packets(columns, groups)
    starts, owner, rows = groups.starts, np.arange(groups.starts.size), known.rows
    if stored is not None:
        numbers = np.where(known.rows >= 0, known.records["id"], 0)
        splits = splits_by_id(stored.stream_ids[groups.order], starts, numbers)
    else:
        splits = find_splits(packets, known, timeout_ns) if starts.size else []
    if splits:
        begins = np.zeros(groups.order.size, np.bool_)
        begins[splits] = True
        fresh = begins.copy()
        begins[starts] = True
        starts = np.flatnonzero(begins)  # not np.union1d: set routines load numpy.ma, which takes 5 ms
        owner = np.searchsorted(groups.starts, starts, side="right") - 1
        rows = np.where(fresh[starts], -1, rows[owner])
    return _arranged(groups.order, packets, starts, owner, rows)


def _packets(columns: Columns, groups: Groups) -> Packets:
    order = groups.order
    flags = columns.flags[order] & _FLAG_BITS
    return Packets(
        groups.starts,
        columns.timestamp_ns[order],
        columns.protocol[order],
        flags,
        columns.sequence[order],
        columns.acknowledgement[order],
        groups.upper,
        marks_of(flags, groups.upper),
    )


def _arranged(order: Indices, packets: Packets, starts: Indices, owner: Indices, known: Indices) -> Bundles:
    """Put the bundles in the order of their first packets."""
    counts = np.diff(starts, append=order.size)
    rank = np.argsort(order[starts])
    place = np.empty_like(rank)
    place[rank] = np.arange(rank.size)
    follows = np.zeros(rank.size + 1, np.bool_)
    np.equal(owner[1:], owner[:-1], out=follows[1 : rank.size])
    before = np.where(follows[:-1], place[np.arange(rank.size) - 1], -1)[rank]
    counts = counts[rank]
    begins = np.cumsum(counts) - counts
    taken = np.repeat(starts[rank] - begins, counts) + np.arange(order.size)
    return Bundles(
        order[taken],
        begins,
        counts,
        packets.upper[taken],
        packets.marks[taken],
        packets.timestamp_ns[taken],
        owner[rank],
        known[rank],
        before,
        ~follows[1:][rank],
    )


def add_up(columns: Columns, bundles: Bundles, records: Records) -> npt.NDArray[np.uint16]:
    """Add each bundle to its record; answers the marks that each record had before."""
    order, starts = bundles.order, bundles.starts
    payload = columns.payload_length[order] + columns.payload_missing[order]
    records["packets"] += bundles.counts
    records["bytes"] += np.add.reduceat(columns.captured_length[order], starts)
    records["payload_bytes"] += np.add.reduceat(payload, starts)
    records["end_ns"] = np.maximum(records["end_ns"], np.maximum.reduceat(bundles.timestamp_ns, starts))
    marks = records["marks"].copy()
    records["marks"] |= np.bitwise_or.reduceat(bundles.marks, starts)
    return marks


def first_records(columns: Columns, bundles: Bundles, keys: Records, fresh: Indices, stored: Stored | None) -> Records:
    """What the first packets of the bundles ``fresh`` say of the streams that begin.

    No timeout and no totals yet, and an id only where it is ``stored``.
    """
    at = bundles.starts[fresh]
    rows, upper, records = bundles.order[at], bundles.upper[at], np.zeros(fresh.size, ROW)
    taken = pick(keys, bundles.owner[fresh])
    for name in (*KEY, "hash"):
        records[name] = taken[name]
    flags = columns.flags[rows]
    syn = (flags & SYN) != 0
    sender = (columns.sequence[rows].astype(np.int64) + syn) & 0xFFFFFFFF
    other = np.where((flags & ACK) != 0, columns.acknowledgement[rows].astype(np.int64), -1)
    records["base"][:, 0], records["base"][:, 1] = np.where(upper, other, sender), np.where(upper, sender, other)
    records["exact"], records["next"] = syn, -1
    protocol = records["protocol"] = columns.protocol[rows]
    records["state"] = np.where(syn & (other < 0) & (protocol == TCP), HALF_OPEN, 0)
    from_client = sender_is_client(columns, rows) if stored is None else stored.from_client[rows]
    records["client_upper"] = upper == from_client
    records["id"] = 0 if stored is None else stored.stream_ids[rows]
    records["start_ns"] = records["end_ns"] = columns.timestamp_ns[rows]
    return records
