"""Reassembly against a dictionary of bytes, wherever the batches are cut."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from engine.streams.chunk import Chunk
from tests.support.columns import MS, START_NS, Row, batch_of
from tests.support.rig import CLIENT, PATIENT, SHAKE, Rig, packed, says, told
from tests.support.traffic import account, cut_anywhere, interleaved, random_conversation


@pytest.mark.parametrize("damage", [0.0, 0.03, 0.15])
@pytest.mark.parametrize("seed", range(40))
def test_bytes_are_those_of_the_obvious_account_wherever_batches_are_cut(seed: int, damage: float) -> None:
    chance = random.Random(seed)
    count = chance.randrange(1, 8)
    rows = interleaved(chance, [random_conversation(chance, 40000 + index, damage) for index in range(count)])
    expected = account(rows)
    for pieces in (1, 2, 7, 50):
        rig = Rig(gap_wait_s=PATIENT)
        chunks: list[Chunk] = []
        for part in cut_anywhere(chance, rows, pieces):
            chunks += rig.feed(part)
            assert len(set(rig.balance())) == 1
        chunks += rig.close()
        assert told(chunks) == expected
        assert len(set(rig.balance())) == 1
        assert rig.counters.get("streams_held_bytes") == 0


@pytest.mark.parametrize("seed", range(40))
def test_gaps_are_told_at_the_same_places_wherever_batches_are_cut(seed: int) -> None:
    chance = random.Random(seed)
    conversations = [random_conversation(chance, 40000 + index, 0.1) for index in range(4)]
    rows = interleaved(chance, conversations, step_ns=5 * MS)
    limit = chance.choice([600, 4 << 20])
    accounts = []
    for pieces in (1, 3, len(rows)):
        rig = Rig(gap_wait_s=0.1, stream_hold_bytes=limit)
        chunks: list[Chunk] = []
        for part in cut_anywhere(chance, rows, pieces):
            chunks += rig.feed(part)
            chunks += rig.reassembler.expire(part[-1].timestamp_ns) if part else []
            assert len(set(rig.balance())) == 1
        chunks += rig.close()
        accounts.append(told(chunks))
        assert rig.counters.get("streams_missing_bytes_total") == sum(chunk.missing_bytes for chunk in chunks)
    assert accounts[0] == accounts[1] == accounts[2]


@pytest.mark.parametrize("seed", range(10))
def test_nothing_told_contradicts_what_was_seen_when_memory_is_short(seed: int) -> None:
    chance = random.Random(seed)
    rows = interleaved(chance, [random_conversation(chance, 40000 + index, 0.1) for index in range(10)])
    expected = account(rows)
    rig = Rig(gap_wait_s=PATIENT, total_hold_bytes=1000)
    chunks = [chunk for part in cut_anywhere(chance, rows, 9) for chunk in rig.feed(part)] + rig.close()
    found = told(chunks)
    assert found.keys() == expected.keys()
    for key, mine in found.items():
        assert len(mine) == len(expected[key])
        assert all(one in (None, other) for one, other in zip(mine, expected[key], strict=True))
    assert len(set(rig.balance())) == 1


def test_streams_that_nobody_wants_cost_nothing_and_begin_in_the_middle_when_wanted() -> None:
    rig = Rig()
    assert rig.feed([*SHAKE, says(CLIENT, 0, b"ab"), says(CLIENT, 9, b"z")], wants=lambda _: False) == []
    assert rig.streams[0].reassembly is None
    assert rig.table.register.rows["next"][rig.streams[0].row].tolist() == [-1, -1]
    assert packed(rig.feed([says(CLIENT, 2, b"cd")])) == [(0, b"cd", 0)]


def test_what_is_held_is_let_go_when_nobody_wants_the_stream_any_longer() -> None:
    rig = Rig()
    rig.feed([*SHAKE, says(CLIENT, 2, b"cd")])
    assert rig.counters.get("streams_held_bytes") == 2
    rig.feed([says(CLIENT, 4, b"ef")], wants=lambda _: False)
    assert rig.counters.get("streams_held_bytes") == 0
    assert rig.reassembler.expire(START_NS + 10_000 * MS) == []
    assert rig.balance() == (2, 2)


def test_what_comes_after_close_is_counted_and_not_told() -> None:
    rig = Rig()
    rig.feed([*SHAKE, says(CLIENT, 0, b"ab")])
    assert rig.close() == []
    assert rig.feed([says(CLIENT, 2, b"cd"), says(CLIENT, 0, b"ab")]) == []
    assert rig.close() == []
    assert rig.counters.get("streams_late_bytes_total") == 4
    assert rig.balance() == (6, 6)


def test_chunks_come_stream_by_stream() -> None:
    rig, chance = Rig(), random.Random(5)
    tcp = [random_conversation(chance, 40000 + index, 0.1) for index in range(6)]
    datagram = replace(CLIENT, protocol=17, flags=0, payload=b"q")
    udp = [[replace(datagram, source_port=50000 + index)] * 3 for index in range(6)]
    batch, columns = batch_of(interleaved(chance, tcp + udp))
    assigned = rig.table.assign(columns)
    chunks = rig.reassembler.feed(batch, columns, assigned, np.ones(assigned.rows.size, np.bool_))
    place = {number: index for index, number in enumerate(assigned.records["id"].tolist())}
    places = [place[chunk.stream.id] for chunk in chunks]
    assert places == sorted(places)
    assert len(set(places)) > 8


def test_chunks_do_not_share_the_buffer_of_the_batch() -> None:
    rig = Rig()
    batch, columns = batch_of([*SHAKE, says(CLIENT, 0, b"ab"), says(CLIENT, 2, b"cd"), says(CLIENT, 5, b"held")])
    chunks = rig.reassembler.feed(batch, columns, rig.table.assign(columns), np.ones(1, np.bool_))
    batch.buffer[:] = bytes(len(batch.buffer))
    chunks += rig.feed([says(CLIENT, 4, b"e")])
    assert [chunk.data for chunk in chunks] == [b"abcd", b"eheld"]


def test_a_chunk_knows_when_each_byte_came() -> None:
    rig = Rig()
    rows = [says(CLIENT, 2, b"cd", 1), says(CLIENT, 0, b"ab", 2), says(CLIENT, 4, b"ef", 3)]
    (chunk,) = rig.feed([*SHAKE, *rows])
    assert (chunk.data, chunk.starts) == (b"abcdef", [0, 2, 4])
    assert [(chunk.time_ns_at(offset) - START_NS) // MS for offset in range(6)] == [2, 2, 1, 1, 3, 3]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_packets_say_nothing_is_raised_and_totals_balance(seed: int) -> None:
    chance = random.Random(seed)
    rig, now_ns = Rig(gap_wait_s=0.5, stream_hold_bytes=3000, total_hold_bytes=9000), START_NS
    for _ in range(12):
        rows = []
        for _ in range(chance.randrange(30)):
            now_ns += chance.randrange(-50 * MS, 200 * MS)
            rows.append(nonsense(chance, now_ns))
        rig.feed(rows, wants=lambda stream: stream.id % 5 > 0 or chance.random() < 0.5)
        rig.reassembler.expire(now_ns)
        ended = rig.table.expire(now_ns)
        for stream in rig.table.register.ended(ended.rows, ended.records):
            rig.reassembler.close(stream)
        assert len(set(rig.balance())) == 1
    rig.close()
    assert len(set(rig.balance())) == 1
    assert rig.counters.get("streams_held_bytes") == 0


def nonsense(chance: random.Random, timestamp_ns: int) -> Row:
    """A packet that no honest sender sends."""
    ports = chance.choice([(1, 2), (2, 1), (80, 80), (0, 65535)])
    return Row(
        source_port=ports[0],
        target_port=ports[1],
        protocol=chance.choice([6, 6, 6, 17, 0, 255]),
        flags=chance.randrange(256),
        sequence=chance.choice([0, 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, chance.randrange(1 << 32), 50, 60]),
        acknowledgement=chance.choice([0, (1 << 32) - 1, chance.randrange(1 << 32), 70]),
        payload=chance.randbytes(chance.choice([0, 1, 10, 300])),
        missing=chance.choice([0, 0, 0, 5, 70_000]),
        timestamp_ns=timestamp_ns,
        drop=chance.choice([0, 0, 0, 0, 3]),
    )
