"""Decode by one chosen way, and rows as text and bytes, so that they can be compared with what should come out."""

from __future__ import annotations

import ipaddress
from typing import Any, Protocol

import numpy as np

from engine.capture.batch import Batch
from engine.counters import Counters
from engine.decode.columns import Columns
from engine.decode.decode import Decoded, Decoder
from engine.decode.fragments import Fragments
from engine.decode.scalar import decode_scalar
from tests.support.dpkt_decode import Seen


class Way(Protocol):
    """One of the three ways from a batch to columns."""

    def __call__(
        self, buffer: memoryview, offsets: Any, link_type: int, fragments: Fragments | None = None
    ) -> Columns: ...


class SlowDecoder(Decoder):
    """As ``Decoder``, one packet at a time whatever the batch is."""

    def __init__(self) -> None:
        super().__init__(
            Counters(), lambda batch, kept: decode_scalar(batch.buffer, batch.offsets, batch.link_type, kept)
        )


def assert_equal(columns: Columns, others: Columns) -> None:
    """Same values of the same types."""
    for name in Columns._fields:
        ours, theirs = getattr(columns, name), getattr(others, name)
        assert ours.dtype == theirs.dtype, name
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def seen(decoded: Decoded, row: int) -> Seen | None:
    """A row as the oracle would write it; None where it is dropped."""
    columns = decoded.columns
    if columns.drop[row]:
        return None
    start, length = int(columns.payload_start[row]), int(columns.payload_length[row])
    return Seen(
        int(columns.protocol[row]),
        address(columns.source_high[row], columns.source_low[row]),
        int(columns.source_port[row]),
        address(columns.target_high[row], columns.target_low[row]),
        int(columns.target_port[row]),
        int(columns.flags[row]),
        int(columns.sequence[row]),
        int(columns.acknowledgement[row]),
        bytes(decoded.payloads[start : start + length]),
        int(columns.payload_missing[row]),
    )


def seen_in(batch: Batch, columns: Columns, row: int) -> Seen | None:
    """As ``seen``, for columns of a batch whose fragments are not put together."""
    return seen(Decoded(columns, batch.buffer), row)


def address(high: np.uint64, low: np.uint64) -> str:
    """As people write it."""
    whole = ipaddress.IPv6Address(int(high) << 64 | int(low))
    return str(whole.ipv4_mapped or whole)
