from __future__ import annotations

import random
from typing import Any

import pytest

from engine.archive import seen as module
from engine.archive.seen import Seen


def item(**fields: Any) -> dict[str, Any]:
    named = {"stream": "000000000001.pcap", "index": 0, "startTime": "2026-12-01T00:00:00.000000001Z"}
    return {"node": {"name": "n", "ip": "10.0.0.1"}, **named, **fields}


def test_the_same_item_is_new_once_whatever_else_it_holds() -> None:
    seen = Seen()
    assert seen.is_new(item(record="a"))
    assert not seen.is_new(item(record="b", request={"path": "/"}))


@pytest.mark.parametrize(
    "other",
    [
        {"stream": "000000000002.pcap"},
        {"index": 1},
        {"startTime": "2026-12-01T00:00:00.000000002Z"},
        {"node": {"name": "m", "ip": "10.0.0.1"}},
        {"node": {"name": "n", "ip": "10.0.0.2"}},
        {"node": 5},
    ],
)
def test_another_item_is_new(other: dict[str, Any]) -> None:
    seen = Seen()
    assert seen.is_new(item())
    assert seen.is_new(item(**other))
    assert not seen.is_new(item(**other))


@pytest.mark.parametrize("key", ["stream", "index", "startTime"])
def test_what_hides_which_one_it_is_is_always_new(key: str) -> None:
    seen = Seen()
    assert seen.is_new(item(**{key: "[REDACTED]"}))
    assert seen.is_new(item(**{key: "[REDACTED]"}))


@pytest.mark.parametrize("seed", range(20))
def test_it_agrees_with_a_set(seed: int) -> None:
    chance, seen, met = random.Random(seed), Seen(), set[int]()
    for _ in range(5000):
        index = chance.randrange(chance.choice([10, 3000, 1 << 40]))
        assert seen.is_new(item(index=index)) == (index not in met)
        met.add(index)
    assert not seen.full


def test_what_finds_no_room_is_new_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SLOTS", 1 << 10)
    seen = Seen()
    assert all(seen.is_new(item(index=index)) for index in range(2000))
    assert seen.full
    assert not seen.is_new(item(index=0)), "what was met before is known all the same"
