"""KFL2 evaluated the slow, obvious way: a walk over the tree, types looked at when values meet, errors raised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine.kfl.cel.syntax import Apply, Expression, Name
from engine.kfl.cel.variables import VARIABLES
from engine.kfl.syntax import Chain, Literal

NOW_MS = 1_700_000_000_000


class Wrong(Exception):
    """An error of CEL."""


def matches(tree: Expression, item: Mapping[str, Any]) -> bool:
    try:
        return value(tree, item) is True
    except Wrong:
        return False


def value(node: Any, item: Any) -> Any:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Name):
        return name(node, item)
    if isinstance(node, Chain):
        return logical(node, item)
    assert isinstance(node, Apply)
    if node.function == "?:":
        return value(node.arguments[1 if truth(value(node.arguments[0], item)) else 2], item)
    return apply(node.function, [value(argument, item) for argument in node.arguments], node, item)


def name(node: Name, item: Any) -> Any:
    for count in range(len(node.parts), 0, -1):
        if (variable := VARIABLES.get(".".join(node.parts[:count]))) is not None:
            found = variable.read(item)
            for part in node.parts[count:]:
                found = key_of(found, part, ".".join(node.parts[:count]).endswith("headers"))
            return found
    raise AssertionError(node)


def logical(node: Chain, item: Any) -> bool:
    decides = node.operators[0] == "||"
    failed = False
    for operand in node.operands:
        try:
            if truth(value(operand, item)) is decides:
                return decides
        except Wrong:
            failed = True
    if failed:
        raise Wrong
    return not decides


def truth(found: Any) -> bool:
    if not isinstance(found, bool):
        raise Wrong
    return found


def key_of(container: Any, key: Any, headers: bool = False) -> Any:
    if isinstance(container, list):
        if isinstance(key, int) and not isinstance(key, bool) and 0 <= key < len(container):
            return container[key]
        raise Wrong
    if isinstance(container, Mapping) and isinstance(key, str):
        for known in [key, *(container if headers else ())]:
            if known in container and (known == key or known.lower() == key.lower()):
                return as_text(container[known]) if headers else container[known]
    raise Wrong


def as_text(found: Any) -> str:
    if isinstance(found, bool) or found is None:
        return {True: "true", False: "false", None: "null"}[found]
    if isinstance(found, list | dict):
        return ""
    return str(int(found)) if isinstance(found, float) and found == int(found) else str(found)


def kind(found: Any) -> str:
    for types, called in (((bool,), "bool"), ((int, float), "number"), ((str,), "text"), ((list, tuple), "list")):
        if isinstance(found, types):
            return called
    return "null" if found is None else "map"


def same(left: Any, right: Any) -> bool:
    return kind(left) == kind(right) and (list(left) == list(right) if kind(left) == "list" else left == right)


def apply(function: str, given: list[Any], node: Apply, item: Any) -> Any:
    headers = isinstance(node.arguments[-1 if function == "in" else 0], Name) and "headers" in str(
        node.arguments[-1 if function == "in" else 0]
    )
    match function, given:
        case "!", [one]:
            return not truth(one)
        case "-", [one]:
            return whole(-one) if kind(one) == "number" else fail()
        case "==", [left, right]:
            return same(left, right)
        case "!=", [left, right]:
            return not same(left, right)
        case (("<" | "<=" | ">" | ">="), [left, right]):
            if kind(left) != kind(right) or kind(left) not in ("number", "text", "bool"):
                raise Wrong
            return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[function]
        case (("+" | "-" | "*" | "/" | "%"), [left, right]):
            return calculated(function, left, right)
        case "[...]", elements:
            return elements
        case "[]", [container, key]:
            return key_of(container, key, headers)
        case "in", [wanted, container]:
            if isinstance(container, list):
                return any(same(wanted, one) for one in container)
            try:
                key_of(container, wanted, headers)
            except Wrong:
                return False
            return True
        case (("contains" | "startsWith" | "endsWith" | "matches"), [subject, part]):
            if not isinstance(subject, str) or not isinstance(part, str):
                raise Wrong
            return {
                "contains": lambda: part in subject,
                "startsWith": lambda: subject.startswith(part),
                "endsWith": lambda: subject.endswith(part),
                "matches": lambda: re.search(part, subject) is not None,
            }[function]()
        case "size", [one]:
            return len(one) if kind(one) in ("text", "list", "map") else fail()
        case "map_get", [container, key, default]:
            try:
                return key_of(container, key, headers)
            except Wrong:
                return default
        case "now", []:
            return NOW_MS * 1_000_000
        case "string", [one]:
            return as_text(one) if kind(one) in ("text", "number", "bool") else fail()
    raise AssertionError(function)


def calculated(function: str, left: Any, right: Any) -> Any:
    if function == "+" and kind(left) == kind(right) and kind(left) in ("text", "list"):
        return left + right
    if kind(left) != "number" or kind(right) != "number":
        raise Wrong
    if function in "/%" and right == 0:
        raise Wrong
    if function == "/":
        quotient = abs(left) // abs(right)
        return whole(quotient if (left < 0) == (right < 0) else -quotient)
    if function == "%":
        return abs(left) % abs(right) * (-1 if left < 0 else 1)
    return whole({"+": left + right, "-": left - right, "*": left * right}[function])


def whole(found: Any) -> Any:
    if isinstance(found, int) and not -(2**63) <= found < 2**63:
        raise Wrong
    return found


def fail() -> Any:
    raise Wrong
