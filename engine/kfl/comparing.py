"""What is odd about comparing a known field with a constant."""

from __future__ import annotations

import re

from engine.kfl import fields
from engine.kfl.patterns import PatternError, compile_pattern
from engine.kfl.syntax import Path
from engine.kfl.writing import literal, pattern, written

Remark = tuple[str, str]
"""What is odd, and what to write instead."""

STATUSES = (200, 201, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 409, 418, 429, 500, 501, 502, 503, 504)
"""What patterns for a status are tried on."""

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII)
_LONG_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NUMBERS_IN_TEXT = ("src.port", "dst.port", "protocol.version")


def about_value(path: Path, operator: str, value: str | float | bool | None) -> Remark | None:
    """Why ``path operator value`` is never, or always, true."""
    if operator in ("==", "!="):
        reason = _never_equal(path, value)
        return None if reason is None else (reason[0] + _verdict(operator), reason[1])
    kind, name = fields.kind_of(path), written(path)
    if isinstance(value, str) and not _LONG_NUMBER.fullmatch(value):
        return f"{operator} compares numbers, and {literal(value)} counts as 0", "texts can be compared with == and !="
    if kind == "text" and name not in _NUMBERS_IN_TEXT:
        return f"{operator} compares numbers, and a text such as {name} counts as 0 if it is none", ""
    return None


def _verdict(operator: str) -> str:
    return ": this is never true" if operator == "==" else ": this is always true"


def _never_equal(path: Path, value: str | float | bool | None) -> Remark | None:
    kind, name = fields.kind_of(path), written(path)
    if value is None or not kind:
        return None
    known = fields.KNOWN_VALUES.get(name)
    if known is not None and value not in known:
        meant = fields.nearest(str(value), known).removeprefix("; ") or f"it is one of {', '.join(known)}"
        return f"no built-in protocol has {name} {literal(value)}", meant
    if kind == "object" and value != "":
        keys = fields.keys_of(name)
        return (
            f"{name} is an object, which equals no text",
            f"compare a field of it, such as {name}.{keys[0] if keys else 'x'}",
        )
    if kind == "number" and (isinstance(value, bool) or (isinstance(value, str) and not _NUMBER.fullmatch(value))):
        return f"{name} is a number, and {literal(value)} is none", ""
    if kind == "flag" and not isinstance(value, bool) and value not in ("true", "false"):
        return f"{name} is true or false, and {literal(value)} is neither", f"write {name} == true, or {name} alone"
    return None


def about_pattern(path: Path, text: str) -> Remark | None:
    """Why a pattern matches more than it looks."""
    if text.startswith("^") or text.endswith("$"):
        return None
    bare = text.removesuffix(".*") if not text.endswith("\\.*") else text
    shown = pattern(text)
    if fields.kind_of(path) == "number":
        also = _also(text) if written(path) == "response.status" else []
        examples = f" also matches {' and '.join(map(str, also))}" if also else " matches any number that has it inside"
        if written(path) == "response.status" and not also:
            return None
        return f"patterns are found anywhere: {shown}{examples}", f"write {pattern('^' + bare)}"
    if bare != text and bare:
        return (
            f"patterns are found anywhere: {shown} is the same as {pattern(bare)}",
            f"write {pattern('^' + bare)} for what begins with it",
        )
    return None


def _also(text: str) -> list[int]:
    """Statuses in which the pattern is found, but not from the first digit on."""
    try:
        found, begins = compile_pattern(text), compile_pattern(f"^(?:{text})")
    except PatternError:
        return []
    tried = (*STATUSES, *range(100, 600))
    return [status for status in tried if found(str(status)) and not begins(str(status))][:2]
