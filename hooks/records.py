"""Sections of an item: read-only mappings that answer attributes and are decoded one level at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import msgspec

_Raw, _UNSET, _new = msgspec.Raw, msgspec.UNSET, object.__new__
_AS_IT_IS = frozenset((str, int, float, bool, type(None)))
_MAPS = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})
"""First bytes of a map in msgpack."""
_OneLevel = dict[str, msgspec.Raw] | list[Any] | str | int | float | bool | None
_one_level: Any = msgspec.msgpack.Decoder(_OneLevel).decode

FEW = 3
"""Names that are searched for before a level is opened."""
MAX_SEARCHES = 256
_searches: dict[str, Callable[[msgspec.Raw], Any]] = {}
"""Name -> what finds its value in a map without making anything of the rest."""


class Record(Mapping[str, Any]):
    """A read-only mapping whose keys are attributes too: ``src.name`` is ``src["name"]``.

    A key that is not there is ``None`` as an attribute and ``KeyError`` as an item. As attributes, names that begin
    with ``_`` and the methods (``get``, ``keys``, ``items``, ``values``, ``as_dict``) never come from the data.

    What came as msgpack is searched for the first ``FEW`` names (0.2 us each) and opened only for those after them
    (0.8 us). Attributes take ``__getattribute__``: a ``__getattr__`` is called when the interpreter has raised an
    exception for each of them, which takes as long as all the rest.
    """

    __slots__ = ("_data", "_found")

    _data: Any
    """Values by name; of an item that came as msgpack, closed ones (``msgspec.Raw``) where nobody has looked yet, and
    one closed value for the whole map until it is opened."""
    _found: dict[str, Any]
    """What attributes have given; none of them is a list, a name of ours or one that begins with ``_``."""

    def __init__(self, data: dict[str, Any]) -> None:
        """``data`` is shown as it is; nobody should change it any more."""
        _set_data(self, data)
        _set_found(self, {})

    def __getattribute__(self, name: str) -> Any:
        found = _found_of(self)
        if name in found:
            return found[name]
        search, data = _searches.get(name), _data_of(self)
        if search is not None and type(data) is _Raw and len(found) < FEW:
            value = search(data).value
            if type(value) not in _AS_IT_IS:
                value = None if value is _UNSET else shown(name, value)
        elif name in _OWN or name[:1] == "_":
            return _own(self, name)
        else:
            value = _own(self, "get")(name)
        if type(value) in _AS_IT_IS:  # of a list each gets a copy
            found[name] = value
        return value

    def __getitem__(self, key: str) -> Any:
        """The value; a map is a ``Record`` and a list a new list, so that nothing can be changed through it."""
        return _value(_level(self), key)

    def get(self, key: str, default: Any = None) -> Any:
        """``self[key]``, or ``default`` where there is no such key."""
        data = _data_of(self)
        if type(data) is _Raw:
            search = _searches.get(key) or _new_search(key)
            if search is not None and len(_found_of(self)) < FEW:
                value = search(data).value
                return default if value is _UNSET else shown(key, value)
            data = _level(self)
        return _value(data, key) if key in data else default

    def __contains__(self, key: object) -> bool:
        return key in _level(self)

    def __iter__(self) -> Iterator[str]:
        return iter(_level(self))

    def __len__(self) -> int:
        return len(_level(self))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"what was captured is read-only: {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"what was captured is read-only: {name!r} cannot be deleted")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.as_dict()!r})"

    def as_dict(self) -> dict[str, Any]:
        """A plain copy, down to the last level, that the caller may change."""
        return {key: _plain(value) for key, value in self.items()}


_own: Any = object.__getattribute__
_OWN = frozenset(dir(Record))
_data_of: Any = Record.__dict__["_data"].__get__
_found_of: Any = Record.__dict__["_found"].__get__
_set_data: Any = Record.__dict__["_data"].__set__
_set_found: Any = Record.__dict__["_found"].__set__
"""The ways past ``__getattribute__`` and ``__setattr__``."""


class Headers(Record):
    """Header fields: names as they were sent, found in any case (RFC 9110, 5.1). Always open."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        data = _data_of(self)
        return _value(data, _sent(data, key))

    def get(self, key: str, default: Any = None) -> Any:
        """The field called ``key`` in any case, or ``default``."""
        data = _data_of(self)
        key = _sent(data, key)
        return _value(data, key) if key in data else default

    def __contains__(self, key: object) -> bool:
        data = _data_of(self)
        return isinstance(key, str) and _sent(data, key) in data


_AS_IT_IS |= {Record, Headers}


def _sent(data: dict[str, Any], key: str) -> str:
    """``key`` as it stands in ``data``."""
    if key in data:
        return key
    folded = key.lower()
    return next((name for name in data if name.lower() == folded), key)


def _level(record: Record) -> dict[str, Any]:
    """All of it, opened."""
    data = _data_of(record)
    if type(data) is _Raw:
        data = _one_level(data)
        _set_data(record, data)
    level: dict[str, Any] = data
    return level


def _new_search(name: Any) -> Callable[[msgspec.Raw], Any] | None:
    """Remembered; none for what is no name of a field."""
    if type(name) is not str or name in _OWN or name[:1] == "_" or not (name.isascii() and name.isidentifier()):
        return None
    if len(_searches) >= MAX_SEARCHES:
        _searches.clear()
    field = ("value", _OneLevel | msgspec.UnsetType, msgspec.field(name=name, default=msgspec.UNSET))
    search = _searches[name] = msgspec.msgpack.Decoder(msgspec.defstruct("Found", [field], gc=False)).decode
    return search


def section(key: str, raw: msgspec.Raw) -> Any:
    """What ``raw`` holds under ``key``, like ``open_level``; a map stays closed until somebody looks into it."""
    if memoryview(raw)[0] not in _MAPS or key == "headers":
        return open_level(key, raw)
    record = _new(Record)
    _set_data(record, raw)
    _set_found(record, {})
    return record


def open_level(key: str, raw: msgspec.Raw) -> Any:
    """What ``raw`` holds under ``key``: a map becomes a record whose values stay closed."""
    value = _one_level(raw)
    if type(value) is not dict:
        return value
    return Headers(value) if key == "headers" else Record(value)


def _value(data: dict[str, Any], key: str) -> Any:
    value = data[key]
    if type(value) is _Raw:
        value = data[key] = open_level(key, value)
    return value if type(value) in _AS_IT_IS else shown(key, value)


def shown(key: str, value: Any) -> Any:
    """``value`` as scripts see it: maps as records (``headers`` as ``Headers``), lists as copies."""
    if type(value) is dict:
        return Headers(value) if key == "headers" else Record(value)
    return [shown("", inner) for inner in value] if type(value) is list else value


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.as_dict()
    return [_plain(inner) for inner in value] if type(value) is list else value
