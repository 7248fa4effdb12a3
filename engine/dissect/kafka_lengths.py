"""Lengths and other numbers of Kafka that are no fields."""

from __future__ import annotations

import struct
from collections.abc import Callable

_MAX_VARINT_BYTES = 5
_INT32 = struct.Struct(">i").unpack_from
Length = Callable[[bytes, int], tuple[int, int]]
"""``(a length, where what has it begins)``; -1 is null. Raises ``Damaged``, ``IndexError`` or ``struct.error``."""


class Damaged(Exception):
    """What is wrong with a message."""


def length_reader(size: int, flexible: bool) -> Length:
    """A varint of one more than it says, or a number of 2 or 4 bytes."""
    return compact_length if flexible else short_length if size == 2 else long_length


def short_length(data: bytes, pos: int) -> tuple[int, int]:
    """Of a string in versions that are not flexible."""
    length = data[pos] << 8 | data[pos + 1]
    if length > 0x7FFF:
        length -= 0x10000
        if length != -1:
            raise Damaged(f"a length of {length}")
    return length, pos + 2


def long_length(data: bytes, pos: int) -> tuple[int, int]:
    """Of an array or bytes in versions that are not flexible."""
    (length,) = _INT32(data, pos)
    if length < -1:
        raise Damaged(f"a length of {length}")
    return length, pos + 4


def compact_length(data: bytes, pos: int) -> tuple[int, int]:
    """Of a string, an array, bytes in flexible versions."""
    number = data[pos]
    if number < 0x80:
        return number - 1, pos + 1
    number, pos = varint(data, pos)
    return number - 1, pos


def varint(data: bytes, pos: int) -> tuple[int, int]:
    """An unsigned number of 7 bits a byte, the low ones first."""
    number = shift = 0
    for shift in range(0, 7 * _MAX_VARINT_BYTES, 7):
        byte = data[pos]
        pos += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, pos
    raise Damaged("a number that does not end")


def skip_tags(data: bytes, pos: int) -> int:
    """Where the tagged fields at ``pos`` end."""
    if data[pos] == 0:
        return pos + 1
    count, pos = varint(data, pos)
    for _ in range(count):
        _, pos = varint(data, pos)
        size, pos = varint(data, pos)
        pos += size
    return pos
