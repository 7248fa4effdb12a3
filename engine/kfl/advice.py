"""What is right as KFL and yet hardly what its author means: each trap of the language, with the way out.

Looks at the tree as it was written, since that is what a caret can point into. ``among`` are the protocols that an item
can still have where something is asked: in ``dns and request.path == "/"`` the path is asked of DNS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.errors import KflError
from engine.kfl import fields
from engine.kfl.comparing import about_pattern, about_value
from engine.kfl.constancy import contradictions, settled
from engine.kfl.diagnostics import Diagnostic, diagnostic
from engine.kfl.macros import BUILT_IN, Expander, Where
from engine.kfl.parsing import parse
from engine.kfl.protocols import Protocols, meet, protocols_of
from engine.kfl.syntax import TRUE, Chain, Key, Literal, Node, Path, Pattern, Scope, Unary, children
from engine.kfl.writing import and_first, grouped, written

MAX_SHOWN = 200
"""Characters of a filter that is repeated in a remark."""
MAX_REMARKS = 100

_QUOTED = re.compile(r"""r?"(?:[^"\\\n]|\\.)*"|r?`[^`]*`|//[^\n]*|/\*.*?\*/|(r?)('(?:[^'\\\n]|\\.)*')""", re.DOTALL)
_EMPTY = {"text": '== ""', "number": "== 0", "list": "== nil", "object": "== nil", "record": "== nil"}
_RENAMED = {"request.body": "request.postData.text", "response.body": "response.content.text"}


def advise(text: str, macros: Mapping[str, str]) -> list[Diagnostic]:
    """The remarks on a filter of KFL that compiles, in the order of its text."""
    adviser = _Adviser(text, {**BUILT_IN, **macros})
    adviser.whole(parse(text))
    adviser.quotes()
    return sorted(adviser.found[:MAX_REMARKS], key=lambda one: (one.line, one.column))


