"""AST to a Python function: statements in a row, one early return per operand.

Generated source costs a third of closures and a tenth of a tree walk. Because ``and`` and ``or`` group from the right,
a chain is a straight line: ``a or REST`` returns True if a holds, ``a and REST`` returns False unless it does, and a
missing value returns False. Parentheses that are not last become a block that is left by ``break``.

``!passed and index > 3`` is

    v3 = item.get(c2, MISSING)
    t4 = not truthy(v3)
    if v3 is MISSING: return False
    if not (t4): return False
    v7 = item.get(c6, MISSING)
    if v7 is MISSING: return False
    return (v7 > c5 if type(v7) is int else ordered('>', v7, c5))

The source holds names that this module made up and nothing else: strings, numbers, keys and patterns of the filter are
bound to ``c1``, ``c2``, ... in the function's globals.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple, Protocol

from engine.kfl.helpers import HELPERS, LAST, constant_arguments, constant_of, is_document, offset_ms
from engine.kfl.paths import Steps, header, names_a_header, plain_names, walk
from engine.kfl.patterns import compile_pattern
from engine.kfl.redaction import redaction
from engine.kfl.syntax import Call, Chain, Literal, Node, Path, Pattern, Scope, Unary
from engine.kfl.values import MISSING, contains, ends, equal, found, inverse, negative, ordered, starts, truthy

MAX_BLOCKS = 8
"""Blocks within blocks before a function of its own is made; Python allows 20."""

_RUNTIME: dict[str, object] = {
    "__builtins__": {},
    "AttributeError": AttributeError,
    "type": type,
    "str": str,
    "int": int,
    "MISSING": MISSING,
    **{
        one.__name__: one
        for one in (walk, header, truthy, equal, ordered, found, starts, ends, contains, negative, inverse)
    },
}
_TEXTS = {
    "startsWith": ("starts", "{0}.startswith({1})"),
    "endsWith": ("ends", "{0}.endswith({1})"),
    "contains": ("contains", "{1} in {0}"),
}
"""The function that knows everything, and the short cut for two strings."""


class Predicate(Protocol):
    """What a filter becomes."""

    def __call__(self, item: Mapping[str, Any], recordings: Container[str] = ()) -> bool:
        """Whether ``item``, which belongs to ``recordings``, matches; never raises."""


class Traced(Protocol):
    """The same, saying what is to be hidden."""

    def __call__(self, item: Mapping[str, Any], recordings: Container[str], reached: list[Steps]) -> bool:
        """Whether ``item`` matches; what ``redact()`` asked for on the way is added to ``reached``."""


class Module(NamedTuple):
    """Generated code before it is compiled."""

    source: str
    constants: dict[str, object]
    entry: str
    """The function to call."""


def build(node: Node, now_ms: Callable[[], int]) -> Predicate:
    """The function that answers for ``node``."""
    predicate: Predicate = load(generate(node), {**_RUNTIME, "now": now_ms})
    return predicate


def build_traced(node: Node, now_ms: Callable[[], int]) -> Traced:
    """The function that answers for ``node`` and takes down what is to be hidden."""
    traced: Traced = load(generate(node, traced=True), {**_RUNTIME, "now": now_ms})
    return traced


def load(module: Module, runtime: Mapping[str, object]) -> Any:
    """The function that ``module`` is about; it sees ``runtime``, its own constants and nothing else."""
    namespace = {**runtime, **module.constants}
    exec(compile(module.source, "<filter>", "exec"), namespace)
    return namespace[module.entry]


def generate(node: Node, *, traced: bool = False) -> Module:
    """The source for ``node``; it depends on the filter's shape and not on its words."""
    writer = _Writer(traced)
    entry = writer.function(node)
    return Module("\n".join(writer.lines) + "\n", {name: value for (_, value), name in writer.constants.items()}, entry)


