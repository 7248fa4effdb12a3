"""What the functions of KFL2 do when the types are not enough to say it in Python itself.

They raise ``Failure`` where CEL has an error (a key that is not there, a division by zero): ``&&`` and ``||`` absorb
it if their other side decides, else the filter does not match. Nothing else leaves a predicate.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from engine.kfl.patterns import PatternError, re2_search
from engine.kfl.times import duration_ns, timestamp_ns
from engine.kfl.values import text as as_text

_INT64 = range(-(2**63), 2**63)
_KINDS: tuple[type | tuple[type, ...], ...] = (bool, (int, float), str, list, Mapping)


class Failure(Exception):
    """An error of CEL while a filter is evaluated."""


def any_of(*operands: Callable[[], bool]) -> bool:
    """``a || b``: true if one is, whatever fails."""
    failed = False
    for operand in operands:
        try:
            if operand():
                return True
        except Failure:
            failed = True
    if failed:
        raise Failure
    return False


def all_of(*operands: Callable[[], bool]) -> bool:
    """``a && b``: false if one is, whatever fails."""
    failed = False
    for operand in operands:
        try:
            if not operand():
                return False
        except Failure:
            failed = True
    if failed:
        raise Failure
    return True


def same(left: Any, right: Any) -> bool:
    """``==`` where a type is not known before: of different kinds nothing is equal."""
    if left is None or right is None:
        return left is right
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    try:
        return bool(_plain(left) == _plain(right))
    except RecursionError:
        return False


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value  # a constant list is a tuple


def ordered(symbol: str, left: Any, right: Any) -> bool:
    """``left symbol right`` where a type is not known before."""
    for kind in _KINDS[:3]:
        if isinstance(left, kind) and isinstance(right, kind) and isinstance(left, bool) == isinstance(right, bool):
            return bool(_ORDERS[symbol](left, right))
    raise Failure


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def whole(value: int) -> int:
    """``value``, if 64 bits hold it."""
    if value in _INT64:
        return value
    raise Failure


def divided(left: int, right: int) -> int:
    """``/`` of ints, towards zero."""
    if right == 0:
        raise Failure
    quotient = abs(left) // abs(right)
    return whole(quotient if (left < 0) == (right < 0) else -quotient)


def remainder(left: int, right: int) -> int:
    """``%``: has the sign of ``left``."""
    if right == 0:
        raise Failure
    return abs(left) % abs(right) * (-1 if left < 0 else 1)


def ratio(left: float, right: float) -> float:
    """``/`` of doubles, as IEEE 754 says."""
    try:
        return left / right
    except ZeroDivisionError:
        sign = (left > 0) - (left < 0)
        return float("inf") * sign if sign else float("nan")
    except OverflowError:
        raise Failure from None


def calculated(symbol: str, left: Any, right: Any) -> Any:
    """An operator of arithmetic where a type is not known before, or doubles are among them."""
    if isinstance(left, str) and isinstance(right, str) and symbol == "+":
        return left + right
    if isinstance(left, list) and isinstance(right, list) and symbol == "+":
        return left + right
    if not _is_number(left) or not _is_number(right):
        raise Failure
    if isinstance(left, int) and isinstance(right, int):
        return whole(_WHOLE[symbol](left, right))
    try:
        return _REAL[symbol](float(left), float(right))
    except (OverflowError, KeyError):
        raise Failure from None


_WHOLE: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divided,
    "%": remainder,
}
_REAL: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": ratio,
}


def negated(value: Any) -> Any:
    """``-value``."""
    if not _is_number(value):
        raise Failure
    return whole(-value) if isinstance(value, int) else -value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_true(value: Any) -> bool:
    """A value of unknown type where true or false is needed."""
    if isinstance(value, bool):
        return value
    raise Failure


def text_of(value: Any) -> str:
    """A value of unknown type where a string is needed."""
    if isinstance(value, str):
        return value
    raise Failure


def at(container: Any, key: Any) -> Any:
    """``container[key]`` of a list or a map."""
    if isinstance(container, list | tuple) and isinstance(key, int) and not isinstance(key, bool):
        if 0 <= key < len(container):
            return container[key]
    elif isinstance(container, Mapping) and isinstance(key, str) and key in container:
        return container[key]
    raise Failure


def text_at(container: Any, key: Any) -> str:
    """The same where texts are held."""
    return as_text(at(container, key))


def header_at(headers: Any, name: Any) -> str:
    """``headers[name]`` in any case."""
    found = _header(headers, name)
    if found is None:
        raise Failure
    return as_text(headers[found])


def header_get(headers: Any, name: Any, default: Any) -> Any:
    """``map_get`` in any case."""
    found = _header(headers, name)
    return default if found is None else as_text(headers[found])


def has_header(name: Any, headers: Any) -> bool:
    """``name in headers`` in any case."""
    return _header(headers, name) is not None


def _header(headers: Any, name: Any) -> str | None:
    if not isinstance(name, str):
        raise Failure
    if name in headers:
        return name
    folded = name.lower()
    return next((key for key in headers if isinstance(key, str) and key.lower() == folded), None)


def map_get(container: Any, key: Any, default: Any) -> Any:
    """What is at ``key``, or ``default``."""
    if not isinstance(container, Mapping) or not isinstance(key, str):
        raise Failure
    return container.get(key, default)


def text_map_get(container: Any, key: Any, default: Any) -> Any:
    """The same where texts are held."""
    found = map_get(container, key, default)
    return found if found is default else as_text(found)


def within(value: Any, container: Any) -> bool:
    """``value in container``."""
    if isinstance(container, Mapping):
        return isinstance(value, str) and value in container
    if isinstance(container, list | tuple):
        return any(same(value, one) for one in container)
    raise Failure


def size(value: Any) -> int:
    """Characters, elements or keys."""
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    raise Failure


def matched(subject: str, pattern: str) -> bool:
    """``matches`` with a pattern that is only known now."""
    try:
        return re2_search(pattern)(subject)
    except PatternError:
        raise Failure from None


def as_timestamp(value: Any) -> int:
    """``timestamp("2026-03-14T22:00:00Z")`` or of seconds since the epoch; nanoseconds."""
    found = timestamp_ns(value) if isinstance(value, str) else whole(value * 1_000_000_000)
    if found is None:
        raise Failure
    return found


def as_duration(value: str) -> int:
    """``duration("5m")`` in nanoseconds."""
    found = duration_ns(value)
    if found is None:
        raise Failure
    return found


def as_int(value: Any) -> int:
    """``int("80")``, ``int(1.9)``; of a timestamp its seconds are taken elsewhere."""
    try:
        if isinstance(value, str) and (len(value) > 20 or not value.lstrip("+-").isdecimal()):
            raise Failure
        return whole(int(value))
    except (ValueError, TypeError, OverflowError):
        raise Failure from None


def as_double(value: Any) -> float:
    """``double("0.5")``, ``double(1)``."""
    try:
        return float(value)
    except (ValueError, TypeError, OverflowError):
        raise Failure from None


def as_string(value: Any) -> str:
    """``string(80)``."""
    if isinstance(value, list | tuple | Mapping) or value is None:
        raise Failure
    return as_text(value)
