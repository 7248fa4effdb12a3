"""Sections of an item: read-only mappings that answer attributes and are decoded one level at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import msgspec

_Raw = msgspec.Raw
_AS_IT_IS = frozenset((str, int, float, bool, type(None)))
_one_level: Any = msgspec.msgpack.Decoder(dict[str, msgspec.Raw] | list[Any] | str | int | float | bool | None).decode


class Record(Mapping[str, Any]):
    """A read-only mapping whose keys are attributes too: ``src.name`` is ``src["name"]``.

    A key that is not there is ``None`` as an attribute and ``KeyError`` as an item. As attributes, names that begin
    with ``_`` and the methods (``get``, ``keys``, ``items``, ``values``, ``as_dict``) never come from the data.
    """

    __slots__ = ("_data",)

    _data: dict[str, Any]
    """Values; of an item that came as msgpack, closed ones (``msgspec.Raw``) where nobody has looked yet."""

    def __init__(self, data: dict[str, Any]) -> None:
        """``data`` is shown as it is; nobody should change it any more."""
        _set_data(self, data)

    def __getitem__(self, key: str) -> Any:
        """The value; a map is a ``Record`` and a list a new list, so that nothing can be changed through it."""
        value = self._data[key]
        if type(value) is _Raw:
            value = self._data[key] = open_level(key, value)
        return value if type(value) in _AS_IT_IS else shown(key, value)

    def get(self, key: str, default: Any = None) -> Any:
        """``self[key]``, or ``default`` where there is no such key."""
        return self[key] if key in self._data else default

    def __getattr__(self, name: str) -> Any:
        if name[:1] == "_":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        try:
            return self[name]
        except KeyError:
            return None

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"what was captured is read-only: {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"what was captured is read-only: {name!r} cannot be deleted")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.as_dict()!r})"

    def as_dict(self) -> dict[str, Any]:
        """A plain copy, down to the last level, that the caller may change."""
        return {key: _plain(value) for key, value in self.items()}


_AS_IT_IS |= {Record}
_set_data: Any = Record.__dict__["_data"].__set__
"""The only way past ``Record.__setattr__``."""


class Headers(Record):
    """Header fields: names as they were sent, found in any case (RFC 9110, 5.1)."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        return Record.__getitem__(self, self._sent(key))

    def get(self, key: str, default: Any = None) -> Any:
        """The field called ``key`` in any case, or ``default``."""
        return Record.get(self, self._sent(key), default)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._sent(key) in self._data

    def _sent(self, key: str) -> str:
        if key in self._data:
            return key
        folded = key.lower()
        return next((name for name in self._data if name.lower() == folded), key)


def open_level(key: str, raw: msgspec.Raw) -> Any:
    """What ``raw`` holds under ``key``: a map becomes a record whose values stay closed."""
    value = _one_level(raw)
    if type(value) is not dict:
        return value
    return Headers(value) if key == "headers" else Record(value)


def shown(key: str, value: Any) -> Any:
    """``value`` as scripts see it: maps as records (``headers`` as ``Headers``), lists as copies."""
    if type(value) is dict:
        return Headers(value) if key == "headers" else Record(value)
    return [shown("", inner) for inner in value] if type(value) is list else value


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.as_dict()
    return [_plain(inner) for inner in value] if type(value) is list else value