class _Adviser:
    def __init__(self, text: str, macros: Mapping[str, str]) -> None:
        self.text, self.macros = text, macros
        self.found: list[Diagnostic] = []

    def say(self, reason: str, at: int, hint: str = "") -> None:
        if len(self.found) < MAX_REMARKS:
            self.found.append(diagnostic(reason, self.text, at, hint))

    def whole(self, tree: Node) -> None:
        expanded = self.expanded(tree)
        answer = settled(expanded)
        if answer is not None and tree != TRUE:
            self.say(f"this filter matches {'every item' if answer else 'nothing'}, whatever is in it", tree.at)
        elif protocols_of(expanded) == frozenset():
            self.say("this filter matches nothing: no item has all of these protocols", tree.at)
        self.visit(tree, None)

    def expanded(self, node: Node) -> Node:
        try:
            return Expander(self.macros).node(node, Where(self.text))
        except KflError:  # too much of it: then nothing is known
            return node

    # -- the tree ------------------------------------------------------------------------------------------------------

    def visit(self, node: Node, among: Protocols, asked: bool = True) -> None:
        """``asked``: whether ``node`` itself is asked for its truth."""
        match node:
            case Chain() if node.logical:
                self.logical(node, among)
                return
            case Chain():
                self.comparison(node)
            case Path():
                self.path(node, among, asked)
            case Unary() if asked:
                self.unary(node)
            case Scope(inner=inner):
                self.visit(inner, among, asked)
                return
            case _:
                pass
        for child in children(node):
            self.visit(child, among, asked=False)

    def logical(self, chain: Chain, among: Protocols) -> None:
        self.mixed(chain)
        for path, value in contradictions(chain):
            self.say(f"{written(path)} cannot be two things at once: this is never true", value.at, "use or")
        for operand, operator in zip(chain.operands, (*chain.operators, ""), strict=True):
            self.visit(operand, among)
            if operator == "and":
                among = meet(among, protocols_of(self.expanded(operand)))

    def mixed(self, chain: Chain) -> None:
        change = next((at for at, sign in enumerate(chain.operators) if sign != chain.operators[0]), None)
        if change is None:
            return
        read, otherwise = grouped(chain), and_first(chain)
        if len(read) > MAX_SHOWN:
            read, otherwise = "from the right", "parentheses around what belongs together"
        hint = f"write {otherwise}" + ("" if otherwise == read else ", or keep it so and add the parentheses")
        self.say(f"and, or without parentheses: this is read as {read}", chain.operands[change].at, hint)

    def unary(self, node: Unary) -> None:
        operand = node.operand
        while isinstance(operand, Scope):
            operand = operand.inner
        if "!" not in node.operators or not isinstance(operand, Path) or self.is_macro(operand):
            return
        kind = fields.kind_of(operand)
        if kind in _EMPTY:
            name = written(operand)
            self.say(f"! turns only true and false: this is {name} itself", node.at, f"write {name} {_EMPTY[kind]}")

    def path(self, path: Path, among: Protocols, asked: bool) -> None:
        kind = fields.kind_of(path)
        if asked and kind in ("object", "record") and not self.is_macro(path):
            name = written(path)
            self.say(f"{name} is an object, and objects are false", path.at, f"write {name} != nil")
        if len(path.steps) > 1 and path.steps[0] in (Key("request"), Key("response")):
            self.message_field(path, among)

    def is_macro(self, path: Path) -> bool:
        head = path.steps[0]
        return len(path.steps) == 1 and isinstance(head, Key) and head.name in self.macros

    def message_field(self, path: Path, among: Protocols) -> None:
        """``request.x``: whether the protocols in question have it."""
        half, step = path.steps[0], path.steps[1]
        if not isinstance(half, Key) or not isinstance(step, Key):
            return
        full = f"{half.name}.{step.name}"
        owners = fields.OWNERS.get(full)
        if among is not None and not among <= fields.MESSAGES.keys():
            return
        if owners is None:
            known = [name for name in fields.OWNERS if name.startswith(f"{half.name}.")]
            if among is not None:
                known = [name for name in known if fields.OWNERS[name] & among]
            renamed = _RENAMED.get(full)
            nearest = f"; did you mean {renamed!r}?" if renamed else fields.nearest(full, known)
            self.say(f"no built-in protocol has {full!r}{nearest}", step.at)
        elif among is None and full in _RENAMED:
            there = " and ".join(sorted(owners))
            self.say(f"only {there} has {full!r}; did you mean {_RENAMED[full]!r}?", step.at)
        elif among and not owners & among:
            there = " and ".join(sorted(owners))
            self.say(f"{' and '.join(sorted(among))} has no {full!r}; {there} has: this is never true", step.at)

    # -- comparisons ---------------------------------------------------------------------------------------------------

    def comparison(self, chain: Chain) -> None:
        first = chain.operands[0]
        if isinstance(first, Unary) and first.operators[0] == "!" and not isinstance(first.operand, Scope):
            inner = written(Chain((first.operand, *chain.operands[1:]), chain.operators))
            self.say(f"! binds tighter than {chain.operators[0]}", first.at, f"write !({inner})")
        if len(chain.operands) > 2:
            rest = written(Chain(chain.operands[1:], chain.operators[1:]))
            if len(rest) < MAX_SHOWN:
                self.say(
                    f"comparisons in a row: this is {written(first)} {chain.operators[0]} ({rest}), "
                    "and what is in parentheses is true or false",
                    chain.operands[1].at,
                    "join two comparisons with and",
                )
            return
        left, right = chain.operands
        self.sides(left, chain.operators[0], right)
        self.sides(right, _MIRRORED.get(chain.operators[0], chain.operators[0]), left)

    def sides(self, side: Node, operator: str, other: Node) -> None:
        while isinstance(side, Scope):
            side = side.inner
        if not isinstance(side, Path) or (self.is_macro(side) and not fields.kind_of(side)):
            return
        if isinstance(other, Pattern):
            remark = about_pattern(side, other.text)
        elif isinstance(other, Literal):
            remark = about_value(side, operator, other.value)
        else:
            return
        if remark is not None:
            self.say(remark[0], other.at, remark[1])

    # -- the text ------------------------------------------------------------------------------------------------------

    def quotes(self) -> None:
        for found in _QUOTED.finditer(self.text):
            if found[2]:
                quoted = found[2][1:-1].replace('"', '\\"')
                self.say(
                    "single quotes: in Kubeshark they are part of the text, which then never matches",
                    found.start(),
                    f'write {found[1]}"{quoted}"' if len(quoted) < MAX_SHOWN else "write double quotes",
                )


_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
