"""What a script says about itself: the comment it begins with, or its docstring.

The first line is its title. Lines such as ``Env: RECORDING_KFL`` under it are metadata; lines below one that stand
further in go on with it.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from itertools import takewhile

MAX_TITLE_CHARACTERS = 120
MAX_VALUE_CHARACTERS = 1000
KEYS = ("Hooks", "Helpers", "Env", "Cron", "Author", "Version")

_KEY = re.compile(rf"({'|'.join(KEYS)}):\s*", re.IGNORECASE)
_CODING = re.compile(r"#(!|.*coding[:=])")


@dataclass(frozen=True, slots=True)
class Header:
    """Of one script; empty where it says nothing."""

    title: str = ""
    about: dict[str, str] = field(default_factory=dict)
    """``Hooks``, ``Helpers``, ``Env``, ``Cron`` and the like, as the author wrote them."""


def read_header(text: str) -> Header:
    """The header of a script's ``text``. Total: a text that is no Python has what its first comment says."""
    lines = _first_comment(text) or _docstring(text)
    if not lines:
        return Header()
    title = lines[0].strip()
    if _KEY.match(title):
        return Header("", _about(lines))
    return Header(_cut(title.rstrip("."), MAX_TITLE_CHARACTERS), _about(lines[1:]))


def _first_comment(text: str) -> list[str]:
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines()]
    while lines and (not lines[0] or _CODING.match(lines[0])):
        del lines[0]
    comment = [line.lstrip("#") for line in takewhile(lambda line: line.startswith("#"), lines)]
    return [line[1:] if line.startswith(" ") else line for line in comment if line.strip()]


def _docstring(text: str) -> list[str]:
    try:
        found = ast.get_docstring(ast.parse(text)) or ""
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [line for line in found.splitlines() if line.strip()]


def _about(lines: list[str]) -> dict[str, str]:
    about: dict[str, str] = {}
    key = ""
    for line in lines:
        parts = _KEY.split(line.strip())
        if parts[0] == "" and len(parts) > 1:
            for name, value in zip(parts[1::2], parts[2::2], strict=True):
                key = name.capitalize()
                about[key] = value.strip().rstrip(".")
        elif key and line[:1].isspace():
            about[key] = f"{about[key]}\n{line.strip()}".strip()
        else:
            key = ""
    return {name: _cut(value, MAX_VALUE_CHARACTERS) for name, value in about.items()}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
