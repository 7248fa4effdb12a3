"""Values of a script, copied before they meet our own code: exact built-in types only, bounded in depth and number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hooks.items import Item
from hooks.records import Headers, Record

MAX_DEPTH = 32
MAX_VALUES = 100_000


class NotPlain(Exception):
    """A value that cannot leave the script; the text says which and why."""


def plain(value: Any, *, number_keys: bool = False) -> Any:
    """A copy of ``value`` made of None, bool, int, float, str, bytes, list and dict with text keys.

    Objects of a script's own classes do not come through, so that none of its methods runs in our frames. Mappings of
    ours (items, records, ``env``) become dicts. ``number_keys``: keys that are integers stay integers.

    Raises:
        NotPlain: another type, nesting deeper than 32, more than 100,000 values, text with lone surrogates.
    """
    return _Copy(_text_or_number if number_keys else _key).copy(value, 0)


class _Copy:
    def __init__(self, key: Callable[[Any], Any]) -> None:
        self._values, self._key = 0, key

    def copy(self, value: Any, depth: int) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            raise NotPlain(f"expected at most {MAX_VALUES} values")
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        if kind is str:
            return text(value)
        if kind is int or kind is float or kind is bytes:
            return value
        if depth == MAX_DEPTH:
            raise NotPlain(f"expected values nested at most {MAX_DEPTH} deep")
        return self._container(value, kind, depth + 1)

    def _container(self, value: Any, kind: type, depth: int) -> Any:
        if kind in (list, tuple, set, frozenset):
            return [self.copy(member, depth) for member in _members(value)]
        if kind in (Item, Record, Headers):
            return value.as_dict()
        if kind is dict or (isinstance(value, Mapping) and not isinstance(value, dict)):
            return {self._key(key): self.copy(member, depth) for key, member in _members(value.items())}
        raise NotPlain(f"expected numbers, text, bytes, lists and dicts, got {kind.__name__}")


def _members(value: Iterable[Any]) -> list[Any]:
    return list(value)


def _key(key: Any) -> str:
    if type(key) is str:
        return text(key)
    if type(key) in (int, float, bool):
        return str(key)
    raise NotPlain(f"expected text as the keys of a dict, got {type(key).__name__}")


def _text_or_number(key: Any) -> str | int:
    if type(key) is int:
        return key
    if type(key) is str:
        return text(key)
    raise NotPlain(f"expected text or integers as the keys of a dict, got {type(key).__name__}")


def text(value: Any) -> str:
    """``value``, if it is text that can be written down.

    Raises:
        NotPlain: not exactly ``str``, or it holds lone surrogates.
    """
    if type(value) is not str:
        raise NotPlain(f"expected text, got {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotPlain("expected text without lone surrogates") from None
    return value
