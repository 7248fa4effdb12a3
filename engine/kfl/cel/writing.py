"""KFL2 as text again, with the parentheses that it needs."""

from __future__ import annotations

import json

from engine.kfl.cel.syntax import Apply, Expression, Name
from engine.kfl.syntax import Chain, Literal

_BINDS = {"?:": 0, "||": 1, "&&": 2, "in": 3, "+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "!": 6}
_COMPARISON, _SELECTOR = 3, 7


def written(node: Expression, around: int = 0) -> str:
    """``node`` where an operator that binds as tightly as ``around`` stands next to it."""
    text, binds = _written(node)
    return f"({text})" if binds < around else text


def _written(node: Expression) -> tuple[str, int]:
    match node:
        case Literal(value=value):
            return literal(value), _SELECTOR
        case Name(parts=parts):
            return ".".join(parts), _SELECTOR
        case Chain(operands=operands, operators=operators):
            sign = operators[0]
            joined = f" {sign} ".join(written(each, _BINDS[sign] + 1) for each in operands)  # type: ignore[arg-type] # of KFL2
            return joined, _BINDS[sign]
        case Apply(function=name, arguments=arguments):
            return _applied(name, arguments)


def _applied(name: str, arguments: tuple[Expression, ...]) -> tuple[str, int]:
    match name, arguments:
        case "[...]", elements:
            return f"[{', '.join(map(written, elements))}]", _SELECTOR
        case "[]", (subject, key):
            return f"{written(subject, _SELECTOR)}[{written(key)}]", _SELECTOR
        case "?:", (condition, yes, no):
            return f"{written(condition, 1)} ? {written(yes, 1)} : {written(no)}", 0
        case (("!" | "-"), (operand,)):
            return name + written(operand, _BINDS["!"]), _BINDS["!"]
        case (("contains" | "startsWith" | "endsWith" | "matches"), (subject, part)):
            return f"{written(subject, _SELECTOR)}.{name}({written(part)})", _SELECTOR
        case _, (left, right) if not name.isidentifier() or name == "in":
            binds = _BINDS.get(name, _COMPARISON)
            return f"{written(left, binds)} {name} {written(right, binds + 1)}", binds
        case _:
            return f"{name}({', '.join(map(written, arguments))})", _SELECTOR


def literal(value: str | float | bool | None) -> str:
    """A constant of KFL2."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else repr(value)
