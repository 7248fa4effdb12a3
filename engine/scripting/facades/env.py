"""``env``: what the operator lets scripts know. Secrets are opaque handles that other helpers accept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.scripting.facades.facade import Facade, fill


class Env(Facade, Mapping[str, Any]):
    """A read-only mapping; a variable that is not set is ``None`` as an attribute and ``KeyError`` as an item."""

    __slots__ = ("_values",)

    _values: dict[str, Any]

    def __init__(self, values: dict[str, Any]) -> None:
        fill(self, _values=dict(values))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._values.get(name)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
