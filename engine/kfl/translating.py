"""KFL in KFL2: the same answer for every item that Remora makes, or the reason why there is none.

What KFL collapses, KFL2 calls empty: ``request.path != "/"`` is false where there is no path, and so becomes
``path != "" && path != "/"``. Fields that every item has need no such guard. The one thing that is not quite the same:
whether HTTP is 1.x or 2 is told by ``http_version``, which is empty where the request was not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from engine.errors import KflError
from engine.kfl import fields
from engine.kfl.cel.parsing import parse as parse_cel
from engine.kfl.cel.syntax import Apply, Expression, Name
from engine.kfl.cel.types import BOOL, INT, STRING, TIMESTAMP
from engine.kfl.cel.variables import VARIABLES
from engine.kfl.cel.writing import written
from engine.kfl.helpers import constant_arguments, lonely_call, offset_ms
from engine.kfl.macros import BUILT_IN
from engine.kfl.parsing import mistake, parse
from engine.kfl.syntax import TRUE, Call, Chain, Key, Literal, Node, Path, Pattern, Scope, Unary
from engine.kfl.times import datetime_ms
from engine.kfl.values import equal, ordered
from engine.kfl.writing import written as written_kfl

VARIABLE_OF = {
    **{f"{end}.{key}": f"{end}.{key}" for end in ("src", "dst") for key in ("ip", "port", "name", "namespace")},
    **{name: name for name in ("id", "index", "stream", "worker", "tls", "timestamp")},
    "protocol.name": "protocol",
    "elapsedTime": "elapsed_time",
    "node.name": "node_name",
    "node.ip": "node_ip",
    "request.path": "path",
    "request.url": "url",
    "request.httpVersion": "http_version",
    "response.status": "status_code",
    "request.serverName": "tlsx_sni",
}
"""A field of KFL -> the variable that says the same."""
_MAY_MISS = ("request.", "response.")
_FLAGS = "grpc gql gqlv1 gqlv2 dns amqp kafka redis ws icmp ldap radius diameter tls tcp udp sctp"
_MACROS = {name: name for name in _FLAGS.split()} | {
    "http": 'http && !http_version.startsWith("HTTP/2")',
    "http2": 'http && http_version.startsWith("HTTP/2")',
}
_ABBRS = {"HTTP": "http", "HTTP/2": "http2", "gRPC": "grpc", "GQL": "gql", "DNS": "dns"}
_SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_TEXTS = ("startsWith", "endsWith", "contains")


def translated(text: str, macros: Mapping[str, str]) -> str:
    """KFL2 for a filter of KFL that compiles with these ``macros``.

    Raises:
        KflError: something in it has no counterpart; points at it.
    """
    tree = parse(text)
    return "" if tree == TRUE else written(_Translator(text, {**BUILT_IN, **macros}, macros).truth(tree))


class _Part(NamedTuple):
    """An operand of KFL: what it asks, what must be there, and whether it could be true if that is not there."""

    asks: Expression
    there: tuple[Expression, ...] = ()
    guard: bool = False


class _Translator:
    def __init__(self, text: str, macros: Mapping[str, str], own: Mapping[str, str]) -> None:
        self.text, self.macros, self.own = text, macros, own

    def refuse(self, reason: str, at: int, hint: str = "") -> KflError:
        return mistake(f"KFL2 has no counterpart: {reason}", self.text, at, hint)

    def truth(self, node: Node) -> Expression:
        """A scope: what is missing in it makes it false."""
        if isinstance(node, Scope):
            return self.truth(node.inner)
        if not isinstance(node, Chain) or not node.logical:
            part = self.part(node)
            return _all(*(part.there if part.guard else ()), part.asks)
        result = self.truth(node.operands[-1])
        for operand, operator in zip(reversed(node.operands[:-1]), reversed(node.operators), strict=True):
            part = self.part(operand)
            if operator == "or":
                result = _all(*part.there, _any(part.asks, result))
            else:
                result = _all(*(part.there if part.guard else ()), part.asks, result)
        return result

    def part(self, node: Node) -> _Part:
        match node:
            case Scope(inner=inner):
                return _Part(self.truth(inner))
            case Literal(value=bool() as value):
                return _Part(Literal(value))
            case Unary(operators=("!",), operand=operand):
                return self.negated(operand, node.at)
            case Path(steps=(Key(name=name),)) if name in self.macros:
                return _Part(self.macro(name, node.at))
            case Path(steps=(*_, Call(name=name))) if name in _TEXTS:
                return self.text_helper(node)
            case Path() if lonely_call(node) is None:
                return self.alone(node)
            case Chain(operands=(left, right), operators=(operator,)):
                return self.comparison(left, operator, right, node.at)
            case _:
                raise self.refuse(written_kfl(node)[:80], node.at)

    def macro(self, name: str, at: int) -> Expression:
        if name in _MACROS and name not in self.own:
            return parse_cel(_MACROS[name])
        if name in ("error", "event") and name not in self.own:
            raise self.refuse(f"{name} != nil", at)
        try:
            inner = {key: value for key, value in self.macros.items() if key != name}
            return _Translator(self.macros[name], inner, self.own).truth(parse(self.macros[name]))
        except KflError as error:
            raise self.refuse(f"macro {name!r}: {error.reason}", at) from None

    def negated(self, operand: Node, at: int) -> _Part:
        inner = operand
        while isinstance(inner, Scope):
            inner = inner.inner
        if isinstance(inner, Path) and not self.is_boolean(inner):
            raise self.refuse("! leaves what is not true or false as it is", at)
        part = self.part(operand)
        return _Part(Apply("!", (part.asks,)), part.there, guard=True)

    def is_boolean(self, path: Path) -> bool:
        last, head = path.steps[-1], path.steps[0]
        if isinstance(last, Call):
            return True
        return (len(path.steps) == 1 and isinstance(head, Key) and head.name in self.macros) or (
            fields.kind_of(path) == "flag"
        )

    def variable(self, path: Path) -> tuple[Expression, str, tuple[Expression, ...]]:
        """``(the variable, its name, what says that it is there)``; of headers the name is ``request.headers``."""
        name = fields.name_of(path)
        if name in VARIABLE_OF:
            variable = VARIABLE_OF[name]
            found = Name(tuple(variable.split(".")))
            empty = Literal(0 if VARIABLES[variable].type == INT else "")
            return found, variable, (Apply("!=", (found, empty)),) if name.startswith(_MAY_MISS) else ()
        match path.steps:
            case (Key(name=("request" | "response") as half), Key(name="headers"), Key(name=header)):
                headers = Name((half, "headers"))
                there = Apply("in", (Literal(header), headers))
                return Apply("[]", (headers, Literal(header))), f"{half}.headers", (there,)
        raise self.refuse(written_kfl(path)[:80], path.at)

    def alone(self, path: Path) -> _Part:
        found, name, there = self.variable(path)
        kind = STRING if name.endswith("headers") else VARIABLES[name].type
        if kind == BOOL:
            return _Part(found, there)
        if kind == STRING:
            return _Part(Apply("!=", (found, Literal(""))), there, guard=name.endswith("headers"))
        if kind == INT and not name.endswith("port"):
            return _Part(Apply(">", (found, Literal(0))), there)
        raise self.refuse(f"{written_kfl(path)} alone", path.at)

    def text_helper(self, path: Path) -> _Part:
        """Of a field that is not there it is false and collapses nothing."""
        call = path.steps[-1]
        assert isinstance(call, Call), "checked by the caller"
        argument = constant_arguments(call)[0]
        found, name, there = self.variable(Path(path.steps[:-1], path.at))
        if not isinstance(argument, str) or (not name.endswith("headers") and VARIABLES[name].type != STRING):
            raise self.refuse(written_kfl(path)[:80], path.at)
        return _Part(_all(*there, Apply(call.name, (found, Literal(argument)))))

    # -- comparisons ---------------------------------------------------------------------------------------------------

    def comparison(self, left: Node, operator: str, right: Node, at: int) -> _Part:
        if not isinstance(left, Path) or lonely_call(left) is not None:
            left, right, operator = right, left, _SWAPPED.get(operator, operator)
        if not isinstance(left, Path) or lonely_call(left) is not None or self.is_macro(left):
            raise self.refuse("a comparison without a field", at)
        name = fields.name_of(left)
        if isinstance(right, Literal) and name in ("protocol.abbr", "protocol.layer4") and operator in ("==", "!="):
            return self.of_protocol(name, operator, right)
        found, variable, there = self.variable(left)
        kind = STRING if variable.endswith("headers") else VARIABLES[variable].type
        if isinstance(right, Pattern):
            return self.pattern(found, kind, operator, right, _Part(found, there), variable)
        if kind == TIMESTAMP:
            return _Part(Apply(operator, (found, self.moment(right))), there)
        if not isinstance(right, Literal):
            raise self.refuse("a comparison with something else than a constant", right.at)
        constant = self.constant(variable, kind, operator, right)
        asks = Apply(operator, (found, Literal(constant)))
        empty: Any = 0 if kind == INT else False if kind == BOOL else ""
        true_of_empty = (
            equal(empty, constant) == (operator == "==")
            if operator in ("==", "!=")
            else ordered(operator, empty, constant)
        )
        return _Part(asks, there, guard=true_of_empty or variable.endswith("headers"))

    def is_macro(self, path: Path) -> bool:
        return len(path.steps) == 1 and fields.name_of(path) in self.macros and fields.kind_of(path) != "flag"

    def of_protocol(self, name: str, operator: str, right: Literal) -> _Part:
        known = _ABBRS if name == "protocol.abbr" else {flag: flag for flag in ("tcp", "udp", "sctp")}
        if right.value not in known:
            raise self.refuse(f"{name} {operator} {right.value!r}", right.at)
        asks = parse_cel(_MACROS[known[str(right.value)]])
        return _Part(asks if operator == "==" else Apply("!", (asks,)))

    def pattern(self, found: Expression, kind: Any, operator: str, right: Pattern, part: _Part, variable: str) -> _Part:
        if kind == INT and variable != "elapsed_time":
            found = Apply("string", (found,))
        elif kind != STRING:
            raise self.refuse("a pattern of this field", right.at)
        asks: Expression = Apply("matches", (found, Literal(right.text)))
        return _Part(asks if operator == "==" else Apply("!", (asks,)), part.there, guard=True)

    def constant(self, variable: str, kind: Any, operator: str, right: Literal) -> str | int | bool:
        """The constant as the type of the variable."""
        value = right.value
        if kind == BOOL and operator in ("==", "!=") and str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        if kind == STRING and operator in ("==", "!=") and isinstance(value, str | int) and not isinstance(value, bool):
            return str(value)
        if kind == INT:
            if isinstance(value, str) and value.isascii() and value.isdecimal() and str(int(value)) == value:
                value = int(value)
            if type(value) is int and abs(value) < 2**50:
                return value * 1000 if variable == "elapsed_time" else value
        raise self.refuse(f"{operator} {written_kfl(right)[:40]} of this field", right.at)

    def moment(self, node: Node) -> Expression:
        """Milliseconds since the epoch, ``datetime()``, or ``now()`` and its like, as a timestamp."""
        call = lonely_call(node)
        if call is not None and call.name not in ("datetime", "record", "limit", "redact"):
            offset = offset_ms(call)
            now = Apply("now", ())
            sign, span = ("-", -offset) if offset < 0 else ("+", offset)
            return Apply(sign, (now, Apply("duration", (Literal(f"{span}ms"),)))) if offset else now
        if call is not None and call.name == "datetime":
            return _timestamp(datetime_ms(constant_arguments(call)[0]) or 0)
        if isinstance(node, Literal) and type(node.value) is int and 0 <= node.value < 253_402_300_800_000:
            return _timestamp(node.value)
        raise self.refuse("this time", node.at)


def _timestamp(ms: int) -> Expression:
    at = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Apply("timestamp", (Literal(at),))


def _all(*parts: Expression) -> Expression:
    return _joined("&&", parts)


def _any(*parts: Expression) -> Expression:
    return _joined("||", parts)


def _joined(sign: str, parts: tuple[Expression, ...]) -> Expression:
    if len(parts) == 1:
        return parts[0]
    operands: list[Any] = []
    for part in parts:
        operands += part.operands if isinstance(part, Chain) and part.operators[0] == sign else [part]
    return Chain(tuple(operands), (sign,) * (len(operands) - 1))
