"""Names and types. Everything that can be wrong with a filter is said here, before it meets an item."""

from __future__ import annotations

from collections.abc import Collection

from engine.errors import KflError
from engine.kfl import fields
from engine.kfl.helpers import ALONE, HELPERS, LAST, TAKES, WITHIN, constant_arguments
from engine.kfl.parsing import mistake
from engine.kfl.patterns import PatternError, compile_pattern
from engine.kfl.redaction import RedactError, redaction
from engine.kfl.syntax import Call, Chain, Descend, Index, Key, Literal, Node, Path, Pattern, Unary, children
from engine.kfl.times import datetime_ms

MAX_NUMBER = 10**9
"""What a helper may be given: more seconds, or items, than anybody waits for."""

_A = {"text": "text", "number": "a number", "flag": "a flag", "record": "an object"}
_WORDS = {"and", "or", "not", "true", "false", "nil"}


def check(node: Node, text: str, macros: Collection[str]) -> None:
    """Returns if every name, helper and pattern of ``node``, which was parsed from ``text``, makes sense.

    Raises:
        KflError: the first one that does not.
    """
    if isinstance(node, Pattern):
        raise mistake("a regular expression needs something to match", text, node.at, 'such as src.name == r"cata.*"')
    _Checker(text, macros).visit(node)


