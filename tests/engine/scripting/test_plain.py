from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.scripting.facades.env import Env
from engine.scripting.plain import MAX_VALUES, NotPlain, plain
from hooks.items import Item
from tests.support.scripthost import ITEM


class Text(str):
    __slots__ = ()


COPIED: dict[str, tuple[Any, Any]] = {
    "none": (None, None),
    "flags": ([True, False], [True, False]),
    "numbers": ([1, -2.5, 2**70], [1, -2.5, 2**70]),
    "text": ("grüße", "grüße"),
    "bytes": (b"\xff", b"\xff"),
    "tuple": ((1, (2,)), [1, [2]]),
    "set": ({1}, [1]),
    "dict": ({"a": {"b": [1]}}, {"a": {"b": [1]}}),
    "keys that are numbers": ({1: 2, 1.5: 3}, {"1": 2, "1.5": 3}),
    "env": (Env({"A": "b"}), {"A": "b"}),
}


@pytest.mark.parametrize(("value", "copy"), COPIED.values(), ids=COPIED)
def test_plain_values_are_copied(value: Any, copy: Any) -> None:
    assert plain(value) == copy


def test_items_and_sections_are_copied_to_their_last_level() -> None:
    item = Item.decode(msgspec.msgpack.encode(ITEM))
    assert plain(item) == ITEM
    assert plain([item.response]) == [ITEM["response"]]
    assert plain({"h": item.request.headers}) == {"h": ITEM["request"]["headers"]}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


REFUSED: dict[str, tuple[Any, str]] = {
    "own class": (object(), "expected numbers, text, bytes, lists and dicts, got object"),
    "text subclass": (Text("x"), "expected numbers, text, bytes, lists and dicts, got Text"),
    "function": (print, "got builtin_function_or_method"),
    "too deep": (nested(100_000), "nested at most 32 deep"),
    "too many": ([0] * (MAX_VALUES + 1), f"at most {MAX_VALUES} values"),
    "surrogate": (["\ud800"], "without lone surrogates"),
    "key": ({(1,): 1}, "expected text as the keys of a dict, got tuple"),
}


@pytest.mark.parametrize(("value", "reason"), REFUSED.values(), ids=REFUSED)
def test_everything_else_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(NotPlain, match=reason):
        plain(value)
