"""Values of AMQP 0-9-1: strings, numbers, field tables, the properties of content. In linear time, whatever they are.

The letters of table values are those that RabbitMQ uses (its errata to the specification), not those of the book.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.dissect.http_content import text_of

MAX_DEPTH = 16
"""Tables and lists in each other; more is damage."""

Read = Callable[[bytes, int], tuple[Any, int]]
"""The value at a position, and where it ends. Raises ``Damaged``, ``IndexError`` or ``struct.error``."""


class Damaged(Exception):
    """What is wrong with a value."""


def _number(code: str) -> Read:
    packed = struct.Struct(">" + code)
    unpack, size = packed.unpack_from, packed.size
    return lambda data, at: (unpack(data, at)[0], at + size)


def _float(code: str) -> Read:
    number = _number(code)

    def read(data: bytes, at: int) -> tuple[Any, int]:
        value, at = number(data, at)
        return (value if math.isfinite(value) else str(value)), at  # JSON has no other numbers

    return read


def short_string(data: bytes, at: int) -> tuple[str, int]:
    """Up to 255 bytes."""
    end = at + 1 + data[at]
    if end > len(data):
        raise Damaged("it ends early")
    return data[at + 1 : end].decode("utf-8", "replace"), end


def _long_string(data: bytes, at: int) -> tuple[str, int]:
    """Text, or base64 of what is none."""
    part, end = _sized(data, at)
    return text_of(part)[0], end


def _secret(data: bytes, at: int) -> tuple[str, int]:
    """What proves who somebody is; only how long it is."""
    part, end = _sized(data, at)
    return f"({len(part)} bytes)", end


def _sized(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = _SIZE.unpack_from(data, at)
    end = at + 4 + size
    if end > len(data):
        raise Damaged("it ends early")
    return data[at + 4 : end], end


def _decimal(data: bytes, at: int) -> tuple[str, int]:
    """As text: it is exact, and JSON's numbers are not."""
    (number,) = struct.unpack_from(">i", data, at + 1)
    return str(Decimal(number).scaleb(-data[at])), at + 5


def table(data: bytes, at: int, depth: int = 0) -> tuple[dict[str, Any], int]:
    """Names and values."""
    end = _end_of(data, at, depth)
    at += 4
    found: dict[str, Any] = {}
    while at < end:
        name, at = short_string(data, at)
        found[name], at = _value(data, at, depth)
    if at > end:
        raise Damaged("a table that is longer than it says")
    return found, at


def _array(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    end = _end_of(data, at, depth)
    at += 4
    found: list[Any] = []
    while at < end:
        value, at = _value(data, at, depth)
        found.append(value)
    if at > end:
        raise Damaged("a list that is longer than it says")
    return found, at


def _end_of(data: bytes, at: int, depth: int) -> int:
    (size,) = _SIZE.unpack_from(data, at)
    if at + 4 + size > len(data):
        raise Damaged("it ends early")
    if depth > MAX_DEPTH:
        raise Damaged(f"tables in more than {MAX_DEPTH} tables")
    return at + 4 + int(size)


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    letter = data[at : at + 1]
    if letter == b"F":
        return table(data, at + 1, depth + 1)
    if letter == b"A":
        return _array(data, at + 1, depth + 1)
    read = _LETTERS.get(letter)
    if read is None:
        raise Damaged(f"a value of kind {letter!r}" if letter else "it ends early")
    return read(data, at + 1)


_SIZE = struct.Struct(">I")
_LETTERS: dict[bytes, Read] = {
    b"t": lambda data, at: (data[at] != 0, at + 1),
    b"b": _number("b"),
    b"B": _number("B"),
    b"s": _number("h"),
    b"U": _number("h"),
    b"u": _number("H"),
    b"I": _number("i"),
    b"i": _number("I"),
    b"l": _number("q"),
    b"L": _number("q"),
    b"f": _float("f"),
    b"d": _float("d"),
    b"D": _decimal,
    b"S": _long_string,
    b"x": _long_string,
    b"T": _number("Q"),
    b"V": lambda _, at: (None, at),
}
READERS: dict[str, Read] = {
    "octet": _number("B"),
    "short": _number("H"),
    "long": _number("I"),
    "longlong": _number("Q"),
    "shortstr": short_string,
    "longstr": _long_string,
    "secret": _secret,
    "timestamp": _number("Q"),
    "table": table,
}
"""By their names in the specification."""

_LAYOUT = """
contentType:shortstr contentEncoding:shortstr headers:table deliveryMode:octet priority:octet correlationId:shortstr
replyTo:shortstr expiration:shortstr messageId:shortstr timestamp:timestamp type:shortstr userId:shortstr
appId:shortstr clusterId:shortstr
"""
_NAMED = [(name, READERS[kind]) for name, _, kind in (each.partition(":") for each in _LAYOUT.split())]
_PROPERTIES = tuple((1 << 15 - place, name, read) for place, (name, read) in enumerate(_NAMED))
"""The bit that says that a property is there, its name, and how it is read; in the order of the wire."""


def read_properties(data: bytes, at: int, end: int, into: dict[str, Any]) -> str:
    """Fill ``into`` with the properties of a content, flags first; what is wrong with them, else empty."""
    try:
        (flags,) = struct.unpack_from(">H", data, at)
        at += 2
        more = flags
        while more & 1:  # further words of flags, which no property of the specification needs
            (more,) = struct.unpack_from(">H", data, at)
            at += 2
        for bit, name, read in _PROPERTIES:
            if flags & bit:
                into[name], at = read(data, at)
    except Damaged as error:
        return str(error)
    except (IndexError, struct.error):
        return "it ends early"
    return "" if at == end else f"{abs(end - at)} bytes {'less' if at > end else 'more'} than its properties have"
