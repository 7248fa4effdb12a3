from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from engine.segments.extents import extents_of, gather, packets_of
from tests.support.segments import EPOCH_NS, Owned, batch_for, packets_for, streams_of, time_of, times_of


def slow_extents(packets: list[Owned], segment: int, offset: int) -> list[tuple[int, int, int, int, int]]:
    extents = []
    for stream, run in itertools.groupby(packets, key=lambda packet: packet[0]):
        records = [packet for _, packet in run]
        length = sum(map(len, records))
        extents.append((stream, segment, length, offset, time_of(records[0])))
        offset += length
    return extents


@pytest.mark.parametrize("gap", [0, 7])
@pytest.mark.parametrize("seed", range(30))
def test_extents_are_those_of_the_slow_version(seed: int, gap: int) -> None:
    rng = random.Random(seed)
    packets = packets_for(rng, range(rng.randint(0, 1), rng.randint(2, 6)), rng.randint(1, 40), EPOCH_NS)
    batch = batch_for(packets, gap=gap)
    kept = [packet for packet in packets if packet[0]]
    columns = packets_of(batch, streams_of(packets), times_of(packets))
    first = rng.randint(0, max(len(kept) - 1, 0))
    if not kept:
        assert len(columns.stream) == 0
        return
    part = columns.part(first, len(kept))
    extents, first_packets = extents_of(part, 7, 1000)
    assert extents.tolist() == slow_extents(kept[first:], 7, 1000)
    assert bytes(gather(batch.buffer, part)) == b"".join(packet for _, packet in kept[first:])
    runs = [len(list(run)) for _, run in itertools.groupby(kept[first:], key=lambda packet: packet[0])]
    assert first_packets.tolist() == [0, *itertools.accumulate(runs[:-1])]


def test_a_contiguous_batch_is_not_copied() -> None:
    packets = packets_for(random.Random(1), [1, 2], 20, EPOCH_NS)
    batch = batch_for(packets)
    columns = packets_of(batch, streams_of(packets), times_of(packets))
    data = gather(batch.buffer, columns)
    assert isinstance(data, memoryview)
    assert np.shares_memory(np.frombuffer(data, np.uint8), np.frombuffer(batch.buffer, np.uint8))
