"""Filters and clock times that a script writes down as constants: what is wrong with them is known before it runs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from engine import kfl
from engine.cron import CronError, next_after
from engine.scripting.listeners import in_one_line

ReadFilter = Callable[[str], kfl.Filter]
_FILTERS: dict[tuple[str, ...], tuple[int, str]] = {("kfl", "match"): (0, "query"), ("on_item",): (0, "filter")}
_CRONS: dict[tuple[str, ...], tuple[int, str]] = {("jobs", "schedule"): (1, "cron")}
"""Called names -> the argument, by place and by name."""


def wrong_constants(tree: ast.Module, bound: set[str], read_filter: ReadFilter = kfl.compile) -> Iterator[str]:
    """A reason for each constant filter and cron spec that is none.

    Args:
        tree: the script.
        bound: names that the script itself binds.
        read_filter: compiles filters.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = _called(node.func)
            if called and called[0] not in bound:
                yield from _wrong_filter(node, called, read_filter)
                yield from _wrong_cron(node, called)


def _wrong_filter(call: ast.Call, called: tuple[str, ...], read_filter: ReadFilter) -> Iterator[str]:
    text = _constant(call, *_FILTERS.get(called, (0, "")))
    if text is not None:
        try:
            read_filter(text)
        except kfl.KflError as error:
            yield f"Line {call.lineno}: {'.'.join(called)}: {in_one_line(error)} of {text[:80]!r}"


def _wrong_cron(call: ast.Call, called: tuple[str, ...]) -> Iterator[str]:
    text = _constant(call, *_CRONS.get(called, (0, "")))
    if text is not None:
        try:
            next_after(text, 0)
        except CronError as error:
            yield f"Line {call.lineno}: {error}"


def _called(function: ast.expr) -> tuple[str, ...]:
    if isinstance(function, ast.Name):
        return (function.id,)
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return (function.value.id, function.attr)
    return ()


def _constant(call: ast.Call, place: int, name: str) -> str | None:
    """The text at ``place``, or given as ``name``, where it is one and there is such a parameter."""
    if not name:
        return None
    given = call.args[place] if len(call.args) > place else None
    given = next((keyword.value for keyword in call.keywords if keyword.arg == name), given)
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None
