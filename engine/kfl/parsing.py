"""Text to AST. The parser is LALR and keeps its own stack, so no text can exhaust Python's.

The grammar is read when this module is imported, since filters are also compiled in processes that may not open files;
the parser is made of it at the first text (25 ms), since most commands have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import UnexpectedToken

from engine.errors import KflError
from engine.kfl.syntax import (
    TRUE,
    Call,
    Chain,
    Descend,
    Each,
    Index,
    Key,
    Literal,
    Node,
    Path,
    Pattern,
    Scope,
    Step,
    Unary,
)

MAX_TEXT_LENGTH = 64 * 1024
"""Characters; longer texts are refused before anything looks at them."""
MAX_DEPTH = 64
"""Parentheses within parentheses, macros included."""
MAX_INT_DIGITS = 300
"""A whole number with more digits is read as a float."""

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"} | {c: c for c in "\\\"'`/"}
_HINTS = (
    (r"===?|=", "write == to compare"),
    (r"&&?|AND\b|And\b", "write 'and'"),
    (r"\|\|?|OR\b|Or\b", "write 'or'"),
    (r"-\w", 'a name with a dash is written in brackets: request.headers["Content-Type"]'),
    (r"[\"'`]", "is this string closed?"),
)


class Mistake(Exception):
    """Found while the tree is built, where the text is not at hand."""

    def __init__(self, reason: str, at: int, hint: str = "") -> None:
        super().__init__(reason)
        self.reason, self.at, self.hint = reason, at, hint


def read_grammar(package: str) -> str:
    """``grammar.lark`` of ``package``."""
    return files(package).joinpath("grammar.lark").read_text()


def mistake(reason: str, text: str, at: int, hint: str = "") -> KflError:
    """The error for offset ``at`` of ``text``; lines are counted as ``KflError`` counts them."""
    lines = (text[:at] + "^").splitlines()
    return KflError(reason, text, len(lines), len(lines[-1]), hint)


def parse(text: str) -> Node:
    """The tree of ``text``, before any name in it is looked at.

    Raises:
        KflError: the text is not KFL, too long or too deeply nested.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise mistake(f"the filter has {len(text)} characters; the limit is {MAX_TEXT_LENGTH}", "", 0)
    try:
        return _parser().parse(text)  # type: ignore[return-value] # what _Build.start returns
    except Mistake as found:
        raise mistake(found.reason, text, found.at, found.hint) from None
    except UnexpectedInput as found:
        raise _unexpected(found, text) from None


def _unexpected(found: UnexpectedInput, text: str) -> KflError:
    token = found.token if isinstance(found, UnexpectedToken) else None
    if token is not None and token.type == "$END":
        return mistake("the filter ends too early", text, len(text), "a value or a closing bracket is expected here")
    at = (found.pos_in_stream if token is None else token.start_pos) or 0
    what = text[at] if token is None else str(token)
    if re.search(r"\bnot\s+$", text[:at]):
        return mistake(f"unexpected {what!r}", text, at, "write '!' for not")
    if text[:at].endswith("["):
        return mistake(f"unexpected {what!r}", text, at, 'brackets hold a number from 0, a "name" or *')
    hint = next((hint for pattern, hint in _HINTS if re.match(pattern, text[at:])), "")
    return mistake(f"unexpected {what!r}", text, at, hint)


class Depth:
    """Refuses deep nesting while the tokens go by; keeps nothing between two texts."""

    always_accept = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        depth = 0
        for token in stream:
            depth += (token.type == "LPAR") - (token.type == "RPAR")
            if depth > MAX_DEPTH:
                raise Mistake(f"nested deeper than {MAX_DEPTH} parentheses", token.start_pos or 0)
            yield token


class _Build(Transformer[Token, Any]):
    """Called by the parser for each rule it has recognised, from the leaves up."""

    def start(self, parts: list[Node]) -> Node:
        return parts[0] if parts else TRUE

    def logical(self, parts: list[Any]) -> Node:
        if len(parts) == 1:
            only: Node = parts[0]
            return only
        return Chain(tuple(parts[0::2]), tuple(map(str, parts[1::2])), parts[0].at)

    equality = ordering = logical

    def unary(self, parts: list[Any]) -> Node:
        *operators, operand = parts
        while operators and operators[-1] == "-" and _is_number(operand):
            operand = Literal(-operand.value, operators.pop().start_pos)
        return Unary(tuple(map(str, operators)), operand, operators[0].start_pos) if operators else operand

    def scope(self, parts: list[Node]) -> Node:
        return parts[0] if isinstance(parts[0], Pattern) else Scope(parts[0], parts[0].at)

    def pattern(self, parts: list[Token]) -> Node:
        return Pattern(str(parts[0])[2:-1], _at(parts[0]))

    def literal(self, parts: list[Token]) -> Node:
        return Literal(_VALUES[parts[0].type](parts[0]), _at(parts[0]))

    def path(self, parts: list[Step]) -> Node:
        return Path(tuple(parts), parts[0].at)

    def key(self, parts: list[Token]) -> Step:
        return Key(str(parts[0]), _at(parts[0]))

    def quoted_key(self, parts: list[Token]) -> Step:
        return Key(_string(parts[0]), _at(parts[0]))

    def call(self, parts: list[Any]) -> Step:
        return Call(str(parts[0]), tuple(parts[1:]), _at(parts[0]))

    def each(self, parts: list[Token]) -> Step:
        return Each(_at(parts[0]))

    def descend(self, parts: list[Token]) -> Step:
        return Descend(str(parts[0]), _at(parts[0]))

    def index(self, parts: list[Token]) -> Step:
        return Index(min(int(parts[0][:MAX_INT_DIGITS]), 2**31), _at(parts[0]))


def _at(token: Token) -> int:
    return token.start_pos or 0


def _is_number(node: Node) -> bool:
    return isinstance(node, Literal) and type(node.value) in (int, float)


def _int(token: Token) -> int | float:
    return int(token) if len(token) <= MAX_INT_DIGITS else float(token)


def _string(token: Token) -> str:
    """What is between the quotes; backslashes mean something in "..." and '...', nothing in `...`."""
    inside = str(token)[1:-1]
    return inside if token[0] == "`" else _ESCAPE.sub(lambda found: _unescape(found, _at(token) + 1), inside)


def _unescape(found: re.Match[str], offset: int) -> str:
    name = found[1]
    if len(name) > 1:
        return chr(int(name[1:], 16))
    if name not in _ESCAPED:
        raise Mistake(
            f"unknown escape {found[0]!r}", offset + found.start(), "write \\\\ for a backslash, or use `...`"
        )
    return _ESCAPED[name]


_VALUES: dict[str, Any] = {
    "FLOAT": float,
    "INT": _int,
    "STRING": _string,
    "TRUE": lambda _: True,
    "FALSE": lambda _: False,
    "NIL": lambda _: None,
}
_GRAMMAR = read_grammar("engine.kfl")


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_Build(), postlex=Depth())
