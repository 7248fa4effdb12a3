"""The AST as text again: what a filter is read as, with the parentheses that it does not need left out."""

from __future__ import annotations

import json
import re

from engine.kfl.syntax import Call, Chain, Descend, Each, Index, Key, Literal, Node, Path, Pattern, Scope, Step, Unary

_PLAIN_NAME = re.compile(r"[^\W\d]\w*")


def written(node: Node) -> str:
    """KFL for ``node``; parsing it leads to the same tree."""
    match node:
        case Literal(value=value):
            return literal(value)
        case Pattern(text=text):
            return pattern(text)
        case Path(steps=steps):
            return "".join(_step(step, first=position == 0) for position, step in enumerate(steps))
        case Scope(inner=inner):
            return f"({written(inner)})"
        case Unary(operators=operators, operand=operand):
            return "".join(operators) + written(operand)
        case Chain(operands=operands, operators=operators):
            rest = [f" {sign} {written(each)}" for sign, each in zip(operators, operands[1:], strict=True)]
            return written(operands[0]) + "".join(rest)


def grouped(chain: Chain) -> str:
    """A chain of ``and`` and ``or`` as it is read, in parentheses: ``a and (b or c)``."""
    runs: list[str] = [written(chain.operands[-1])]
    after = chain.operators[-1]
    for operand, sign in zip(reversed(chain.operands[:-1]), reversed(chain.operators), strict=True):
        if sign != after:
            runs = [f"({f' {after} '.join(runs)})"]
            after = sign
        runs.insert(0, written(operand))
    return f" {after} ".join(runs)


def and_first(chain: Chain) -> str:
    """The same as many other languages would read it: ``(a and b) or c``."""
    groups: list[list[str]] = [[written(chain.operands[0])]]
    for sign, operand in zip(chain.operators, chain.operands[1:], strict=True):
        if sign == "and":
            groups[-1].append(written(operand))
        else:
            groups.append([written(operand)])
    return " or ".join(group[0] if len(group) == 1 else f"({' and '.join(group)})" for group in groups)


def literal(value: str | float | bool | None) -> str:
    """A constant of KFL."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nil" if value is None else "1e999" if value == float("inf") else repr(value)


def pattern(text: str) -> str:
    """A regular expression of KFL."""
    odd = (len(text) - len(text.rstrip("\\"))) % 2 == 1
    quote = "`" if odd else next((mark for mark in "\"'`" if mark not in text), '"')
    return f"r{quote}{text}{quote}"


def _step(step: Step, *, first: bool) -> str:
    match step:
        case Key(name=name) if first or _PLAIN_NAME.fullmatch(name):
            return name if first else f".{name}"
        case Key(name=name):
            return f"[{literal(name)}]"
        case Index(position=position):
            return f"[{position}]"
        case Each():
            return ".*"
        case Descend(name=name):
            return f"..{name}"
        case Call(name=name, arguments=arguments):
            return f"{'' if first else '.'}{name}({', '.join(map(written, arguments))})"
