"""What can be said of a filter without an item: always true, always false, never both."""

from __future__ import annotations

from engine.kfl.fields import kind_of
from engine.kfl.syntax import Chain, Literal, Node, Path, Scope
from engine.kfl.values import equal, truthy


def settled(node: Node) -> bool | None:
    """What ``node`` says of every item; None if it depends on the item. Its macros are replaced."""
    match node:
        case Literal(value=value):
            return truthy(value)
        case Scope(inner=inner):
            return settled(inner)
        case Chain(operators=(("==" | "!=") as operator,), operands=(Literal() as left, Literal() as right)):
            return equal(left.value, right.value) == (operator == "==")
        case Chain() if node.logical:
            return _settled(node)
        case _:
            return None


def _settled(chain: Chain) -> bool | None:
    """From the right: ``false and REST`` is false, ``true or REST`` is true, whatever the rest is."""
    result = settled(chain.operands[-1])
    for operand, operator in zip(reversed(chain.operands[:-1]), reversed(chain.operators), strict=True):
        first = settled(operand)
        if operator == "and":
            result = False if first is False or result is False else result if first else None
        else:
            result = True if first is True else result if first is False else None
    return result


def contradictions(chain: Chain) -> list[tuple[Path, Node]]:
    """Of ``x == 1 and x == 2`` the path and the second value: fields that hold one value cannot equal two."""
    if set(chain.operators) != {"and"}:
        return []
    seen: dict[Path, Literal] = {}
    found: list[tuple[Path, Node]] = []
    for operand in chain.operands:
        match _inside(operand):
            case Chain(operators=("==",), operands=(Path() as path, Literal() as value)):
                pass
            case Chain(operators=("==",), operands=(Literal() as value, Path() as path)):
                pass
            case _:
                continue
        if kind_of(path) not in ("text", "number", "flag"):
            continue
        if not equal(seen.setdefault(path, value).value, value.value):
            found.append((path, value))
    return found


def _inside(node: Node) -> Node:
    while isinstance(node, Scope):
        node = node.inner
    return node
