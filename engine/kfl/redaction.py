"""``redact("request.headers.Authorization")``: an item's copy in which something is hidden.

Only what lies on the way is copied. What was looked for and cannot be taken apart (a body cut off in the middle, an
object nested beyond reason) is hidden whole if it may hold what was to be hidden: nothing leaks by being odd.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import KflError
from engine.kfl.documents import document, from_base64
from engine.kfl.parsing import parse
from engine.kfl.paths import Steps, names_a_header
from engine.kfl.syntax import Call, Descend, Each, Index, Key, Path
from engine.kfl.values import MISSING

REDACTED = "[REDACTED]"


class RedactError(ValueError):
    """Not a path that something can be hidden at."""


def redaction(text: str) -> Steps:
    """The steps of a path such as ``response.content.text.json().password``.

    Raises:
        RedactError: it is none.
    """
    try:
        path = parse(text)
    except KflError as error:
        raise RedactError(error.reason) from None
    if not isinstance(path, Path) or isinstance(path.steps[0], Call):
        raise RedactError(f"{text!r} is no path")
    for step in path.steps:
        if isinstance(step, Call) and (step.name not in ("json", "xml") or step.arguments):
            raise RedactError(f"{step.name!r} leads nowhere")
    return path.steps


def redacted(item: Mapping[str, Any], paths: Sequence[Steps]) -> dict[str, Any]:
    """A copy of ``item`` in which ``[REDACTED]`` stands at every one of ``paths``."""
    whole = getattr(item, "as_dict", None)
    copy: dict[str, Any] = dict(item) if whole is None else whole()
    for steps in paths:
        try:
            copy = _hide(copy, steps, 0)
        except RecursionError:
            first = steps[0]
            assert isinstance(first, Key), "a path begins with a name"
            copy = {**copy, first.name: REDACTED}
    return copy


def _hide(value: Any, steps: Steps, position: int) -> Any:
    if position == len(steps):
        return REDACTED
    step, rest = steps[position], position + 1
    match step:
        case Key(name=name) if isinstance(value, Mapping):
            names = {name} if not names_a_header(steps, position) else {key for key in value if _same(key, name)}
            return {key: _hide(one, steps, rest) if key in names else one for key, one in value.items()}
        case Index(position=index) if isinstance(value, list | tuple):
            return [_hide(one, steps, rest) if at == index else one for at, one in enumerate(value)]
        case Each():
            return _map(value, lambda _, one: _hide(one, steps, rest))
        case Descend(name=name):
            return _map(value, lambda key, one: _below(key, name, one, steps, position))
        case Call(name=kind):
            return _in_document(kind, value, steps, rest)
        case _:
            return value


def _below(key: object, name: str, one: Any, steps: Steps, position: int) -> Any:
    inner = _hide(one, steps, position)
    return _hide(inner, steps, position + 1) if key == name else inner


def _map(value: Any, change: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: change(key, one) for key, one in value.items()}
    return [change(None, one) for one in value] if isinstance(value, list | tuple) else value


def _same(key: object, name: str) -> bool:
    return isinstance(key, str) and key.lower() == name.lower()


def _in_document(kind: str, value: Any, steps: Steps, position: int) -> Any:
    if not isinstance(value, str):
        return value
    content, encoded = document(kind, value)
    if content is MISSING:
        return REDACTED if _mentions(value, steps[position:]) else value
    hidden = _hide(content, steps, position)
    if hidden == content:
        return value
    text = json.dumps(hidden, ensure_ascii=False) if kind == "json" else _as_xml(hidden)
    return base64.b64encode(text.encode("utf-8", "replace")).decode() if encoded else text


def _mentions(text: str, steps: Steps) -> bool:
    """Whether a text that cannot be read may hold what the path leads to."""
    named = [step.name.lstrip("-#") for step in steps if isinstance(step, Key | Descend)]
    if not named:
        return True
    try:
        decoded = from_base64(text[: len(text) // 4 * 4])
    except ValueError:
        decoded = ""
    return named[-1] in text or named[-1] in decoded


def _as_xml(value: Any) -> str:
    if not isinstance(value, Mapping):
        return _escape(value)
    return "".join(_element(str(name), one) for name, one in value.items())


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(name, one) for one in value)
    if not isinstance(value, Mapping):
        return f"<{name}>{_escape(value)}</{name}>"
    attributes = "".join(f' {key[1:]}="{_escape(one)}"' for key, one in value.items() if re.match("-.", key))
    inside = "".join(
        _escape(one) if key == "#text" else _element(key, one) for key, one in value.items() if key[0] != "-"
    )
    return f"<{name}{attributes}>{inside}</{name}>"


def _escape(value: object) -> str:
    return str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
