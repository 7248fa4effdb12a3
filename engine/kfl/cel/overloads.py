"""Functions and operators of KFL2 by the types of their arguments: result, Python, and whether it can fail.

``{0}``, ``{1}`` stand for arguments, which are names or expressions in parentheses.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.kfl.cel.types import (
    BOOL,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    NUMBERS,
    ORDERED,
    STRING,
    TIMESTAMP,
    Type,
    comparable,
    is_map,
)


class Overload(NamedTuple):
    """What a function is for certain types."""

    result: Type
    code: str
    fails: bool = False


_EXACT: dict[tuple[str, tuple[Type, ...]], Overload] = {
    ("!", (BOOL,)): Overload(BOOL, "not {0}"),
    ("-", (INT,)): Overload(INT, "whole(-{0})", True),
    ("-", (DOUBLE,)): Overload(DOUBLE, "-{0}"),
    ("-", (DURATION,)): Overload(DURATION, "-{0}"),
    ("-", (DYN,)): Overload(DYN, "negated({0})", True),
    ("+", (INT, INT)): Overload(INT, "whole({0} + {1})", True),
    ("-", (INT, INT)): Overload(INT, "whole({0} - {1})", True),
    ("*", (INT, INT)): Overload(INT, "whole({0} * {1})", True),
    ("/", (INT, INT)): Overload(INT, "divided({0}, {1})", True),
    ("%", (INT, INT)): Overload(INT, "remainder({0}, {1})", True),
    ("+", (DOUBLE, DOUBLE)): Overload(DOUBLE, "{0} + {1}"),
    ("-", (DOUBLE, DOUBLE)): Overload(DOUBLE, "{0} - {1}"),
    ("*", (DOUBLE, DOUBLE)): Overload(DOUBLE, "{0} * {1}"),
    ("/", (DOUBLE, DOUBLE)): Overload(DOUBLE, "ratio({0}, {1})", True),
    ("+", (STRING, STRING)): Overload(STRING, "{0} + {1}"),
    ("+", (TIMESTAMP, DURATION)): Overload(TIMESTAMP, "{0} + {1}"),
    ("+", (DURATION, TIMESTAMP)): Overload(TIMESTAMP, "{0} + {1}"),
    ("+", (DURATION, DURATION)): Overload(DURATION, "{0} + {1}"),
    ("-", (TIMESTAMP, TIMESTAMP)): Overload(DURATION, "{0} - {1}"),
    ("-", (TIMESTAMP, DURATION)): Overload(TIMESTAMP, "{0} - {1}"),
    ("-", (DURATION, DURATION)): Overload(DURATION, "{0} - {1}"),
    ("contains", (STRING, STRING)): Overload(BOOL, "{1} in {0}"),
    ("startsWith", (STRING, STRING)): Overload(BOOL, "{0}.startswith({1})"),
    ("endsWith", (STRING, STRING)): Overload(BOOL, "{0}.endswith({1})"),
    ("matches", (STRING, STRING)): Overload(BOOL, "matched({0}, {1})", True),
    ("size", (STRING,)): Overload(INT, "len({0})"),
    ("size", (DYN,)): Overload(INT, "size({0})", True),
    ("timestamp", (STRING,)): Overload(TIMESTAMP, "as_timestamp({0})", True),
    ("timestamp", (INT,)): Overload(TIMESTAMP, "as_timestamp({0})", True),
    ("timestamp", (TIMESTAMP,)): Overload(TIMESTAMP, "{0}"),
    ("duration", (STRING,)): Overload(DURATION, "as_duration({0})", True),
    ("duration", (DURATION,)): Overload(DURATION, "{0}"),
    ("now", ()): Overload(TIMESTAMP, "now() * 1000000"),
    ("int", (TIMESTAMP,)): Overload(INT, "{0} // 1000000000"),
    **{("int", (kind,)): Overload(INT, "as_int({0})", True) for kind in (INT, DOUBLE, STRING, DYN)},
    **{("double", (kind,)): Overload(DOUBLE, "as_double({0})", True) for kind in (INT, DOUBLE, STRING, DYN)},
    **{("string", (kind,)): Overload(STRING, "as_string({0})", True) for kind in (INT, DOUBLE, STRING, BOOL, DYN)},
}

FUNCTIONS = sorted({name for name, _ in _EXACT if name.isalpha()} | {"map_get"})
ARGUMENTS = {"now": 0, "size": 1, "int": 1, "double": 1, "string": 1, "timestamp": 1, "duration": 1, "map_get": 3}
"""How many arguments a function takes, its subject included; two where it is not here."""
ARITHMETIC = ("+", "-", "*", "/", "%")
ORDERS = ("<", "<=", ">", ">=")
COERCED = {BOOL: "is_true({0})", STRING: "text_of({0})"}
"""How a value of unknown type becomes one of a known type; it may fail."""


def overload(function: str, types: tuple[Type, ...]) -> Overload | None:
    """What ``function`` is for these types; None if it is nothing."""
    found = _EXACT.get((function, types))
    if found is not None or not types:
        return found
    if function in ("==", "!="):
        return _equality(function, types[0], types[1])
    if function in ORDERS:
        return _order(function, types[0], types[1])
    if function in ARITHMETIC and len(types) == 2:
        return _arithmetic(function, types[0], types[1])
    return _container(function, types)


def _equality(function: str, left: Type, right: Type) -> Overload | None:
    if not comparable(left, right):
        return None
    if (left in ORDERED and left == right) or (left in NUMBERS and right in NUMBERS):
        return Overload(BOOL, f"{{0}} {function} {{1}}")
    return Overload(BOOL, "same({0}, {1})" if function == "==" else "not same({0}, {1})")


def _order(function: str, left: Type, right: Type) -> Overload | None:
    if (left in ORDERED and left == right) or (left in NUMBERS and right in NUMBERS):
        return Overload(BOOL, f"{{0}} {function} {{1}}")
    simple = {STRING, INT, DOUBLE, BOOL, DYN}
    if DYN in (left, right) and {left, right} <= simple:
        return Overload(BOOL, f"ordered({function!r}, {{0}}, {{1}})", True)
    return None


def _arithmetic(function: str, left: Type, right: Type) -> Overload | None:
    if left.name == right.name == "list" and function == "+":
        return Overload(left if left == right else Type("list", "dyn"), "[*{0}, *{1}]")
    if DYN in (left, right) and {left, right} <= {STRING, INT, DOUBLE, DYN}:
        return Overload(DYN, f"calculated({function!r}, {{0}}, {{1}})", True)
    return None


def _container(function: str, types: tuple[Type, ...]) -> Overload | None:
    match function, types:
        case "in", (value, container):
            return _within(value, container)
        case "[]", (container, key):
            return _at(container, key)
        case "size", (container,) if container.name == "list" or is_map(container):
            return Overload(INT, "len({0})")
        case "map_get", (container, key, default) if is_map(container) and key in (STRING, DYN):
            if container.of == "string":
                name = "header_get" if container.name == "headers" else "text_map_get"
                return Overload(STRING, f"{name}({{0}}, {{1}}, {{2}})", True) if default == STRING else None
            return Overload(DYN, "map_get({0}, {1}, {2})", True)
        case "map_get", (container, key, _) if container == DYN and key in (STRING, DYN):
            return Overload(DYN, "map_get({0}, {1}, {2})", True)
        case "?:", (condition, yes, no) if condition == BOOL:
            kind = yes if yes == no else DYN if DYN in (yes, no) or NULL in (yes, no) else None
            return None if kind is None else Overload(kind, "({1} if {0} else {2})")
        case _:
            return None


def _within(value: Type, container: Type) -> Overload | None:
    if container.name == "headers":
        return Overload(BOOL, "has_header({0}, {1})", True) if value in (STRING, DYN) else None
    if is_map(container):
        return Overload(BOOL, "{0} in {1}") if value == STRING else None
    if container == DYN:
        return Overload(BOOL, "within({0}, {1})", True)
    if container.name != "list" or not comparable(value, Type(container.of)):
        return None
    if value == STRING and container.of == "string":
        return Overload(BOOL, "{0} in {1}")
    return Overload(BOOL, "within({0}, {1})", True)


def _at(container: Type, key: Type) -> Overload | None:
    if container.name == "list" and key in (INT, DYN):
        return Overload(Type(container.of), "at({0}, {1})", True)
    if container.name == "headers" and key in (STRING, DYN):
        return Overload(STRING, "header_at({0}, {1})", True)
    if is_map(container) and key in (STRING, DYN):
        return Overload(Type(container.of), "text_at({0}, {1})" if container.of == "string" else "at({0}, {1})", True)
    return Overload(DYN, "at({0}, {1})", True) if container == DYN and key in (STRING, INT, DYN) else None
