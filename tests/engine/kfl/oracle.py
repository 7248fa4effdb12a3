"""KFL evaluated the slow, obvious way: a walk over the tree, an exception where something is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from engine.kfl.syntax import Call, Chain, Descend, Each, Index, Key, Literal, Node, Path, Pattern, Scope, Unary

NOW_MS = 1_700_000_000_000


class Missing(Exception):
    pass


def matches(tree: Node, item: Mapping[str, Any]) -> bool:
    return holds(scope(tree, item))


def scope(node: Node, item: Any) -> Any:
    try:
        return value(node, item)
    except Missing:
        return False


def value(node: Node, item: Any) -> Any:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Pattern):
        return re.compile(node.text)
    if isinstance(node, Scope):
        return scope(node.inner, item)
    if isinstance(node, Unary):
        result = value(node.operand, item)
        for operator in reversed(node.operators):
            if operator == "!":
                result = not result if isinstance(result, bool) else result
            elif is_number(result):
                result = -result
        return result
    if isinstance(node, Path):
        return path(node, item)
    return chain(node, item)


def chain(node: Chain, item: Any) -> Any:
    first, operator = node.operands[0], node.operators[0]
    rest = node.operands[1] if len(node.operands) == 2 else Chain(node.operands[1:], node.operators[1:])
    if operator == "and":
        return holds(value(first, item)) and holds(value(rest, item))
    if operator == "or":
        return holds(value(first, item)) or holds(value(rest, item))
    left, right = value(first, item), value(rest, item)
    if operator in ("==", "!="):
        return same(left, right) == (operator == "==")
    return in_order(left, operator, right)


def path(node: Path, item: Any) -> Any:
    last = node.steps[-1]
    if isinstance(last, Call) and len(node.steps) == 1:
        return alone(last)
    if any(isinstance(step, Call) and step.name == "json" for step in node.steps) and last.__class__ is not Call:
        try:
            return find(node, item)
        except Missing:
            return False
    if isinstance(last, Call) and last.name == "json":
        try:
            return find(node, item)
        except Missing:
            return False
    if isinstance(last, Call):
        argument = texts(scope(last.arguments[0], item))
        try:
            subjects = texts(find(Path(node.steps[:-1]), item))
        except Missing:
            return False
        wanted = argument[0] if not isinstance(scope(last.arguments[0], item), list) else ""
        test = {"startsWith": str.startswith, "endsWith": str.endswith, "contains": str.__contains__}[last.name]
        return any(test(subject, wanted) for subject in subjects)
    return find(node, item)


def alone(call: Call) -> Any:
    numbers = {"now": 0, "seconds": 1000, "minutes": 60_000, "days": 86_400_000}
    if call.name in numbers:
        argument = call.arguments[0] if call.arguments else Literal(0)
        assert isinstance(argument, Literal)
        assert isinstance(argument.value, int)
        return NOW_MS + numbers[call.name] * argument.value
    return True if call.name != "record" else call.arguments[0] == Literal("mine")


def find(node: Path, item: Any) -> Any:
    found = [item]
    for position, step in enumerate(node.steps):
        headers = (
            position == 2 and node.steps[0] in (Key("request"), Key("response")) and node.steps[1] == Key("headers")
        )
        found = [result for each in found for result in advance(each, step, headers)]
    if not found:
        raise Missing
    return found[0] if len(found) == 1 else found


def advance(each: Any, step: Any, headers: bool) -> list[Any]:
    if isinstance(step, Index):
        return each[step.position : step.position + 1] if isinstance(each, list) else []
    if isinstance(step, Call):
        try:
            return [json.loads(each)]
        except (ValueError, TypeError):
            return []
    if isinstance(step, Each):
        return list(each.values()) if isinstance(each, dict) else each if isinstance(each, list) else []
    if isinstance(step, Descend):
        inner = list(each.values()) if isinstance(each, dict) else each if isinstance(each, list) else []
        return advance(each, Key(step.name), False) + [found for one in inner for found in advance(one, step, False)]
    if not isinstance(each, dict):
        return []
    if headers and step.name not in each:
        return [found for key, found in each.items() if key.lower() == step.name.lower()][:1]
    return [each[step.name]] if step.name in each else []


def is_number(one: Any) -> bool:
    return isinstance(one, int | float) and not isinstance(one, bool)


def holds(one: Any) -> bool:
    if isinstance(one, bool):
        return one
    if is_number(one):
        return bool(one > 0)
    return isinstance(one, str | list) and len(one) > 0


def text(one: Any) -> str:
    if isinstance(one, str):
        return one
    if one is None:
        return "null"
    if isinstance(one, bool):
        return "true" if one else "false"
    if isinstance(one, float) and one == int(one):
        return str(int(one))
    return str(one) if is_number(one) else ""


def texts(one: Any) -> list[str]:
    return [text(each) for each in one] if isinstance(one, list) else [text(one)]


def same(left: Any, right: Any) -> bool:
    if isinstance(left, re.Pattern) or isinstance(right, re.Pattern):
        pattern, other = (left, right) if isinstance(left, re.Pattern) else (right, left)
        return any(pattern.search(each) for each in texts(other))
    if isinstance(left, list) and isinstance(right, list):
        return left == right
    if isinstance(left, list):
        return any(same_one(each, right) for each in left)
    if isinstance(right, list):
        return any(same_one(left, each) for each in right)
    return same_one(left, right)


def same_one(left: Any, right: Any) -> bool:
    if is_number(left) and is_number(right):
        return bool(left == right)
    return text(left) == text(right)


def as_number(one: Any) -> float:
    if isinstance(one, str):
        return float(one) if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", one) else 0
    return one if isinstance(one, int | float) else 0


def in_order(left: Any, operator: str, right: Any) -> bool:
    lefts = left if isinstance(left, list) else [left]
    rights = right if isinstance(right, list) else [right]
    pairs = [(as_number(a), as_number(b)) for a in lefts for b in rights]
    results = [{"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator] for a, b in pairs]
    both = isinstance(left, list) and isinstance(right, list)
    return bool(results) and all(results) if both else any(results)
