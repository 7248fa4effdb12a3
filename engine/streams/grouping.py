"""Which packets of a batch share a five-tuple.

One value sort of ``hash | row`` groups a batch in about 5 ns a packet, where a stable argsort of the five-tuples takes
about 150. The hash is keyed, so nobody outside can aim at collisions; the full five-tuples of neighbours are compared
all the same, and a batch with a collision is sorted by them instead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.decode.columns import Columns
from engine.streams.register import KEY, Records

U64 = npt.NDArray[np.uint64]
HASH_WORDS = 6
GROUP = np.dtype([*((name, "u8") for name in KEY), ("hash", "u8")])
"""A five-tuple as it stands in ``engine.streams.register.ROW``."""


class Groups(NamedTuple):
    """Packets by five-tuple; ``lower`` and ``upper`` are its endpoints in numeric order, whoever speaks."""

    order: npt.NDArray[np.int64]
    """Rows of the batch, five-tuple by five-tuple, in capture order within one."""
    starts: npt.NDArray[np.int64]
    """Where each five-tuple begins in ``order``."""
    upper: npt.NDArray[np.bool_]
    """Per entry of ``order``: the upper endpoint sent it."""
    keys: Records
    """Each five-tuple, as a ``GROUP``."""


class _Pairs(NamedTuple):
    """Both endpoints of each packet, by numeric order; together the columns of the key."""

    lower_high: U64
    lower_low: U64
    upper_high: U64
    upper_low: U64
    rest: U64
    """Lower port, upper port and protocol, 16 bits each."""


def group(columns: Columns, rows: npt.NDArray[np.int64], words: U64) -> Groups:
    """Group ``rows`` of ``columns``; ``words`` are the ``HASH_WORDS`` odd numbers that key the hash."""
    if not rows.size:
        return Groups(rows, rows[:0], np.zeros(0, np.bool_), np.zeros(0, GROUP))
    kept: slice | npt.NDArray[np.int64] = slice(None) if rows.size == columns.drop.size else rows
    pairs, upper = _pairs(columns, kept)
    hashes = _hash(pairs, words)
    position, differs = _sorted(pairs, hashes)
    starts = np.flatnonzero(differs)
    order = position if isinstance(kept, slice) else rows[position]
    return Groups(order, starts, upper[position], _keys(pairs, hashes, position[starts]))


def _pairs(columns: Columns, kept: slice | npt.NDArray[np.int64]) -> tuple[_Pairs, npt.NDArray[np.bool_]]:
    source_high, source_low = columns.source_high[kept], columns.source_low[kept]
    target_high, target_low = columns.target_high[kept], columns.target_low[kept]
    source_port, target_port = columns.source_port[kept], columns.target_port[kept]
    upper = (source_low > target_low) | ((source_low == target_low) & (source_port > target_port))
    apart = source_high != target_high
    if apart.any():
        np.copyto(upper, source_high > target_high, where=apart)
    ports = (source_port.astype(np.uint64) << np.uint64(16)) | target_port
    turned = (target_port.astype(np.uint64) << np.uint64(16)) | source_port
    rest = (np.where(upper, turned, ports) << np.uint64(16)) | columns.protocol[kept]
    return (
        _Pairs(
            np.where(upper, target_high, source_high),
            np.where(upper, target_low, source_low),
            np.where(upper, source_high, target_high),
            np.where(upper, source_low, target_low),
            rest,
        ),
        upper,
    )


def _sorted(pairs: _Pairs, hashes: U64) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Rows by five-tuple, and where one differs from the one before."""
    count = hashes.size
    row_bits = np.uint64(max(count - 1, 1).bit_length())
    mixed = (hashes >> row_bits << row_bits) | np.arange(count, dtype=np.uint64)
    mixed.sort()
    position = (mixed & ((np.uint64(1) << row_bits) - np.uint64(1))).astype(np.int64)
    mixed >>= row_bits
    differs = _differs(pairs, position)
    if np.any(differs[1:] & (mixed[1:] == mixed[:-1])):
        position = np.lexsort(pairs)
        differs = _differs(pairs, position)
    return position, differs


def _hash(pairs: _Pairs, words: U64) -> U64:
    """Multiply and fold, column by column; overflow is meant."""
    mixed = np.zeros(pairs.rest.size, np.uint64)
    for column, word in zip(pairs, words, strict=False):
        mixed += column
        mixed *= word
        mixed ^= mixed >> np.uint64(32)
    mixed *= words[-1]
    return mixed


def key_of(protocol: int, one: tuple[bytes, int], other: tuple[bytes, int]) -> tuple[int, ...]:
    """The key of the five-tuple between two ends (16 bytes of address, and a port), whoever sends."""
    (lower, lower_port), (upper, upper_port) = sorted((one, other))
    words = [int.from_bytes(address[at : at + 8], "big") for address in (lower, upper) for at in (0, 8)]
    return (*words, lower_port << 32 | upper_port << 16 | protocol)


def hash_of(key: tuple[int, ...], words: U64) -> int:
    """``_hash`` of one key, in plain numbers: 2 us where NumPy takes 20."""
    mixed, mask = 0, 0xFFFF_FFFF_FFFF_FFFF
    for value, word in zip(key, words.tolist(), strict=False):
        mixed = (mixed + value) * word & mask
        mixed ^= mixed >> 32
    return mixed * int(words[-1]) & mask


def _differs(pairs: _Pairs, position: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    differs = np.zeros(position.size, np.bool_)
    for column in pairs:
        sorted_ = column[position]
        differs[1:] |= sorted_[1:] != sorted_[:-1]
    differs[0] = True
    return differs


def _keys(pairs: _Pairs, hashes: U64, firsts: npt.NDArray[np.int64]) -> Records:
    table = np.empty(firsts.size, GROUP)
    for name, column in zip(GROUP.names or (), (*pairs, hashes), strict=True):
        table[name] = column[firsts]
    return table
