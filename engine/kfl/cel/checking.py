"""Names and types of KFL2: the AST becomes a tree in which every type is known and every function chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.errors import KflError
from engine.kfl.cel.overloads import ARGUMENTS, COERCED, FUNCTIONS, ORDERS, overload
from engine.kfl.cel.syntax import Apply, Expression, Name
from engine.kfl.cel.types import BOOL, DOUBLE, DURATION, DYN, INT, NULL, NUMBERS, STRING, TIMESTAMP, Type, is_map
from engine.kfl.cel.variables import ELSEWHERE, VARIABLES, Variable
from engine.kfl.fields import nearest
from engine.kfl.parsing import mistake
from engine.kfl.patterns import PatternError, compile_pattern
from engine.kfl.syntax import Chain, Literal
from engine.kfl.times import duration_ns, timestamp_ns

_OF_KFL = {
    "request.method": "method",
    "request.path": "path",
    "request.url": "url",
    "request.queryString": "query_string",
    "response.status": "status_code",
    "response.statusText": "status_code",
    "protocol.name": "protocol",
    "protocol.abbr": "protocol",
    "elapsedTime": "elapsed_time",
    "node.name": "node_name",
    "node.ip": "node_ip",
    "error": "tcp_error_type",
    "request.command": "redis_command",
    "request.key": "redis_key",
}
"""What a field of KFL is called in KFL2."""
_WORDS = {"and": "&&", "or": "||", "not": "!", "nil": "null"}
_KINDS: dict[type, Type] = {str: STRING, int: INT, float: DOUBLE, bool: BOOL, type(None): NULL}


@dataclass(frozen=True, slots=True)
class Typed:
    """An expression whose type is known."""

    type: Type
    code: str
    """Python with ``{0}``, ``{1}`` for the parts and ``{c}`` for ``bound``; ``&&`` and ``||`` for chains."""
    parts: tuple[Typed, ...] = ()
    fails: bool = False
    bound: Any = None
    variable: Variable | None = None
    constant: bool = False


def check(tree: Expression, text: str) -> Typed:
    """``tree``, which was parsed from ``text``, with types.

    Raises:
        KflError: the first thing that makes no sense.
    """
    return _Checker(text).boolean(tree)


class _Checker:
    def __init__(self, text: str) -> None:
        self.text = text

    def mistake(self, reason: str, at: int, hint: str = "") -> KflError:
        return mistake(reason, self.text, at, hint)

    def boolean(self, node: Expression) -> Typed:
        typed = self.typed(node)
        if typed.type == DYN:
            return _coerced(typed, BOOL)
        if typed.type != BOOL:
            raise self.mistake(f"expected true or false, got {_a(typed.type)}", node.at, _truth_of(typed.type))
        return typed

    def typed(self, node: Expression) -> Typed:
        match node:
            case Literal(value=value):
                if type(value) is int and value == 2**63:
                    raise self.mistake("more than 64 bits can hold", node.at)
                return Typed(_KINDS[type(value)], "{c}", bound=value, constant=True)
            case Name():
                return self.name(node)
            case Chain():
                parts = tuple([self.boolean(operand) for operand in node.operands])  # type: ignore[arg-type] # of KFL2
                return Typed(BOOL, node.operators[0], parts, any(part.fails for part in parts))
            case Apply(function="[...]"):
                return self.list(node)
            case Apply():
                return self.apply(node)

    # -- names ---------------------------------------------------------------------------------------------------------

    def name(self, node: Name) -> Typed:
        for count in range(len(node.parts), 0, -1):
            variable = VARIABLES.get(".".join(node.parts[:count]))
            if variable is not None:
                typed = Typed(variable.type, "{c}(item)", bound=variable.read, variable=variable)
                return self.inside(typed, node, count)
        raise self.unknown(node)

    def inside(self, typed: Typed, node: Name, count: int) -> Typed:
        for position in range(count, len(node.parts)):
            name, before = node.parts[position], ".".join(node.parts[:position])
            if not is_map(typed.type) and typed.type != DYN:
                raise self.mistake(f"{before!r} is {_a(typed.type)}; it has no field {name!r}", node.at)
            key = Typed(STRING, "{c}", bound=name, constant=True)
            typed = self.chosen("[]", (typed, key), node.at)
        return typed

    def unknown(self, node: Name) -> KflError:
        full = ".".join(node.parts)
        if full in ELSEWHERE:
            return self.mistake(f"{full!r} is a variable of Kubeshark that no item here can answer", node.at)
        if full.lower() in _WORDS:
            return self.mistake(f"unexpected {full!r}", node.at, f"write {_WORDS[full.lower()]}")
        if full in _OF_KFL:
            return self.mistake(f"unknown variable {full!r}; did you mean {_OF_KFL[full]!r}?", node.at)
        below = [name for name in VARIABLES if name.startswith(f"{full}.")]
        if below:
            return self.mistake(f"{full!r} is no variable; did you mean {below[0]!r}?", node.at)
        return self.mistake(f"unknown variable {full!r}{nearest(full, [*VARIABLES, *ELSEWHERE])}", node.at)

    # -- functions -----------------------------------------------------------------------------------------------------

    def list(self, node: Apply) -> Typed:
        parts = tuple([self.typed(argument) for argument in node.arguments])
        kinds = {part.type for part in parts}
        kind = Type("list", str(next(iter(kinds))) if len(kinds) == 1 else "dyn")
        if all(part.constant and part.type.name != "list" for part in parts):
            return Typed(kind, "{c}", bound=tuple(part.bound for part in parts), constant=True)
        places = ", ".join(f"{{{number}}}" for number in range(len(parts)))
        return Typed(kind, f"[{places}]", parts, any(part.fails for part in parts))

    def apply(self, node: Apply) -> Typed:
        if node.function.isidentifier() and node.function != "in":
            self.known_function(node)
        arguments = tuple([self.typed(argument) for argument in node.arguments])
        if node.function in ("contains", "startsWith", "endsWith", "matches"):
            arguments = tuple([_coerced(each, STRING) if each.type == DYN else each for each in arguments])
        if node.function in ("!", "?:") and arguments[0].type == DYN:
            arguments = (_coerced(arguments[0], BOOL), *arguments[1:])
        if node.function == "matches" and arguments[1].constant and arguments[1].type == STRING:
            return self.matches(arguments, node)
        if node.function in ("timestamp", "duration") and arguments[0].constant and arguments[0].type == STRING:
            return self.moment(node, arguments[0].bound)
        try:
            return self.chosen(node.function, arguments, node.at)
        except LookupError:
            raise self.wrong_types(node, arguments) from None

    def known_function(self, node: Apply) -> None:
        if node.function not in FUNCTIONS:
            raise self.mistake(
                f"unknown function {node.function!r}{nearest(node.function, FUNCTIONS)}",
                node.at,
                f"the functions are {', '.join(FUNCTIONS)}",
            )
        wanted = ARGUMENTS.get(node.function, 2)
        if len(node.arguments) != wanted:
            raise self.mistake(f"{node.function!r} takes {wanted} with its subject, got {len(node.arguments)}", node.at)

    def chosen(self, function: str, arguments: tuple[Typed, ...], _at: int) -> Typed:
        found = overload(function, tuple(argument.type for argument in arguments))
        if found is None:
            raise LookupError(function)
        return Typed(found.result, found.code, arguments, found.fails or any(each.fails for each in arguments))

    def matches(self, arguments: tuple[Typed, ...], node: Apply) -> Typed:
        subject, pattern = arguments
        try:
            search = compile_pattern(pattern.bound)
        except PatternError as error:
            raise self.mistake(f"bad regular expression: {error}", node.arguments[1].at, error.hint) from None
        if subject.type != STRING:
            raise self.wrong_types(node, arguments)
        return Typed(BOOL, "{c}({0})", (subject,), subject.fails, search)

    def moment(self, node: Apply, text: str) -> Typed:
        is_timestamp = node.function == "timestamp"
        value = timestamp_ns(text) if is_timestamp else duration_ns(text)
        if value is None:
            example = '"2026-03-14T22:00:00Z"' if is_timestamp else '"1h30m" or "250ms"'
            raise self.mistake(f"{text!r} is no {node.function}", node.arguments[0].at, f"such as {example}")
        return Typed(TIMESTAMP if is_timestamp else DURATION, "{c}", bound=value, constant=True)

    def wrong_types(self, node: Apply, arguments: tuple[Typed, ...]) -> KflError:
        types = [argument.type for argument in arguments]
        if node.function in ("==", "!=", *ORDERS, "+", "-", "*", "/", "%") and len(types) == 2:
            reason = f"{_a(types[0])} {node.function} {_a(types[1])} means nothing"
            return self.mistake(reason, node.at, _conversion(node.function, types, arguments))
        words = ", ".join(map(_a, types))
        subject = {"in": "'in'", "[]": "[ ]", "?:": "? :"}.get(node.function, repr(node.function))
        return self.mistake(f"{subject} means nothing with {words}", node.at, _usage(node.function))


def _coerced(typed: Typed, wanted: Type) -> Typed:
    return Typed(wanted, COERCED[wanted], (typed,), True)


def _a(kind: Type) -> str:
    """``a string``, ``an int``."""
    return f"{'an' if str(kind)[0] in 'aeiou' else 'a'} {kind}"


def _truth_of(kind: Type) -> str:
    return {
        STRING: 'compare it: != ""',
        INT: "compare it: != 0",
        DOUBLE: "compare it: != 0.0",
    }.get(kind, "ask something about it, such as size(...) > 0")


def _conversion(function: str, types: list[Type], arguments: tuple[Typed, ...]) -> str:
    """What to write instead."""
    for this, other, typed in ((types[0], types[1], arguments[0]), (types[1], types[0], arguments[1])):
        if this == STRING and typed.constant and other in NUMBERS:
            value = str(typed.bound)
            return f"write {value} without quotes" if value.isdecimal() else f"the other side is {_a(other)}"
        if this in NUMBERS and typed.constant and other == STRING:
            return f'write "{typed.bound}" in quotes'
    if set(types) == set(NUMBERS):
        return "convert one side with double(...)"
    if TIMESTAMP in types:
        return 'write timestamp("2026-03-14T22:00:00Z"), or now() - duration("5m")'
    return "both sides must be of one type" if function in ("==", "!=") else ""


def _usage(function: str) -> str:
    return {
        "in": 'such as method in ["GET", "PUT"] or "host" in request.headers',
        "[]": 'such as request.headers["host"] or dns_questions[0]',
        "?:": "a condition, and two values of one type",
        "map_get": 'such as map_get(request.headers, "host", "")',
    }.get(function, "")
