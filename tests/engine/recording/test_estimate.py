"""The dry run of a filter, against the obvious count and against a recording that was made."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from engine.config import Settings
from engine.kfl import compile as compile_filter
from engine.query import Query
from engine.recording.estimate import HOUR_NS, Estimate, Share
from tests.support.instance import SHOP


@pytest.mark.parametrize("seed", range(30))
def test_every_packet_and_item_is_counted_as_one_by_one(seed: int) -> None:
    chance = random.Random(seed)
    from_start, everything = chance.random() < 0.3, chance.random() < 0.2
    limit = chance.choice([None, 3])
    packets = [(chance.randrange(6), chance.randrange(1000), chance.randrange(60, 99)) for _ in range(200)]
    items = [
        (chance.randrange(1, 6), chance.randrange(1000), chance.choice("ab"), chance.random() < 0.2) for _ in range(60)
    ]
    estimate = Estimate(everything=everything, from_start=from_start, limit=limit)
    for part in (packets[:90], packets[90:]):
        ids, times, sizes = zip(*part, strict=True)
        estimate.packets(np.array(ids, np.uint64), np.array(times, np.int64), np.array(sizes, np.int64))
    kept: dict[int, int] = {}
    protocols: dict[int, str] = {}
    matched = 0
    for stream, at_ns, protocol, wanted in items:
        estimate.item(stream, at_ns, protocol, matched=wanted)
        if wanted and (limit is None or matched < limit):
            matched += 1
            kept[stream] = min(kept.get(stream, at_ns), 0 if from_start else at_ns)
            protocols.setdefault(stream, protocol)
    there = [packet for packet in packets if packet[0]]
    if everything:
        kept = {packet[0]: 0 for packet in there}
    found = estimate.result()
    chosen = [packet for packet in there if packet[0] in kept and packet[1] >= kept[packet[0]]]
    own = [item for item in items if item[0] in kept and item[1] >= kept[item[0]]]
    assert found.kept == Share(len(kept), len(chosen), sum(packet[2] for packet in chosen), len(own))
    assert found.seen[:3] == (len({packet[0] for packet in there}), len(there), sum(packet[2] for packet in there))
    assert found.matched == matched
    by_protocol = Counter(protocols.get(packet[0], "(no items)") for packet in chosen)
    assert {name: share.packets for name, share in found.by_protocol.items()} == by_protocol
    window = max(packet[1] for packet in there) - min(packet[1] for packet in there)
    assert found.per_hour.packets == round(len(chosen) * (HOUR_NS / window))


def test_nothing_at_all_is_nothing() -> None:
    found = Estimate(everything=True, from_start=False).result()
    assert (found.kept, found.per_hour, found.window_s) == (Share(), Share(), 0.0)


def test_everything_of_a_capture_is_every_packet_without_dissection() -> None:
    query = Query([str(SHOP / "shop.pcap.gz")], Settings(), pytest.fail)
    found = query.estimate(compile_filter(""), False)
    assert found.kept.packets == found.seen.packets == query.counters.get("capture_packets_total")
    assert query.counters.get("items_total") == 0
