"""Macros: names that stand for a filter.

A macro is replaced in the tree, as a whole word and as if in parentheses: fields that contain its name are safe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.errors import KflError
from engine.kfl.checking import check
from engine.kfl.fields import KINDS
from engine.kfl.parsing import MAX_DEPTH, mistake, parse
from engine.kfl.syntax import Call, Chain, Key, Node, Path, Scope, Step, Unary

BUILT_IN = {
    "http": 'protocol.abbr == "HTTP"',
    "http2": 'protocol.abbr == "HTTP/2"',
    "grpc": 'protocol.abbr == "gRPC"',
    "gql": 'protocol.abbr == "GQL"',
    "dns": 'protocol.abbr == "DNS"',
    "amqp": 'protocol.name == "amqp"',
    "kafka": 'protocol.name == "kafka"',
    "redis": 'protocol.name == "redis"',
    "ws": 'protocol.name == "ws"',
    "icmp": 'protocol.name == "icmp"',
    "ldap": 'protocol.name == "ldap"',
    "radius": 'protocol.name == "radius"',
    "diameter": 'protocol.name == "diameter"',
    "gqlv1": 'protocol.abbr == "GQL" and protocol.version != "2.0"',
    "gqlv2": 'protocol.abbr == "GQL" and protocol.version == "2.0"',
    "tls": '(tls) or protocol.name == "tls"',
    "tcp": 'protocol.layer4 == "tcp"',
    "udp": 'protocol.layer4 == "udp"',
    "sctp": 'protocol.layer4 == "sctp"',
    "conn": 'protocol.abbr == "TCP-CONN" or protocol.abbr == "UDP-CONN"',
    "tcp_conn": 'protocol.abbr == "TCP-CONN"',
    "udp_conn": 'protocol.abbr == "UDP-CONN"',
    "https": "tls and (http or http2)",
    "error": "error != nil",
    "event": "event != nil",
}
"""As Kubeshark expands them, and those it added later; ``https`` is the default of its ``tap.customMacros``."""

_FIELDS_IN_COMPARISONS = {"error", "event"}
"""Compared with something, these words mean the field: ``error == nil``."""

MAX_EXPANDED_LENGTH = 128 * 1024
"""Characters of all the macros replaced in one filter, those inside macros included."""

_NAME = re.compile(r"[^\W\d]\w*")
_RESERVED = {"and", "or", "true", "false", "nil"}


def expand(text: str, macros: Mapping[str, str]) -> Node:
    """The checked tree of ``text`` with every macro replaced; ``macros`` go before the built-in ones.

    Raises:
        KflError: ``text`` or a macro that it uses is wrong, or macros use each other in a circle.
    """
    for name in macros:
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise mistake(f"macro {name!r}: expected a name of letters, digits and _", name, 0)
    return Expander({**BUILT_IN, **macros}).text(text)


class Expander:
    """Replaces macros in the trees of one filter."""

    def __init__(self, macros: Mapping[str, str]) -> None:
        self.macros = macros
        self.parsed: dict[str, Node] = {}
        self.length = 0

    def text(self, text: str) -> Node:
        tree = parse(text)
        check(tree, text, self.macros)
        return self.node(tree, Where(text))

    def node(self, node: Node, where: Where) -> Node:
        """``node``, which stands at ``where``, without macros."""
        match node:
            case Path(steps=(Key(name=name),)) if name in self.macros and name != where.macro:
                return self.macro(name, node.at, where)
            case Path():
                return replace(node, steps=tuple([self.step(step, where) for step in node.steps]))
            case Chain():
                return replace(node, operands=tuple([self.operand(each, node, where) for each in node.operands]))
            case Unary():
                return replace(node, operand=self.node(node.operand, where))
            case Scope():
                return replace(node, inner=self.node(node.inner, where.deeper(node.at)))
            case _:
                return node

    def operand(self, node: Node, chain: Chain, where: Where) -> Node:
        match node:
            case Path(steps=(Key(name=name),)) if not chain.logical and name in _FIELDS_IN_COMPARISONS:
                return node if self.macros[name] == BUILT_IN[name] else self.node(node, where)
            case _:
                return self.node(node, where)

    def step(self, step: Step, where: Where) -> Step:
        if not isinstance(step, Call):
            return step
        return replace(step, arguments=tuple([self.node(node, where.deeper(step.at)) for node in step.arguments]))

    def macro(self, name: str, at: int, where: Where) -> Node:
        self.length += len(self.macros[name])
        if self.length > MAX_EXPANDED_LENGTH:
            raise where.mistake(f"its macros stand for more than {MAX_EXPANDED_LENGTH} characters", at)
        below = where.within(name, self.macros[name], at)
        return Scope(self.node(self.tree(name), below), at)

    def tree(self, name: str) -> Node:
        """What the macro's text says, its own macros not yet replaced."""
        if name not in self.parsed:
            self.parsed[name] = self.read(name, self.macros[name])
        return self.parsed[name]

    def read(self, name: str, text: str) -> Node:
        try:
            tree = parse(text)
            check(tree, text, self.macros if name in KINDS else self.macros.keys() - {name})
        except KflError as error:
            raise _inside(name, error) from None
        return tree


@dataclass(frozen=True, slots=True)
class Where:
    """The place in the expansion that is being worked on."""

    text: str
    macros: tuple[str, ...] = ()
    """The macros it is part of, outermost first."""
    depth: int = 0

    @property
    def macro(self) -> str:
        """The macro whose text this is; in there its name means the field of that name."""
        return self.macros[-1] if self.macros else ""

    def mistake(self, reason: str, at: int) -> KflError:
        error = mistake(reason, self.text, at)
        return _inside(self.macro, error) if self.macros else error

    def deeper(self, at: int) -> Where:
        if self.depth >= MAX_DEPTH:
            raise self.mistake(f"nested deeper than {MAX_DEPTH} parentheses, counting those inside macros", at)
        return replace(self, depth=self.depth + 1)

    def within(self, name: str, text: str, at: int) -> Where:
        if name in self.macros:
            circle = " -> ".join((*self.macros[self.macros.index(name) :], name))
            raise self.mistake(f"macros use each other in a circle: {circle}", at)
        return replace(self.deeper(at), text=text, macros=(*self.macros, name))


def _inside(name: str, error: KflError) -> KflError:
    return KflError(f"in macro {name!r}: {error.reason}", error.text, error.line, error.column, error.hint)
