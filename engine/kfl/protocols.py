"""Which protocols a filter can match at all, so that items of the others need not be built."""

from __future__ import annotations

from engine.kfl.fields import PROTOCOL_OF_ABBR
from engine.kfl.syntax import Chain, Key, Literal, Node, Path, Scope
from engine.kfl.values import text, truthy

Protocols = frozenset[str] | None
"""Names as in ``protocol.name``; None is any."""

_NAME = Path((Key("protocol"), Key("name")))
_ABBR = Path((Key("protocol"), Key("abbr")))


def meet(one: Protocols, other: Protocols) -> Protocols:
    """What both allow."""
    return other if one is None else one if other is None else one & other


def join(one: Protocols, other: Protocols) -> Protocols:
    """What either allows."""
    return None if one is None or other is None else one | other


def protocols_of(node: Node) -> Protocols:
    """Every protocol of which some item may match; more than that where the filter does not say."""
    match node:
        case Literal(value=value):
            return None if truthy(value) else frozenset()
        case Scope(inner=inner):
            return protocols_of(inner)
        case Chain(operators=("==",), operands=(left, right)):
            return _named(left, right) or _named(right, left)
        case Chain() if node.logical:
            return _logical(node)
        case _:
            return None


def _named(path: Node, value: Node) -> Protocols:
    if not isinstance(value, Literal):
        return None
    if path == _NAME:
        return frozenset({text(value.value)})
    if path == _ABBR and text(value.value) in PROTOCOL_OF_ABBR:
        return frozenset({PROTOCOL_OF_ABBR[text(value.value)]})
    return None


def _logical(chain: Chain) -> Protocols:
    rest = protocols_of(chain.operands[-1])
    for operand, operator in zip(reversed(chain.operands[:-1]), reversed(chain.operators), strict=True):
        mine = protocols_of(operand)
        rest = join(mine, rest) if operator == "or" else meet(mine, rest)
    return rest
