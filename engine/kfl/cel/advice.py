"""What is right as KFL2 and yet hardly what its author means."""

from __future__ import annotations

from engine.kfl.cel.checking import Typed, check
from engine.kfl.cel.parsing import parse
from engine.kfl.cel.protocols import protocols_of
from engine.kfl.diagnostics import Diagnostic, diagnostic
from engine.kfl.syntax import TRUE


def advise(text: str) -> list[Diagnostic]:
    """The remarks on a filter of KFL2 that compiles."""
    tree = parse(text)
    typed = check(tree, text)
    answer = settled(typed)
    if answer is not None and tree != TRUE:
        return [diagnostic(f"this filter matches {'every item' if answer else 'nothing'}", text, tree.at)]
    if protocols_of(typed) == frozenset():
        return [diagnostic("this filter matches nothing: no item has all of these protocols", text, tree.at)]
    return []


def settled(typed: Typed) -> bool | None:
    """What an expression says of every item; None if it depends on the item."""
    if typed.constant:
        return typed.bound if isinstance(typed.bound, bool) else None
    answers = [settled(part) for part in typed.parts]
    match typed.code:
        case "&&":
            return False if False in answers else True if all(answers) else None
        case "||":
            return True if True in answers else False if answers.count(False) == len(answers) else None
        case "not {0}" if answers[0] is not None:
            return not answers[0]
        case "{0} == {1}" if all(part.constant for part in typed.parts):
            return bool(typed.parts[0].bound == typed.parts[1].bound)
        case _:
            return None
