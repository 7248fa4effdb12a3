"""The AST: what a filter says, whichever dialect said it.

Chains are flat tuples, so that a long filter is long and not deep; the tree is only as deep as its parentheses.
``at`` is the offset into the text that the node came from; nodes that say the same thing are equal wherever they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, a number, true, false or nil."""

    value: str | int | float | bool | None
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression, ``r"..."``."""

    text: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Key:
    """``.name`` or ``["name"]``."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Index:
    """``[0]``."""

    position: int
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Each:
    """``.*`` or ``[*]``: every value of an object or an array."""

    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Descend:
    """``..name``: every value of that name at any depth."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """``.helper(a, b)``, or ``helper(a, b)`` as the first step."""

    name: str
    arguments: tuple[Node, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Path:
    """Steps from the item to a value; the first is a ``Key`` or a ``Call``."""

    steps: tuple[Step, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """Parentheses or a macro: what is missing inside makes this, and only this, false."""

    inner: Node
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """``!`` and ``-`` before a value; the last operator is the nearest to it."""

    operators: tuple[str, ...]
    operand: Node
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Chain:
    """``a op b op c``, grouped from the right; one more operand than operators."""

    operands: tuple[Node, ...]
    operators: tuple[str, ...]
    at: int = field(default=0, compare=False)

    @property
    def logical(self) -> bool:
        """Whether it is joined by ``and`` and ``or``, which decide what is evaluated at all."""
        return self.operators[0] in ("and", "or")


Step = Key | Index | Each | Descend | Call
Node = Literal | Pattern | Path | Scope | Unary | Chain

TRUE = Literal(True)
"""The filter of an empty text."""


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below ``node``, arguments of helpers included."""
    match node:
        case Scope(inner=child) | Unary(operand=child):
            yield child
        case Chain(operands=operands):
            yield from operands
        case Path(steps=steps):
            for step in steps:
                if isinstance(step, Call):
                    yield from step.arguments
        case _:
            return
