"""One message at a time is paired by a shorter way, which says what the long one says, whatever the messages are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from engine.counters import Counters
from engine.dissect.message import Message, Problem
from engine.dissect.options import DissectOptions
from engine.dissect.table import ProtocolRow, Verdict
from engine.items.dissection import Dissection
from engine.items.pairing import Pairing
from engine.resolve.static import NoNames
from engine.streams.chunk import Chunk
from engine.streams.stream import TCP
from tests.support.streams import START_NS, a_stream

OPTIONS = DissectOptions(max_pending=3, max_pending_bytes=10_000, max_pending_total_bytes=20_000, pair_timeout_s=0.3)
STEP_NS = 200_000_000


class Numbered:
    """A payload that says which one it is."""

    def __init__(self, number: int) -> None:
        self.number = number

    def section(self) -> dict[str, Any]:
        return {"number": self.number}

    def problem(self) -> None:
        return None


class Scripted:
    """A dissector whose messages are those that somebody made up."""

    lost, successor, answering = "", None, False

    def __init__(self, turns: Iterator[list[Message]]) -> None:
        self._turns = turns

    def feed(self, chunk: Chunk) -> list[Message]:
        return next(self._turns)

    def close(self, reason: str) -> list[Message]:
        return []


def turns(chance: random.Random) -> list[list[Message]]:
    """Mostly a request and its response in turn; with gaps, pushes, swaps, twins and refusals among them."""
    odd = chance.choice((0.0, 0.05, 0.2))
    keys = chance.choice(([None], [None], [1, 2, 3], [None, 1, 2]))
    found: list[list[Message]] = []
    asks = True
    for turn in range(60):
        turn_messages = []
        for _ in range(1 if chance.random() >= odd else 3):
            start_ns = START_NS + (turn + chance.choice((0, 0, 0, -1, -3) if odd else (0,))) * STEP_NS
            is_request = asks if chance.random() >= odd else not asks
            message = Message(
                is_request, int(not is_request), chance.choice(keys), start_ns, start_ns + 1, 100, Numbered(turn)
            )
            message.after_gap, message.alone, message.crowded = (chance.random() < odd for _ in range(3))
            if not is_request and chance.random() < odd:
                message.instead = Problem("connection", "refused")
            turn_messages.append(message)
            asks = not asks
        found.append(turn_messages)
    return found


def told(seed: int) -> tuple[list[Any], Any]:
    made = turns(random.Random(seed))
    dissector = Scripted(iter(made))
    row = ProtocolRow("x", TCP, lambda _: Verdict.SURE, frozenset(), lambda _: dissector, lambda *_: {"name": "x"})
    counters = Counters()
    into = Dissection([row], OPTIONS, NoNames(), "n1", "10.0.0.9", counters)
    stream = a_stream()
    stream.shaken = seed % 2 == 0
    items = []
    for turn in range(len(made)):
        now_ns = START_NS + turn * STEP_NS
        items += into.feed(Chunk(stream, 0, b"x", [0], [now_ns], 0))
        items += into.expire(now_ns) if seed % 3 == 0 else []
    items += into.finish()
    return [(item["index"], item["request"], item["response"], item["error"]) for item in items], counters.snapshot()


@pytest.mark.parametrize("seed", range(300))
def test_the_short_way_pairs_as_the_long_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    short = told(seed)
    monkeypatch.setattr(Pairing, "alone", lambda *_: None)
    assert short == told(seed)
    assert short[0]
