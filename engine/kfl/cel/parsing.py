"""KFL2 text to AST. As in ``engine.kfl.parsing``: LALR, nothing recurses, one parser for all texts."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import UnexpectedToken

from engine.errors import KflError
from engine.kfl.cel.syntax import Apply, Expression, Name, children
from engine.kfl.parsing import MAX_TEXT_LENGTH, Depth, Mistake, mistake, read_grammar
from engine.kfl.syntax import TRUE, Chain, Literal

MAX_LEVELS = 100
"""Of the tree; what makes it deep without parentheses is additions, comparisons, selectors and choices in a row."""

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"} | {c: c for c in "\\\"'`?"}
_HINTS = (
    (r"===|=(?!=)", "write == to compare"),
    (r"&(?!&)|and\b|AND\b", "write &&"),
    (r"\|(?!\|)|or\b|OR\b", "write ||"),
    (r"not\b", "write ! for not"),
    (r"[\"']", "is this string closed?"),
    (r"`", "strings are written \"...\" or '...'"),
    (r"\{", "KFL2 has no map literals here"),
    (r"\.\.|\.\*|\*", "KFL2 has no wildcards; write the filter in KFL"),
)


def parse(text: str) -> Expression:
    """The tree of ``text``, before any name in it is looked at.

    Raises:
        KflError: the text is not KFL2, too long or too deeply nested.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise mistake(f"the filter has {len(text)} characters; the limit is {MAX_TEXT_LENGTH}", "", 0)
    try:
        tree: Expression = _parser().parse(text)  # type: ignore[assignment] # what _Build.start returns
        _refuse_depth(tree)
        return tree
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
    hint = next((hint for pattern, hint in _HINTS if re.match(pattern, text[at:])), "")
    return mistake(f"unexpected {what!r}", text, at, hint)


class _Build(Transformer[Token, Any]):
    """Called by the parser for each rule it has recognised, from the leaves up."""

    def start(self, parts: list[Expression]) -> Expression:
        return parts[0] if parts else TRUE

    def scope(self, parts: list[Expression]) -> Expression:
        return parts[0]

    def choice(self, parts: list[Any]) -> Expression:
        condition, yes, no = parts
        if yes is None:
            only: Expression = condition
            return only
        return Apply("?:", (condition, yes, no), condition.at)

    def either(self, parts: list[Expression]) -> Expression:
        return _logical("||", parts)

    def both(self, parts: list[Expression]) -> Expression:
        return _logical("&&", parts)

    def relation(self, parts: list[Any]) -> Expression:
        result: Expression = parts[0]
        for operator, operand in zip(parts[1::2], parts[2::2], strict=True):
            result = Apply(str(operator), (result, operand), operator.start_pos)
        return result

    sum = product = relation

    def unary(self, parts: list[Any]) -> Expression:
        *operators, operand = parts
        if not operators:
            only: Expression = operand
            return only
        at = operators[0].start_pos
        if operators[0] == "!":
            return Apply("!", (operand,) if len(operators) % 2 else (Apply("!", (operand,), at),), at)
        if isinstance(operand, Literal) and type(operand.value) in (int, float):
            value = operand.value * (-1) ** (len(operators) % 2)
            return Literal(value, at)
        return Apply("-", (operand,), at) if len(operators) % 2 else Apply("-", (Apply("-", (operand,), at),), at)

    def select(self, parts: list[Any]) -> Expression:
        subject, name = parts
        if isinstance(subject, Name) and len(subject.parts) < MAX_LEVELS:
            return Name((*subject.parts, str(name)), subject.at)
        return Apply("[]", (subject, Literal(str(name), name.start_pos)), name.start_pos)

    def method(self, parts: list[Any]) -> Expression:
        subject, name, *arguments = parts
        return Apply(str(name), (subject, *arguments), name.start_pos)

    def index(self, parts: list[Expression]) -> Expression:
        return Apply("[]", tuple(parts), parts[1].at)

    def variable(self, parts: list[Token]) -> Expression:
        return Name((str(parts[0]),), _at(parts[0]))

    def call(self, parts: list[Any]) -> Expression:
        return Apply(str(parts[0]), tuple(parts[1:]), _at(parts[0]))

    def elements(self, parts: list[Expression]) -> Expression:
        return Apply("[...]", tuple(parts), parts[0].at if parts else 0)

    def literal(self, parts: list[Token]) -> Expression:
        return Literal(_VALUES[parts[0].type](parts[0]), _at(parts[0]))


def _logical(operator: str, parts: list[Expression]) -> Expression:
    if len(parts) == 1:
        return parts[0]
    operands: list[Any] = []
    for part in parts:  # a && (b && c) is one chain
        operands += part.operands if isinstance(part, Chain) and part.operators[0] == operator else [part]
    return Chain(tuple(operands), (operator,) * (len(operands) - 1), parts[0].at)


def _refuse_depth(tree: Expression) -> None:
    waiting = [(tree, 1)]
    while waiting:
        node, level = waiting.pop()
        if level > MAX_LEVELS:
            raise Mistake(f"more than {MAX_LEVELS} operators within each other", node.at, "say it in parts")
        waiting += [(child, level + 1) for child in children(node)]


def _at(token: Token) -> int:
    return token.start_pos or 0


def _int(token: Token) -> int:
    digits = token.rstrip("uU")
    value = int(digits, 16) if digits[:2] in ("0x", "0X") else int(digits) if len(digits) < 25 else 2**64
    if value > 2**63:  # 2**63 itself may stand behind a minus; the types refuse it elsewhere
        raise Mistake(f"{str(token)[:30]!r} is more than 64 bits can hold", _at(token))
    return value


def _string(token: Token) -> str:
    return _ESCAPE.sub(lambda found: _unescape(found, _at(token) + 1), str(token)[1:-1])


def _unescape(found: re.Match[str], offset: int) -> str:
    name = found[1]
    if name[0] in "xuU" and len(name) > 1 and int(name[1:], 16) < 0x110000:
        return chr(int(name[1:], 16))
    if len(name) == 3:
        return chr(int(name, 8))
    if name not in _ESCAPED:
        raise Mistake(f"unknown escape {found[0]!r}", offset + found.start(), 'write \\\\ for a backslash, or r"..."')
    return _ESCAPED[name]


_VALUES: dict[str, Any] = {
    "FLOAT": float,
    "INT": _int,
    "STRING": _string,
    "RAW": lambda token: str(token)[2:-1],
    "TRUE": lambda _: True,
    "FALSE": lambda _: False,
    "NULL": lambda _: None,
}
_GRAMMAR = read_grammar("engine.kfl.cel")


@cache
def _parser() -> Lark:
    return Lark(
        _GRAMMAR,
        parser="lalr",
        lexer="contextual",
        transformer=_Build(),
        postlex=Depth(),
        maybe_placeholders=True,
    )
