"""How a stage declares its configuration: a frozen dataclass whose fields carry their key and help text.

``engine.config`` builds the dataclasses from files, environment and flags; the README's table is generated from them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """What ``option`` attaches to a field."""

    name: str
    """Kubeshark's key where it has one, such as ``tap.misc.pcapTTL``; looked up without regard to case."""
    help: str
    kind: str
    """``duration`` (float seconds), ``size`` (bytes), ``text``, ``flag``, ``number``, ``list``, ``map``, ``regex``,
    ``path``, or ``scripts`` (settings of single scripts).

    A path in a file is relative to that file, elsewhere to the working directory; ``gs://…`` is left alone.
    """
    environment: tuple[str, ...]
    """Environment variables that set it, besides ``REMORA_<KEY>``."""
    secret: bool
    choices: tuple[str, ...] = ()
    """The texts it may be; empty: any."""
    least: float = 0
    """Of a number, a size (bytes) or a duration (seconds)."""
    most: float = math.inf


def option(
    default: Any,
    key: str,
    help: str,
    *,
    kind: str | None = None,
    environment: tuple[str, ...] = (),
    secret: bool = False,
    choices: tuple[str, ...] = (),
    least: float = 0,
    most: float = math.inf,
) -> Any:
    """A field of an options dataclass; ``kind`` is guessed from the default where it can be."""
    guessed = {bool: "flag", int: "number", str: "text", list: "list", tuple: "list", dict: "map"}.get(
        type(default), "text"
    )
    metadata = {"key": Key(key, help, kind or guessed, environment, secret, choices, least, most)}
    if isinstance(default, list | dict):
        kept = default
        return dataclasses.field(default_factory=lambda: type(kept)(kept), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def keys_of(options: type[Any]) -> Iterator[tuple[str, Key, Any]]:
    """``(field name, key, default)`` of each option of an options dataclass."""
    for field in dataclasses.fields(options):
        key = field.metadata.get("key")
        if key is not None:
            default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
            yield field.name, key, default