class _Value(NamedTuple):
    """An operand, as an expression without side effects."""

    code: str
    checks: tuple[str, ...] = ()
    """Names that must not be MISSING, or the scope is false."""
    boolean: bool = False
    constant: Literal | None = None
    pattern: bool = False


class _Writer:
    """The functions written so far and what their names are bound to."""

    def __init__(self, traced: bool) -> None:
        self.lines: list[str] = []
        self.constants: dict[tuple[type, Any], str] = {}
        self.traced = traced
        """Whether ``redact()`` is more than true."""
        self.arguments = "item, recordings, reached" if traced else "item, recordings=()"
        self._numbers = itertools.count(1)

    def fresh(self, letter: str) -> str:
        return f"{letter}{next(self._numbers)}"

    def bind(self, value: Any) -> str:
        key = (type(value), value)
        if key not in self.constants:
            self.constants[key] = self.fresh("c")
        return self.constants[key]

    def function(self, scope: Node) -> str:
        """Writes a function that answers ``scope``; its name."""
        name = self.fresh("f")
        body = _Body(self)
        body.finish(scope, "return {}")
        self.lines += [f"def {name}({self.arguments}):", *body.lines]
        return name


class _Body:
    """The lines of one function, and what is known at the line being written."""

    def __init__(self, writer: _Writer) -> None:
        self.writer = writer
        self.lines: list[str] = []
        self.blocks = 0
        self.loaded: dict[Path | str, str] = {}
        """Paths, and first names of paths, that are in a variable on every way to this line."""

    def say(self, line: str) -> None:
        self.lines.append(" " * (self.blocks + 1) + line)

    def keep(self, letter: str, code: str) -> str:
        """Puts the value of ``code`` into a fresh variable; its name."""
        name = self.writer.fresh(letter)
        self.say(f"{name} = {code}")
        return name

    def finish(self, node: Node, leave: str) -> None:
        """Writes ``node`` as a scope; every way through ends in ``leave`` with True or False."""
        while isinstance(node, Scope):  # what collapses it would collapse its owner's last operand to the same
            node = node.inner
        test = _field_and_constant(node)
        if test is not None:
            name, value, kind = self.short_cut(*test)
            slow = f"type({name}) is not {kind} and {name} is not MISSING and equal({name}, {value})"
            self.say(leave.format(f"({name} == {value} or {slow})"))
            return
        if not isinstance(node, Chain) or not node.logical:
            self.say(leave.format(self.condition(node, leave)))
            return
        for operand, operator in zip(node.operands[:-1], node.operators, strict=True):
            decides = operator == "or"
            test = None if decides else _field_and_constant(_bare(operand))
            if test is not None:  # one look at the value where it is the one asked for: 15 ns less
                name, value, kind = self.short_cut(*test)
                slow = f"type({name}) is {kind} or {name} is MISSING or not equal({name}, {value})"
                self.say(f"if {name} != {value} and ({slow}): {leave.format(False)}")
                continue
            condition = self.condition(operand if decides else _bare(operand), leave)
            self.say(f"if {'' if decides else 'not '}{condition}: {leave.format(decides)}")
        self.finish(node.operands[-1], leave)

    def short_cut(self, path: Path, value: str | float) -> tuple[str, str, str]:
        """The names of the field's value, of the constant, and of the type for which ``==`` says it all."""
        return self.load(path), self.writer.bind(value), "str" if isinstance(value, str) else "int"

    def condition(self, node: Node, leave: str) -> str:
        """The name of a bool that says whether ``node`` holds; leaves if something in it is missing."""
        value = self.operand(node)
        for name in dict.fromkeys(value.checks):
            self.say(f"if {name} is MISSING: {leave.format(False)}")
        return self.truth(value)

    def truth(self, value: _Value) -> str:
        if value.constant is not None:
            return str(truthy(value.constant.value))
        return f"({value.code})" if value.boolean else f"truthy({value.code})"

    def atom(self, value: _Value) -> _Value:
        """The same value under one name, so that it can be mentioned twice and nothing nests."""
        return value if value.code.isidentifier() else value._replace(code=self.keep("t", value.code))

    def operand(self, node: Node) -> _Value:
        match node:
            case Literal(value=value):
                return _Value(self.writer.bind(value), constant=node)
            case Pattern(text=text):
                return _Value(self.writer.bind(compile_pattern(text)), pattern=True)
            case Path(steps=(Call() as call,)):
                return self.lonely_call(call)
            case Path(steps=(*_, Call() as call)) if HELPERS[call.name].place == LAST:
                return self.call(node, call)
            case Path():
                name = self.load(node)
                if any(map(is_document, node.steps)):
                    return _Value(f"(False if {name} is MISSING else {name})")
                return _Value(name, (name,))
            case Scope(inner=inner):
                return self.scope(inner)
            case Unary():
                return self.unary(node)
            case Chain() if not node.logical:
                return self.comparison(node)
            case _:
                raise AssertionError(f"not an operand: {node}")

    def scope(self, node: Node) -> _Value:
        """A value that is False if anything in it is missing."""
        if isinstance(node, Chain) and node.logical:
            return _Value(self.block(node), boolean=True)
        value = self.operand(node)
        if not value.checks:
            return value  # nothing in it can be missing
        present = " and ".join(f"{name} is not MISSING" for name in dict.fromkeys(value.checks))
        return _Value(self.keep("p", f"{value.code} if {present} else False"), boolean=value.boolean)

    def block(self, node: Chain) -> str:
        """Writes a scope whose way out is ``break``; the name of its bool."""
        if self.blocks >= MAX_BLOCKS:
            return self.keep("p", f"{self.writer.function(node)}({self.writer.arguments.replace('=()', '')})")
        name, outside = self.writer.fresh("p"), dict(self.loaded)
        self.say("while True:")
        self.blocks += 1
        self.finish(node, f"{name} = {{}}; break")
        self.blocks -= 1
        self.loaded = outside
        return name

    def unary(self, node: Unary) -> _Value:
        value = self.atom(self.operand(node.operand))
        for operator in reversed(node.operators):
            if value.boolean:
                negated = f"not {value.code}" if operator == "!" else value.code
            else:
                negated = f"{'inverse' if operator == '!' else 'negative'}({value.code})"
            value = _Value(self.keep("t", negated), value.checks, value.boolean)
        return value

    def comparison(self, chain: Chain) -> _Value:
        """Folds the chain from the right: a == b == c is a == (b == c)."""
        value = self.operand(chain.operands[-1])
        for node, operator in zip(reversed(chain.operands[:-1]), reversed(chain.operators), strict=True):
            left, right = self.atom(self.operand(node)), self.atom(value)
            code = _same(left, operator, right) if operator in ("==", "!=") else _ordered(left, operator, right)
            value = _Value(code, left.checks + right.checks, boolean=True)
        return value

    def load(self, path: Path) -> str:
        """The variable that holds what ``path`` finds."""
        if path not in self.loaded:
            names = plain_names(path)
            bound = [self.writer.bind(name) for name in names or ()]
            read = next((number for number, step in enumerate(path.steps) if is_document(step)), -1) + 1
            if 0 < read < len(path.steps):  # what was read once serves every path into it
                document = self.load(Path(path.steps[:read]))
                self.loaded[path] = self.keep("v", f"walk({document}, {self.writer.bind(path.steps[read:])}, False)")
            elif not bound:
                self.loaded[path] = self.keep("v", f"walk(item, {self.writer.bind(path.steps)})")
            elif len(bound) == 1:
                self.loaded[path] = self.keep("v", f"item.get({bound[0]}, MISSING)")
            else:
                self.loaded[path] = self.chain_of_gets(bound, names_a_header(path.steps, len(bound) - 1))
        return self.loaded[path]

    def chain_of_gets(self, names: list[str], is_header: bool) -> str:
        """``item.get(a).get(b).get(c)`` where a null ends in MISSING, and so does what is no mapping."""
        if names[0] not in self.loaded:
            self.loaded[names[0]] = self.keep("h", f"item.get({names[0]})")
        first, middle, last = self.loaded[names[0]], names[1:-1], names[-1]
        holder = "h" if middle else first
        steps = [f"{first} is None"]
        for name in middle:
            steps.append(f"(h := {'h' if len(steps) > 1 else first}.get({name})) is None")
        get = f"header({holder}, {last})" if is_header else f"{holder}.get({last}, MISSING)"
        result = self.writer.fresh("v")
        self.say("try:")
        self.say(f" {result} = MISSING if {' or '.join(steps)} else {get}")
        self.say("except AttributeError:")
        self.say(f" {result} = MISSING")
        return result

    def lonely_call(self, call: Call) -> _Value:
        """``now()`` and its like."""
        if call.name == "record":
            return _Value(f"({self.writer.bind(constant_arguments(call)[0])} in recordings)", boolean=True)
        if call.name == "redact" and self.writer.traced:
            for path in constant_arguments(call):
                self.say(f"reached.append({self.writer.bind(redaction(path))})")
        constant = constant_of(call)
        if constant is not None:
            return self.operand(constant)
        return _Value(f"now() + {self.writer.bind(offset_ms(call))}")

    def call(self, path: Path, call: Call) -> _Value:
        """A helper; of a path that finds nothing it is false and collapses nothing."""
        subject = self.load(Path(path.steps[:-1]))
        argument = self.atom(self.scope(call.arguments[0]))
        general, short = _TEXTS[call.name]
        code = f"{general}({subject}, {argument.code})"
        if argument.constant is not None and isinstance(argument.constant.value, str):
            code = f"{short.format(subject, argument.code)} if type({subject}) is str else {code}"
        return _Value(code, boolean=True)


