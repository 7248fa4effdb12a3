"""The types of KFL2 and what is assignable to what."""

from __future__ import annotations

from typing import NamedTuple


class Type(NamedTuple):
    """``string``, ``list(string)``, ..."""

    name: str
    of: str = ""
    """Of a list its elements', of a map its values' type; keys are strings."""

    def __str__(self) -> str:
        return f"{self.name}({self.of})" if self.of else self.name


STRING, INT, DOUBLE, BOOL, NULL = Type("string"), Type("int"), Type("double"), Type("bool"), Type("null")
TIMESTAMP, DURATION, DYN = Type("timestamp"), Type("duration"), Type("dyn")
STRINGS, VALUES = Type("list", "string"), Type("list", "dyn")
TEXT_MAP, MAP, HEADERS = Type("map", "string"), Type("map", "dyn"), Type("headers", "string")
"""``headers`` is a map of texts whose keys ignore case."""

NUMBERS = (INT, DOUBLE)
ORDERED = (STRING, INT, DOUBLE, BOOL, TIMESTAMP, DURATION)


def is_map(kind: Type) -> bool:
    """Whether it has keys."""
    return kind.name in ("map", "headers")


def comparable(left: Type, right: Type) -> bool:
    """Whether ``left == right`` can be asked; ``dyn`` and ``null`` go with everything, numbers with numbers."""
    if DYN in (left, right) or NULL in (left, right) or left == right:
        return True
    if left in NUMBERS and right in NUMBERS:
        return True
    if left.name == right.name == "list" or (is_map(left) and is_map(right)):
        return "dyn" in (left.of, right.of) or left.of == right.of
    return False


"""Whether values of these types may be equal at all."""
