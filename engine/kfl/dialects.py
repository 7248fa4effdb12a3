"""Which of the two languages a text is in, and where it is in both and means two things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from engine.errors import KflError
from engine.kfl.cel.checking import Typed, check
from engine.kfl.cel.overloads import FUNCTIONS
from engine.kfl.cel.parsing import parse
from engine.kfl.cel.types import STRING
from engine.kfl.cel.variables import VARIABLES
from engine.kfl.diagnostics import Diagnostic, diagnostic
from engine.kfl.fields import KINDS
from engine.kfl.helpers import HELPERS
from engine.kfl.macros import BUILT_IN
from engine.kfl.parsing import parse as parse_kfl
from engine.kfl.syntax import Call, Key, Node, Path, children

_OF_KFL2 = re.compile(r"&&|\|\||\?|(?<![\w.])in(?!\w)|(?<![.\[])[+%]|\b(?:map_get|size|matches|duration)\s*\(")
_QUOTED = re.compile(r'"([^"\\\n]|\\.)*"|\'([^\'\\\n]|\\.)*\'|`[^`]*`|//[^\n]*|/\*.*?\*/', re.DOTALL)
_OF_KFL = re.compile(r"(?<![\w.])(?:and|or|nil)(?!\w)")


def may_be_kfl2(text: str, macros: Iterable[tuple[str, str]]) -> bool:
    """Whether a text that is no good as KFL may be KFL2: it does not parse as KFL, or asks for variables of KFL2."""
    try:
        tree = parse_kfl(text)
    except KflError:
        return True
    known = KINDS.keys() | BUILT_IN.keys() | {name for name, _ in macros}
    heads = [path.steps[0] for path in _paths(tree)]
    names = {step.name for step in heads if isinstance(step, Key)} - known
    calls = {step.name for step in heads if isinstance(step, Call)} - HELPERS.keys()
    return not names.isdisjoint(VARIABLES) or not calls.isdisjoint(FUNCTIONS)


def _paths(tree: Node) -> Iterator[Path]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Path):
            yield node
        waiting += children(node)


def looks_like_kfl2(text: str) -> bool:
    """Whether a text that is wrong in both languages was probably meant as KFL2."""
    bare = _QUOTED.sub('""', text)
    return bool(_OF_KFL2.search(bare)) and not _OF_KFL.search(bare)


def two_meanings(text: str) -> list[Diagnostic]:
    """Of a text that is KFL: what it would mean as KFL2, where it is that as well and means something else."""
    try:
        typed = check(parse(text), text)
    except KflError:
        return []
    return [
        diagnostic(f"this is KFL2 as well, where {meaning}", text, 0, "kfl.dialect says which one is meant")
        for meaning in dict.fromkeys(_differences(typed))
    ]


def _differences(typed: Typed) -> Iterator[str]:
    waiting = [typed]
    while waiting:
        node = waiting.pop()
        waiting += node.parts
        types = [part.type for part in node.parts]
        if node.variable is VARIABLES["http"]:
            yield "http is HTTP/1.x and HTTP/2, and here HTTP/1.x alone"
        elif node.code.startswith(("header_at", "text_at", "at(")):
            yield "a key that is not there ends the filter, and here only the parentheses it stands in"
        elif node.code in ("{0} < {1}", "{0} <= {1}", "{0} > {1}", "{0} >= {1}") and STRING in types:
            yield "texts are ordered as in a dictionary, and here as numbers"
        elif node.code.startswith(("{0} == ", "not same", "{0} != ")) and any(
            part.code[:6] == node.code[:6] for part in node.parts
        ):
            yield "a == b == c is (a == b) == c, and here a == (b == c)"