def _field_and_constant(node: Node) -> tuple[Path, str | int | float] | None:
    """Of ``field == "constant"`` the two, where the short cut for one type is right."""
    match node:
        case Chain(operators=("==",), operands=(Path() as path, Literal(value=value))):
            pass
        case Chain(operators=("==",), operands=(Literal(value=value), Path() as path)):
            pass
        case _:
            return None
    if any(isinstance(step, Call) for step in path.steps) or not _has_short_cut(value):
        return None
    return path, value  # type: ignore[return-value] # what has a short cut


def _has_short_cut(value: object) -> bool:
    return isinstance(value, str) or (type(value) in (int, float) and value not in (0, 1))  # True == 1 in Python only


def _bare(node: Node) -> Node:
    """A comparison without its parentheses, for where false and missing lead to the same end."""
    while isinstance(node, Scope) and not (isinstance(node.inner, Chain) and node.inner.logical):
        node = node.inner
    return node


def _same(left: _Value, operator: str, right: _Value) -> str:
    """``==`` and ``!=``, where the types seen most are compared without a call."""
    if left.pattern or not (right.pattern or right.constant):
        left, right = right, left
    a, b = left.code, right.code
    if right.pattern:
        same = f"{b}({a}) if type({a}) is str else found({b}, {a})"
    elif right.constant is None or left.constant is not None:
        same = f"equal({a}, {b})"
    elif isinstance(right.constant.value, str):
        same = f"{a} == {b} or type({a}) is not str and equal({a}, {b})"
    elif _has_short_cut(right.constant.value):
        same = f"{a} == {b} or type({a}) is not int and equal({a}, {b})"
    else:
        same = f"equal({a}, {b})"
    return same if operator == "==" else f"not ({same})"


def _ordered(left: _Value, operator: str, right: _Value) -> str:
    general = f"ordered({operator!r}, {left.code}, {right.code})"
    if right.constant is None or type(right.constant.value) not in (int, float):
        return general
    return f"{left.code} {operator} {right.code} if type({left.code}) is int else {general}"
