"""A batch of frames becomes columns; which of three ways is taken makes no difference to what comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from engine.capture.batch import PAD_BYTES, Batch
from engine.capture.links import ETHERNET
from engine.counters import Counters
from engine.decode.columns import Columns
from engine.decode.ethernet import decode_ethernet
from engine.decode.fragments import Fragments, Row
from engine.decode.general import GENERAL_FROM, decode_general
from engine.decode.scalar import decode_scalar

ETHERNET_FROM = 10
"""Packets from which columns are the faster way: 25 us and 0.02 us each, against 2.5 us each one at a time.

The limit of 130 packets that counts for a whole pipeline comes from the stages behind this one.
"""


_FOUND = Columns._fields[Columns._fields.index("protocol") :]


Way = Callable[[Batch, Fragments], Columns]


class Decoded(NamedTuple):
    """What became of a batch."""

    columns: Columns
    payloads: memoryview
    """What ``payload_start`` counts in: the batch's buffer, or a copy of its records and, behind them, of the datagrams
    that were put together from fragments. Valid as long as the batch."""


class Decoder:
    """Decodes batches, one after the other, and keeps the fragments between them."""

    def __init__(self, counters: Counters, way: Way | None = None) -> None:
        """``way`` is the fastest for each batch unless a test gives one."""
        self._fragments = Fragments(counters)
        self._way = way or _fastest

    def decode(self, batch: Batch) -> Decoded:
        """Total: every record becomes a row with a payload or a row with a ``Drop`` reason."""
        fragments = self._fragments
        fragments.begin(batch.buffer)
        columns = self._way(batch, fragments)
        if len(fragments) and columns.timestamp_ns.size:
            fragments.expire(int(columns.timestamp_ns.max()))
        if fragments.rows:
            _put_rows(columns, batch, fragments.rows)
        if not fragments.extra:
            return Decoded(columns, batch.buffer)
        return _with_extra(batch, columns, bytes(fragments.extra))


def decode(batch: Batch) -> Columns:
    """As ``Decoder.decode``, for one batch on its own; what was put together from fragments is out of reach."""
    return Decoder(Counters()).decode(batch).columns


def _fastest(batch: Batch, fragments: Fragments) -> Columns:
    columnar_from = ETHERNET_FROM if batch.link_type == ETHERNET else GENERAL_FROM
    if len(batch.offsets) < columnar_from:
        return decode_scalar(batch.buffer, batch.offsets, batch.link_type, fragments)
    if batch.link_type == ETHERNET:
        return decode_ethernet(batch.buffer, batch.offsets, fragments)
    return decode_general(batch.buffer, batch.offsets, batch.link_type, fragments)


def _put_rows(columns: Columns, batch: Batch, rows: list[tuple[int, Row]]) -> None:
    """Give rows to records that had none; each is named by its offset."""
    places = {record: at for at, record in enumerate(batch.offsets.tolist())}
    for record, row in rows:
        for name, value in zip(_FOUND, (*row, 0), strict=True):
            getattr(columns, name)[places[record]] = value


def _with_extra(batch: Batch, columns: Columns, extra: bytes) -> Decoded:
    """A buffer of live capture is the whole ring, so that only the records of the batch are copied."""
    begin = int(batch.offsets.min())
    payloads = memoryview(b"".join((batch.buffer[begin : batch.end], extra, bytes(PAD_BYTES))))
    size, start = len(batch.buffer), columns.payload_start
    moved = np.where(start < size, start - begin, start - size + (batch.end - begin))
    return Decoded(columns._replace(payload_start=np.maximum(moved, 0)), payloads)
