"""What every item that a filter matches must have, so that recordings need not be fetched whole.

A need is necessary and never sufficient: where the filter does not plainly say, there is none.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.kfl.filters import Filter
from engine.kfl.helpers import constant_arguments
from engine.kfl.macros import expand
from engine.kfl.protocols import Protocols, join, meet
from engine.kfl.syntax import Call, Chain, Key, Literal, Node, Path, Scope
from engine.kfl.values import text
from engine.units import ALWAYS

End = tuple[str, str]
"""``("ip", "10.0.0.1")`` or ``("port", "443")``."""
Ends = frozenset[End] | None
_TIME = Path((Key("timestamp"),))
_ENDS = {Path((Key(side), Key(part))): part for side in ("src", "dst") for part in ("ip", "port")}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}


class Needs(NamedTuple):
    """What an item must have to match."""

    protocols: Protocols = None
    """One of these as ``protocol.name``; None: any."""
    since_ms: int = ALWAYS.since_ms
    until_ms: int = ALWAYS.until_ms
    """``timestamp`` within these, both included."""
    ends: Ends = None
    """One of these at either end of its stream; None: any."""
    recordings: frozenset[str] | None = None
    """It belongs to one of these; None: whatever it belongs to."""


ANYTHING = Needs()


def needs_of(filter: Filter | None) -> Needs:
    """Of a filter; None is one that matches everything."""
    if filter is None:
        return ANYTHING
    if filter.dialect != "kfl":
        return Needs(filter.protocols)
    return _of(expand(filter.text, dict(filter.macros)))._replace(protocols=filter.protocols)


def _of(node: Node) -> Needs:
    match node:
        case Scope(inner=inner):
            return _of(inner)
        case Path(steps=(Call(name="record") as call,)):
            return Needs(recordings=frozenset({constant_arguments(call)[0]}))
        case Chain() if node.logical:
            return _logical(node)
        case Chain(operators=(operator,), operands=(left, right)) if operator in _MIRRORED:
            if isinstance(right, Literal):
                return _compared(left, operator, right)
            return _compared(right, _MIRRORED[operator], left) if isinstance(left, Literal) else ANYTHING
        case _:
            return ANYTHING


def _compared(path: Node, operator: str, value: Literal) -> Needs:
    if operator == "==" and isinstance(path, Path) and path in _ENDS:
        return Needs(ends=frozenset({(_ENDS[path], text(value.value))}))
    number = value.value
    if (
        path != _TIME
        or isinstance(number, bool)
        or not isinstance(number, int | float)
        or abs(number) > ALWAYS.until_ms
    ):
        return ANYTHING
    if operator == "==":
        return ANYTHING  # compared as text of six digits, which numbers of this size never equal
    since = {">": int(number), ">=": int(number)}.get(operator, ALWAYS.since_ms)
    until = {"<": int(number) + 1, "<=": int(number) + 1}.get(operator, ALWAYS.until_ms)
    return Needs(since_ms=since, until_ms=until)


def _logical(chain: Chain) -> Needs:
    rest = _of(chain.operands[-1])
    for operand, operator in zip(reversed(chain.operands[:-1]), reversed(chain.operators), strict=True):
        rest = (_either if operator == "or" else _both)(_of(operand), rest)
    return rest


def _both(one: Needs, other: Needs) -> Needs:
    """Of two sets of ends the smaller: both are necessary, and one stream may have one of each."""
    ends = one.ends if other.ends is None else other.ends if one.ends is None else min(one.ends, other.ends, key=len)
    return Needs(
        None,
        max(one.since_ms, other.since_ms),
        min(one.until_ms, other.until_ms),
        ends,
        meet(one.recordings, other.recordings),
    )


def _either(one: Needs, other: Needs) -> Needs:
    return Needs(
        None,
        min(one.since_ms, other.since_ms),
        max(one.until_ms, other.until_ms),
        join(one.ends, other.ends),  # type: ignore[arg-type] # sets of whatever
        join(one.recordings, other.recordings),
    )
