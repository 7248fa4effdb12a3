from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from engine.recording.packets import joined, packets_in, placed


def slow(data: bytes, streams: list[int], lengths: list[int]) -> list[tuple[int, int, int, int]]:
    """Time, stream, offset and length of each record, one after the other."""
    found, start = [], 0
    for stream, length in zip(streams, lengths, strict=True):
        at, stop = start, start + length
        while at + 16 <= stop:
            seconds, ns, captured, _ = struct.unpack_from("<IIII", data, at)
            if at + 16 + captured > stop:
                break
            found.append((seconds * 10**9 + ns, stream, at, 16 + captured))
            at += 16 + captured
        start = stop
    return found


def extents(chance: random.Random, damage: float) -> tuple[bytes, list[int], list[int]]:
    data = b""
    streams: list[int] = []
    lengths: list[int] = []
    for _ in range(chance.randrange(40)):
        run = b""
        for _ in range(chance.choice([1, 1, 1, 2, 30])):
            frame = bytes(chance.randrange(120))
            run += struct.pack("<IIII", chance.randrange(2**32), chance.randrange(10**9), len(frame), 1500) + frame
        if chance.random() < damage:
            run = run[: chance.randrange(len(run) + 1)]
        data, streams, lengths = data + run, [*streams, chance.randrange(1, 2**63)], [*lengths, len(run)]
    return data, streams, lengths


@pytest.mark.parametrize("seed", range(60))
def test_packets_of_extents_agree_with_a_walk_over_the_bytes(seed: int) -> None:
    data, streams, lengths = extents(random.Random(seed), damage=0.2 * (seed % 2))
    found = packets_in(data, streams, lengths)
    columns = [found[name].tolist() for name in ("timestamp_ns", "stream", "offset", "length")]
    assert list(zip(*columns, strict=True)) == slow(data, streams, lengths)


@pytest.mark.parametrize("seed", range(20))
def test_joined_packets_lie_where_they_are_placed(seed: int) -> None:
    chance = random.Random(seed)
    data, streams, lengths = extents(chance, damage=0)
    packets = packets_in(data, streams, lengths)
    chosen = packets[np.array(sorted(chance.sample(range(len(packets)), len(packets) // 2)), np.int64)]
    if seed % 3 == 0:
        chosen = chosen[np.argsort(chosen["timestamp_ns"], kind="stable")]
    content = bytes(joined(data, chosen))
    there = placed(chosen, 1000)
    for before, after in zip(chosen.tolist(), there.tolist(), strict=True):
        at = after[2] - 1000
        assert content[at : at + after[3]] == data[before[2] : before[2] + before[3]]
    assert len(content) == int(chosen["length"].sum())
