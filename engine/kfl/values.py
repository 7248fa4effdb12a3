"""What the operators mean: equality by text, ordering by number, truth, and the text helpers.

Total: whatever JSON holds, these answer and never raise. Generated code calls them when its short cuts do not apply.
``MISSING`` may be passed to any of them; the caller throws the answer away.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, Final

MISSING: Final = object()
"""What a path finds where nothing is; JSON null is ``None`` and is found."""

Array = (list, tuple)

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def text(value: object) -> str:
    """The value as equality, patterns and helpers see it; an object or array has no text."""
    if isinstance(value, str):
        return value
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value) if value.bit_length() < 1024 else hex(value)  # str refuses very long numbers
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    return ""


def number(value: object) -> float:
    """The value as ordering sees it; what is no number is 0."""
    if isinstance(value, int | float):
        return value if value == value else 0.0
    if isinstance(value, str):
        if len(value) < 20 and value.isascii() and value.isdecimal():
            return int(value)
        return float(value) if _NUMBER.fullmatch(value) else 0.0
    return 0.0


def truthy(value: object) -> bool:
    """A string or array that is not empty, a number above zero, or true; null and objects are not."""
    if isinstance(value, int | float):
        return value > 0
    return isinstance(value, str | list | tuple) and len(value) > 0


def inverse(value: object) -> object:
    """``!value``: true and false trade places, everything else stays what it is, as in Kubeshark."""
    return not value if isinstance(value, bool) else value


def equal(left: object, right: object) -> bool:
    """The same number, or the same text; an array equals what one of its elements equals."""
    if isinstance(left, Array):
        return _same(left, right) if isinstance(right, Array) else any(_equal(element, right) for element in left)
    if isinstance(right, Array):
        return any(_equal(left, element) for element in right)
    return _equal(left, right)


def _equal(left: object, right: object) -> bool:
    if _is_number(left) and _is_number(right):
        return left == right
    return text(left) == text(right)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(left: object, right: object) -> bool:
    """The same JSON, however deep."""
    try:
        return bool(left == right)
    except RecursionError:
        return False


def ordered(symbol: str, left: object, right: object) -> bool:
    """``left symbol right`` as numbers; of an array any element will do, of two arrays every pair must."""
    holds = _ORDERS[symbol]
    if not isinstance(left, Array) and not isinstance(right, Array):
        return holds(number(left), number(right))
    lefts, rights = _numbers(left), _numbers(right)
    if isinstance(left, Array) and isinstance(right, Array):
        if not lefts or not rights:
            return False
        less = symbol in ("<", "<=")
        return holds(max(lefts), min(rights)) if less else holds(min(lefts), max(rights))
    return any(holds(one, other) for one in lefts for other in rights)


def _numbers(value: object) -> list[float]:
    return list(map(number, value)) if isinstance(value, list | tuple) else [number(value)]


def found(search: Callable[[str], bool], value: object) -> bool:
    """Whether the pattern is found in the value's text; of an array any element will do."""
    return _any_text(search, value)


def starts(value: object, start: object) -> bool:
    """``startsWith``."""
    return _any_text(lambda each: each.startswith(text(start)), value)


def ends(value: object, end: object) -> bool:
    """``endsWith``."""
    return _any_text(lambda each: each.endswith(text(end)), value)


def contains(value: object, part: object) -> bool:
    """``contains``."""
    return _any_text(lambda each: text(part) in each, value)


def _any_text(holds: Callable[[str], bool], value: object) -> bool:
    if value is MISSING:
        return False
    if isinstance(value, Array):
        return any(holds(text(element)) for element in value)
    return holds(text(value))


def negative(value: Any) -> Any:
    """``-value``; what is no number stays as it is."""
    return -value if _is_number(value) else value
