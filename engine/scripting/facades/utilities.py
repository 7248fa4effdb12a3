"""``utils``: where we are, and YAML."""

from __future__ import annotations

import json
from typing import Any

from engine.scripting.calls import HelperError
from engine.scripting.facades.facade import Facade, fill
from engine.scripting.plain import NotPlain, plain

MAX_YAML_DEPTH = 32


class Utils(Facade):
    """Needs nobody else."""

    __slots__ = ("_node",)

    _node: str

    def __init__(self, node: str) -> None:
        fill(self, _node=node)

    def nodeName(self) -> str:
        """The name of this machine."""
        return self._node

    def json2Yaml(self, text: str) -> str:
        """The same document as YAML.

        Raises:
            HelperError: ``text`` is no JSON.
        """
        try:
            value = plain(json.loads(text))
        except (ValueError, TypeError, NotPlain, RecursionError) as error:
            raise HelperError(f"utils.json2Yaml: {error}") from None
        return "\n".join(_lines(value, 0)) + "\n"


def _lines(value: Any, indent: int) -> list[str]:
    """Block style, two spaces a level; scalars and empty collections as JSON, which YAML 1.2 contains."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return [line for key, inner in value.items() for line in _member(f"{pad}{_scalar(key)}:", inner, indent)]
    if isinstance(value, list) and value:
        return [line for inner in value for line in _member(f"{pad}-", inner, indent)]
    return [pad + _scalar(value)]


def _member(head: str, value: Any, indent: int) -> list[str]:
    if isinstance(value, dict | list) and value:
        return [head, *_lines(value, indent + 1)]
    return [f"{head} {_scalar(value)}"]


def _scalar(value: Any) -> str:
    if isinstance(value, str) and value.isidentifier() and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


_WORDS = frozenset({"true", "false", "null", "none", "yes", "no", "on", "off", "y", "n", "nan", "inf"})