class _Checker:
    def __init__(self, text: str, macros: Collection[str]) -> None:
        self.text, self.macros = text, macros

    def visit(self, node: Node) -> None:
        match node:
            case Pattern():
                self._pattern(node)
            case Path():
                self._path(node)
            case Chain():
                self._chain(node)
            case Unary(operand=Pattern() as operand):
                raise self._mistake("a regular expression has no opposite", operand.at)
            case _:
                pass
        for child in children(node):
            self.visit(child)

    def _mistake(self, reason: str, at: int, hint: str = "") -> KflError:
        return mistake(reason, self.text, at, hint)

    def _pattern(self, node: Pattern) -> None:
        try:
            compile_pattern(node.text)
        except PatternError as error:
            raise self._mistake(f"bad regular expression: {error}", node.at, error.hint) from None

    def _chain(self, node: Chain) -> None:
        """A pattern stands on one side of == or !=; an object has no value to compare."""
        for index, operand in enumerate(node.operands):
            nearby = node.operators[max(0, index - 1) : index + 1]
            if isinstance(operand, Pattern) and not {"==", "!="}.issuperset(nearby):
                raise self._mistake("a regular expression can only be compared with == and !=", operand.at)
        if node.logical:
            return
        for left, right in zip(node.operands, node.operands[1:], strict=False):
            if isinstance(left, Pattern) and isinstance(right, Pattern):
                raise self._mistake("a regular expression needs something to match", right.at)
            self._not_a_record(left, right)
            self._not_a_record(right, left)

    def _not_a_record(self, side: Node, other: Node) -> None:
        if isinstance(side, Path) and (isinstance(other, Pattern) or _is_value(other)):
            self._has_text(side)

    def _has_text(self, path: Path) -> None:
        name = fields.name_of(path)
        if fields.KINDS.get(name) == "record" and name not in self.macros:
            example = f"{name}.{fields.keys_of(name)[-1 if name == 'node' else 0]}"
            raise self._mistake(f"{name!r} is an object; compare one of its fields, such as {example}", path.at)

    def _path(self, path: Path) -> None:
        head = path.steps[0]
        if isinstance(head, Call):
            self._lonely_call(head, path)
            return
        assert isinstance(head, Key), "the grammar lets a path begin with a name or a call"
        if head.name in self.macros:
            if len(path.steps) > 1 and head.name not in fields.KINDS:
                raise self._mistake(f"unknown field {head.name!r}; as a macro it stands alone", head.at)
        elif fields.KINDS.get(head.name) is None:
            raise self._unknown_field(head)
        self._below(path)
        for step in path.steps[1:]:
            if isinstance(step, Call):
                self._call(path, step)

    def _unknown_field(self, head: Key) -> KflError:
        if head.name.lower() in _WORDS:
            return self._mistake(f"unexpected {head.name!r}", head.at, "operators are and, or, ! in lower case")
        found = fields.nearest(head.name, [*fields.keys_of(""), *self.macros]) or fields.nearest_field(head.name)
        return self._mistake(f"unknown field {head.name!r}{found}", head.at)

    def _below(self, path: Path) -> None:
        """The second step, where the first is a field whose inside is known."""
        parent, step = path.steps[0], path.steps[1] if len(path.steps) > 1 else None
        assert isinstance(parent, Key), "checked by the caller"
        kind = fields.KINDS.get(parent.name)
        if isinstance(step, Key | Descend) and kind in ("text", "number", "flag"):
            raise self._mistake(f"{parent.name!r} is {_A[kind]}; it has no field {step.name!r}", step.at)
        if isinstance(step, Index) and kind in _A:
            raise self._mistake(f"{parent.name!r} is {_A[kind]}, not a list", step.at)
        if isinstance(step, Key) and kind == "record" and f"{parent.name}.{step.name}" not in fields.KINDS:
            full = f"{parent.name}.{step.name}"
            known = (f"{parent.name}.{key}" for key in fields.keys_of(parent.name))
            raise self._mistake(f"unknown field {full!r}{fields.nearest(full, known)}", step.at)

    def _lonely_call(self, call: Call, path: Path) -> None:
        """``now()`` and its like."""
        helper = HELPERS.get(call.name)
        if helper is None:
            raise self._unknown_helper(call, HELPERS)
        if helper.place != ALONE:
            raise self._mistake(f"{call.name!r} needs a field before it", call.at, f"such as {helper.example}")
        if len(path.steps) > 1:
            raise self._mistake(f"nothing can follow {call.name!r}", path.steps[1].at, f"such as {helper.example}")
        self._arguments(call)

    def _unknown_helper(self, call: Call, near: Collection[str]) -> KflError:
        if call.name == "matches":
            return self._mistake("unknown helper 'matches'", call.at, 'patterns go with ==: request.path == r"^/api"')
        found = fields.nearest(call.name, near)
        return self._mistake(f"unknown helper {call.name!r}{found}", call.at, f"the helpers are {', '.join(HELPERS)}")

    def _call(self, path: Path, call: Call) -> None:
        """``.contains("x")`` and its like."""
        helper = HELPERS.get(call.name)
        if helper is None:
            raise self._unknown_helper(call, [name for name, known in HELPERS.items() if known.place != ALONE])
        if helper.place == ALONE:
            raise self._mistake(f"{call.name!r} stands alone", call.at, f"such as {helper.example}")
        self._arguments(call)
        if helper.place == LAST and call is not path.steps[-1]:
            raise self._mistake(f"nothing can follow {call.name!r}: its value is true or false", call.at)
        if helper.place in (LAST, WITHIN):
            self._has_text(Path(path.steps[: path.steps.index(call)], path.at))

    def _arguments(self, call: Call) -> None:
        """As many as it takes, and of the kind it takes."""
        helper = HELPERS[call.name]
        least, most, words = TAKES[helper.takes]
        if not least <= len(call.arguments) <= most:
            wanted = f"{least} argument" if least == most else f"{least} to {most} arguments"
            raise self._mistake(f"{call.name!r} takes {wanted}, got {len(call.arguments)}", call.at)
        for node, value in zip(call.arguments, constant_arguments(call), strict=True):
            if helper.takes == "value" and isinstance(node, Pattern):
                hint = 'regular expressions go with ==: src.name == r"x"'
                raise self._mistake(f"{call.name!r} takes text", node.at, hint)
            wrong = _wrong(call.name, helper.takes, value)
            if wrong:
                reason = f"{call.name!r} takes {words}" + (f": {wrong}" if isinstance(wrong, str) else "")
                raise self._mistake(reason, node.at, f"such as {helper.example}")


def _wrong(name: str, takes: str, value: object) -> bool | str:
    """Whether, or why, ``value`` is nothing that a helper which ``takes`` constants can use."""
    match takes:
        case "number" if name == "limit":
            return type(value) is not int or not 0 <= value <= MAX_NUMBER
        case "number":
            return type(value) not in (int, float) or not -MAX_NUMBER <= value <= MAX_NUMBER  # type: ignore[operator] # a number
        case "text":
            return not isinstance(value, str)
        case "date":
            return not isinstance(value, str) or datetime_ms(value) is None
        case "paths":
            return _no_path(value)
        case _:
            return False


def _no_path(value: object) -> bool | str:
    if not isinstance(value, str):
        return True
    try:
        redaction(value)
    except RedactError as error:
        return str(error)
    return False


def _is_value(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is not None
