"""A filter in words: what is asked, in the order and the groups in which it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.kfl import fields
from engine.kfl.cel.parsing import parse as parse_cel
from engine.kfl.cel.syntax import Expression
from engine.kfl.cel.writing import written as written_cel
from engine.kfl.helpers import HELPERS, LAST, lonely_call
from engine.kfl.macros import BUILT_IN
from engine.kfl.parsing import parse
from engine.kfl.syntax import TRUE, Call, Chain, Key, Literal, Node, Path, Pattern, Scope, Unary
from engine.kfl.writing import written

_SAYS = {"==": "is", "!=": "is not", "<": "is below", "<=": "is at most", ">": "is above", ">=": "is at least"}
_TEXTS = {"startsWith": "begins with", "endsWith": "ends with", "contains": "contains"}
_GROUPS = {"and": "all of these:", "or": "any of these:", "&&": "all of these:", "||": "any of these:"}
INDENT = "  "


def explained(text: str, dialect: str, macros: Mapping[str, str]) -> list[str]:
    """The lines for a filter that compiles."""
    tree: Node | Expression = parse(text) if dialect == "kfl" else parse_cel(text)
    if tree == TRUE:
        return ["an item matches, whatever it is"]
    lines = _cel(tree) if dialect == "kfl2" else _Words({**BUILT_IN, **macros}).lines(tree)  # type: ignore[arg-type] # by dialect
    return ["an item matches if", *(INDENT + line for line in lines)]


class _Words:
    def __init__(self, macros: Mapping[str, str]) -> None:
        self.macros = macros

    def lines(self, node: Node) -> Iterator[str]:
        match node:
            case Scope(inner=inner):
                yield from self.lines(inner)
            case Chain() if node.logical:
                yield from self.chain(node)
            case Unary(operators=("!", *rest), operand=operand) if not rest and isinstance(operand, Scope):
                yield "not this:"
                yield from (INDENT + line for line in self.lines(operand))
            case _:
                yield self.phrase(node)

    def chain(self, chain: Chain) -> Iterator[str]:
        """Groups from the right: a new one begins where ``and`` and ``or`` change."""
        sign = chain.operators[0]
        count = next((at for at, other in enumerate(chain.operators) if other != sign), len(chain.operators))
        yield _GROUPS[sign]
        same = chain.operands[: count + (count == len(chain.operators))]
        for operand in same:
            yield from (INDENT + line for line in self.lines(operand))
        if count < len(chain.operators):
            rest = Chain(chain.operands[count:], chain.operators[count:])
            yield from (INDENT + line for line in self.chain(rest))

    def phrase(self, node: Node) -> str:
        match node:
            case Path(steps=(Key(name=name),)) if name in self.macros:
                return f"{name}: {self.macros[name]}"
            case Path(steps=(*before, Call(name=name, arguments=(argument,)))) if (
                before and HELPERS[name].place == LAST
            ):
                return f"{written(Path(tuple(before)))} {_TEXTS[name]} {written(argument)}"
            case Path() if (call := lonely_call(node)) is not None:
                return f"{written(node)}: {HELPERS[call.name].meaning}"
            case Path():
                return f"{written(node)} {self.truth(node)}"
            case Chain(operands=(left, right), operators=(operator,)):
                return self.comparison(left, operator, right)
            case Literal():
                return f"{written(node)}, which is constant"
            case _:
                return written(node)

    def comparison(self, left: Node, operator: str, right: Node) -> str:
        if isinstance(left, Pattern):
            left, right = right, left
        if isinstance(right, Pattern):
            return f"{written(left)} {'has' if operator == '==' else 'has not'} {written(right)} in it"
        return f"{written(left)} {_SAYS[operator]} {written(right)}"

    def truth(self, path: Path) -> str:
        return {
            "text": "is not empty",
            "number": "is above 0",
            "flag": "is true",
            "list": "is not empty",
            "object": "is true, which an object never is",
            "record": "is true, which an object never is",
        }.get(fields.kind_of(path), "is true, above 0 or not empty")


def _cel(node: Expression) -> Iterator[str]:
    if isinstance(node, Chain):
        yield _GROUPS[node.operators[0]]
        for operand in node.operands:
            yield from (INDENT + line for line in _cel(operand))  # type: ignore[arg-type] # of KFL2
    else:
        yield written_cel(node)
