from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import exchanges
from benchmarks.items import ROWS, STAGES, dns, http, icmp, measured, middle, parse, queued, redis, tls, websocket
from benchmarks.table import PAGE, splice
from engine.counters import Counters
from engine.dissect.options import DissectOptions
from engine.items.dissection import Dissection
from engine.resolve.static import NoNames
from engine.streams.chunk import Chunk


@pytest.mark.slow
def test_a_round_times_every_stage_of_every_exchange(tmp_path: Path) -> None:
    costs, step_ns = measured(dns, tmp_path)
    assert all(costs[stage] > 0 for stage in STAGES)
    assert step_ns > 0
    assert not list(tmp_path.iterdir())


def test_the_median_counts_in_steps_of_the_loop_of_each_round() -> None:
    slow_machine = (dict.fromkeys(STAGES, 200.0), 40.0)
    fast_machine = (dict.fromkeys(STAGES, 120.0), 20.0)
    went_wrong = (dict.fromkeys(STAGES, 900.0), 30.0)
    assert middle([slow_machine, fast_machine, went_wrong]) == (dict.fromkeys(STAGES, 6.0), 20.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: http(2, 3),
        lambda: http(6, 1),
        lambda: redis(2, 3),
        lambda: queued(exchanges.kafka, 9092, 2, 3),
        lambda: queued(exchanges.amqp, 5672, 2, 3),
        lambda: dns()[:12],
        lambda: tls()[:12],
        lambda: icmp(2, 3),
    ],
    ids=("http", "http, one each", "redis", "kafka", "amqp", "dns", "tls", "icmp"),
)
def test_every_chunk_is_a_whole_message(make: Callable[[], list[Chunk]]) -> None:
    chunks = make()
    dissection = Dissection(ROWS, DissectOptions(), NoNames(), "n", "127.0.0.1", Counters())
    items = [item for chunk in chunks for item in dissection.feed(chunk)]
    assert (len(chunks), len(items)) == (12, 6)
    assert all(item["error"] is None for item in items)


@pytest.mark.parametrize("deflate", [False, True])
def test_messages_of_websocket_follow_their_handshake(deflate: bool) -> None:
    chunks = websocket(2, 5, deflate=deflate)
    dissection = Dissection(ROWS, DissectOptions(), NoNames(), "n", "127.0.0.1", Counters())
    items = [item for chunk in chunks for item in dissection.feed(chunk)]
    assert [item["protocol"]["name"] for item in items] == (["http"] + ["ws"] * 4) * 2
    assert all(item["error"] is None for item in items)
    messages = [item["request"] for item in items if item["protocol"]["name"] == "ws"]
    assert {(message["sender"], message["compressed"]) for message in messages} == {
        ("client", deflate), ("server", deflate),
    }  # fmt: skip
    assert all(message["text"].startswith('{"event":') for message in messages)
    costs = dict.fromkeys((*STAGES, "steps"), 0.0)
    parse(chunks, costs)
    assert costs["parse"] > 0


def test_the_page_has_a_place_for_the_figures() -> None:
    assert "| DNS |" in splice(PAGE.read_text(), "items", "| DNS |")
