"""Typed KFL2 to a Python function: one expression, in which names are ours and everything of the text is bound.

``path == "/"`` is ``return (c1(item) == c2)`` with the accessor of ``path`` bound to ``c1``; variables that lie two
names deep are read in place. Where an operand can fail before another that may decide, ``any_of`` and ``all_of`` get
the operands as functions. Python's own limits on nesting are never met: every so many levels a function begins.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from engine.kfl.cel import functions
from engine.kfl.cel.checking import Typed
from engine.kfl.cel.functions import Failure
from engine.kfl.cel.variables import INLINE, read_int, text_or_empty
from engine.kfl.codegen import Module, Predicate, load

LEVELS_AT_ONCE = 12
"""Python's parser takes 200 parentheses within each other; a level of ours has up to six."""

_NAMES = (
    "any_of", "all_of", "same", "ordered", "whole", "divided", "remainder", "ratio", "calculated", "negated", "is_true",
    "text_of", "at", "text_at", "header_at", "header_get", "has_header", "map_get", "text_map_get", "within", "size",
    "matched", "as_timestamp", "as_duration", "as_int", "as_double", "as_string",
)  # fmt: skip
_RUNTIME: dict[str, object] = {
    "__builtins__": {},
    "AttributeError": AttributeError,
    "len": len,
    "type": type,
    "str": str,
    "int": int,
    "EMPTY": {},
    "MAX_INT": 2**63,
    "Failure": Failure,
    "text_or_empty": text_or_empty,
    "read_int": read_int,
    **{name: getattr(functions, name) for name in _NAMES},
}


def build(typed: Typed, now_ms: Callable[[], int]) -> Predicate:
    """The function that answers for ``typed``."""
    predicate: Predicate = load(generate(typed), {**_RUNTIME, "now": now_ms})
    return predicate


def generate(typed: Typed) -> Module:
    """The source for ``typed``; it depends on the filter's shape and not on its words."""
    writer = _Writer()
    quick, _ = writer.render(typed)
    writer.inline = False
    safe, _ = writer.render(typed)
    writer.lines += [
        "def slow(item, recordings=()):",
        f" try: return {safe}",
        " except Failure: return False",
        "def f(item, recordings=()):",
        f" try: return {quick}",
        " except AttributeError: return slow(item, recordings)",
        " except Failure: return False",
    ]
    return Module("\n".join(writer.lines) + "\n", {name: value for (_, value), name in writer.constants.items()}, "f")


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[tuple[type, Any], str] = {}
        self.inline = True
        self._numbers = itertools.count(1)

    def bind(self, value: Any) -> str:
        key = (type(value), value)
        if key not in self.constants:
            self.constants[key] = f"c{next(self._numbers)}"
        return self.constants[key]

    def render(self, typed: Typed) -> tuple[str, int]:
        """``(Python, how many levels it has)``; what is no single name or call is in parentheses."""
        if typed.constant:
            return self.bind(typed.bound), 1
        if typed.variable is not None and self.inline and typed.bound in INLINE:
            code, constants = INLINE[typed.bound]
            return code.format(*map(self.bind, constants), v=f"v{next(self._numbers)}"), 2
        parts = [self.render(part) for part in typed.parts]
        codes, levels = [code for code, _ in parts], max((level for _, level in parts), default=0) + 1
        if typed.code in ("&&", "||"):
            code = self.chain(typed, codes)
        else:
            bound = self.bind(typed.bound) if "{c}" in typed.code else ""
            code = f"({typed.code.format(*codes, c=bound)})"
        return (code, levels) if levels < LEVELS_AT_ONCE else (self.function(code), 1)

    def chain(self, typed: Typed, codes: list[str]) -> str:
        word, name = (" and ", "all_of") if typed.code == "&&" else (" or ", "any_of")
        if any(part.fails for part in typed.parts[:-1]):
            return f"{name}({', '.join(f'lambda: {code}' for code in codes)})"
        return f"({word.join(codes)})"

    def function(self, code: str) -> str:
        name = f"f{next(self._numbers)}"
        self.lines.append(f"def {name}(item, recordings): return {code}")
        return f"{name}(item, recordings)"
