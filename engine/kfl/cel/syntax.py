"""What KFL2 adds to the AST of ``engine.kfl.syntax``: names, and functions applied to arguments.

Operators are functions called ``+``, ``==``, ``?:``, ``[]`` and so on. ``&&`` and ``||`` are ``Chain``s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.kfl.syntax import Chain, Literal


@dataclass(frozen=True, slots=True)
class Name:
    """``status_code`` or ``src.pod.name``; where the variable ends and its content begins, its table knows."""

    parts: tuple[str, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Apply:
    """A function, a method (its subject goes first) or an operator."""

    function: str
    arguments: tuple[Expression, ...]
    at: int = field(default=0, compare=False)


Expression = Literal | Name | Apply | Chain
"""The operands of a ``Chain`` of KFL2 are expressions."""


def children(node: Expression) -> tuple[Expression, ...]:
    """The expressions directly below ``node``."""
    match node:
        case Apply(arguments=arguments):
            return arguments
        case Chain(operands=operands):
            return operands  # type: ignore[return-value] # those of a chain of KFL2
        case _:
            return ()
