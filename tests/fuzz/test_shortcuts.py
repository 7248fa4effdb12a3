"""Ways that are faster and say the same: each against the slow way that it leaves out, on streams that are damaged."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from engine.counters import Counters
from engine.dissect import http1, http2, kafka_record, redis_scan
from engine.items.pairing import Pairing
from tests.fuzz.protocols import OPTIONS, Samples, mutated, names, samples_of
from tests.support.dissecting import dissection

STREAMS = 150
SHORTCUTS: dict[str, tuple[list[str], list[tuple[object, str, object]]]] = {
    "pairing one at a time": (names(), [(Pairing, "alone", lambda *_: None)]),
    "plain values of Redis": (["redis"], [(redis_scan, "is_plain", lambda *_: False)]),
    "plain records of Kafka": (["kafka"], [(kafka_record, "_plain", lambda *_: None)]),
    "header blocks of one frame": (["http2"], [(http2, "_WHOLE", 0)]),
    "whole messages of HTTP": (
        ["http"],
        [(http1, "whole_request", lambda *_: None), (http1, "whole_response", lambda *_: None)],
    ),
}
"""For which protocols, and what says "not so" where the shortcut is not taken."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shortcut"), [(name, shortcut) for shortcut, (some, _) in SHORTCUTS.items() for name in some]
)
def test_items_are_the_same_without_the_shortcut(name: str, shortcut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = samples_of(name)
    quick = [told(samples, seed) for seed in range(STREAMS)]
    for where, what, instead in SHORTCUTS[shortcut][1]:
        monkeypatch.setattr(where, what, instead)
    assert quick == [told(samples, seed) for seed in range(STREAMS)]
    assert any(items for items, _ in quick)


def told(samples: Samples, seed: int) -> tuple[list[dict[str, Any]], Mapping[str, int]]:
    """All items of one stream, and what was counted."""
    counters = Counters()
    into = dissection(
        keys=samples.keys, counters=counters, max_body_bytes=OPTIONS.max_body_bytes, max_pending=OPTIONS.max_pending
    )
    items = []
    for chunk in mutated(samples, random.Random(seed), seed + 1):
        items += [*into.feed(chunk), *into.expire(chunk.times_ns[-1])]
    return [item.as_dict() for item in [*items, *into.finish()]], counters.snapshot()
