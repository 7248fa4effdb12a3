"""Versions of one item, put together."""

from __future__ import annotations

from typing import Any

import pytest

from engine.supervisor.merging import merged

ITEM: dict[str, Any] = {
    "passed": False,
    "request": {"path": "/a", "headers": {"Host": "x", "Cookie": "secret"}},
    "n": 1,
}
HIDDEN = {**ITEM, "request": {**ITEM["request"], "headers": {"Host": "x", "Cookie": "***"}}}
GONE = {**ITEM, "request": {"path": "/a", "headers": {"Host": "x"}}}
PASSED = {**ITEM, "passed": True}
ADDED = {**ITEM, "note": {"by": "a script"}}


@pytest.mark.parametrize("order", [1, -1])
def test_what_each_changed_is_changed_whoever_comes_first(order: int) -> None:
    found = merged(ITEM, [HIDDEN, PASSED, ADDED][::order])
    assert found == {**HIDDEN, "passed": True, "note": {"by": "a script"}}
    assert merged(ITEM, [GONE, PASSED][::order]) == {**GONE, "passed": True}


def test_where_two_change_the_same_the_later_counts() -> None:
    assert merged(ITEM, [{**ITEM, "n": 2}, {**ITEM, "n": 3}])["n"] == 3
    assert merged(ITEM, [{**ITEM, "request": None}, HIDDEN])["request"] == HIDDEN["request"]
    assert merged(ITEM, [HIDDEN, {**ITEM, "request": None}])["request"] is None


def test_nothing_changed_is_the_item_and_nobody_is_changed() -> None:
    before = {**ITEM}
    assert merged(ITEM, [ITEM, dict(ITEM)]) == ITEM == before
    assert merged(ITEM, []) == ITEM
