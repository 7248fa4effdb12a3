"""Values of RESP (2 and 3) taken apart, for who looks: no deeper than ``MAX_DEPTH`` and no longer than fits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

MAX_DEPTH = 32
"""Aggregates inside one another that are shown."""
MAX_ELEMENTS = 10_000
"""Of one message, at all depths; what follows is not shown."""

TYPES = {
    "+": "Simple String",
    "-": "Error",
    ":": "Integer",
    "$": "Bulk String",
    "*": "Array",
    "_": "Null",
    "#": "Boolean",
    ",": "Double",
    "(": "Big Number",
    "!": "Error",
    "=": "Verbatim String",
    "%": "Map",
    "~": "Set",
    ">": "Push",
}
"""In items; ``|``, an attribute, stands before the value that it is one of."""
_INT64 = 1 << 63


class Value(NamedTuple):
    """One message."""

    sign: str
    """Of its type."""
    plain: Any
    """JSON-safe: texts, numbers, lists; maps as objects where all their keys are texts, else as lists of pairs."""
    raw: bytes
    """The bytes of a string."""
    attributes: Any = None
    """Of RESP3; None: it has none."""


def text(data: bytes) -> str:
    """UTF-8, and what is none in hexadecimal behind a backslash."""
    return data.decode("utf-8", "backslashreplace")


class Reader:
    """Reads what was kept of a message, one value after the other. Total."""

    __slots__ = ("_data", "_elements", "_pos", "comment")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pos = 0
        self._elements = 0
        self.comment = ""
        """Why nothing more is read, else empty."""

    @property
    def ended(self) -> bool:
        """Nothing is left to read."""
        return self._pos >= len(self._data)

    def next(self) -> Value | None:
        """The next value; None: there is none."""
        attributes = None
        while self._pos < len(self._data) and not self.comment:
            sign, plain, raw = self._value(0)
            if sign != "|":
                return Value(sign, plain, raw, attributes)
            attributes = plain
        return None

    def _value(self, depth: int) -> tuple[str, Any, bytes]:
        sign, line = self._line()
        if sign in _STRINGS:
            raw = self._string(line, sign)
            plain = None if raw is None else text(raw[4:] if sign == "=" else raw)
            return sign, {"error": plain} if sign == "!" and depth else plain, raw or b""
        if sign in _AGGREGATES:
            return sign, self._aggregate(sign, line, depth), b""
        if sign == "-" and depth:
            return sign, {"error": text(line)}, line
        return sign, _PLAIN.get(sign, text)(line), line

    def _line(self) -> tuple[str, bytes]:
        """The sign and the rest of the line at hand; empty where they are not whole."""
        self._elements += 1
        end = self._data.find(b"\n", self._pos)
        if end < 0 or self._elements > MAX_ELEMENTS:
            self.comment = "it ends early" if end < 0 else f"more than {MAX_ELEMENTS} elements"
            return "", b""
        line = self._data[self._pos : end].rstrip(b"\r")
        self._pos = end + 1
        return chr(line[0]) if line else "", line[1:]

    def _string(self, line: bytes, sign: str) -> bytes | None:
        """The bytes behind a length; pieces joined, as far as they are there."""
        if line == b"?":
            pieces: list[bytes] = []
            while not self.comment:
                _, rest = self._line()
                piece = self._string(rest, ";")
                if not piece:
                    break
                pieces.append(piece)
            return b"".join(pieces)
        length = _integer(line)
        if not isinstance(length, int) or length < 0:
            return None
        found = self._data[self._pos : self._pos + length]
        self._pos += length + 2 if length or sign != ";" else 0  # the last piece has no line of its own
        if len(found) < length:
            self.comment = self.comment or f"{len(found)} of {length} bytes kept"
        return found

    def _aggregate(self, sign: str, line: bytes, depth: int) -> Any:
        count = _integer(line) if line != b"?" else MAX_ELEMENTS * 2
        if not isinstance(count, int) or count < 0:
            return None
        if depth >= MAX_DEPTH:
            self.comment = self.comment or f"deeper than {MAX_DEPTH} aggregates"
            return None
        paired = sign in "%|"
        found: list[Any] = []
        count *= 1 + paired
        while len(found) < count and self._pos < len(self._data) and not self.comment:
            inner, plain, _ = self._value(depth + 1)
            if inner == ".":
                break
            if inner not in ("", "|"):
                found.append(plain)
        if len(found) < count and line != b"?":
            self.comment = self.comment or "it ends early"
        return _pairs(found) if paired else found


def _pairs(found: list[Any]) -> Any:
    """A map, from its keys and values in turn."""
    keys, values = found[::2], found[1::2]
    if all(isinstance(key, str) for key in keys) and len(set(keys)) == len(keys):
        return dict(zip(keys, values, strict=False))
    return [list(pair) for pair in zip(keys, values, strict=False)]


def _integer(line: bytes) -> int | str:
    """A number where it is one that fits into 64 bits, else its text."""
    try:
        number = int(line)
    except ValueError:
        return text(line)
    return number if -_INT64 <= number < _INT64 else text(line)


def _double(line: bytes) -> float | str:
    try:
        number = float(line)
    except ValueError:
        return text(line)
    return number if math.isfinite(number) else text(line)


_STRINGS, _AGGREGATES = "$!=", "*~>%|"
_PLAIN: dict[str, Callable[[bytes], Any]] = {
    ":": _integer,
    ",": _double,
    "#": lambda line: line == b"t",
    "_": lambda _: None,
}
"""Of what is one line; all else is text."""
