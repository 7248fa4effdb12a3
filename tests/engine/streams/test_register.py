"""Rows and the objects that some of them have."""

from __future__ import annotations

import numpy as np

from engine.segments import records as stored
from engine.streams import stream as streams
from engine.streams.register import FIRST_ROWS, ROW, Register, by_id, endpoints_of, pick, put, streams_of
from engine.streams.stream import STATES, UNHEEDED, format_address
from tests.support.columns import Row, batch_of
from tests.support.rig import Rig
from tests.support.tabling import Table


def taken(count: int) -> Register:
    """A register with so many rows, each with an id."""
    register = Register()
    rows = register.take(count)
    register.rows["id"][rows] = np.arange(1, count + 1)
    return register


def test_rows_are_used_again_and_more_are_made() -> None:
    register = taken(FIRST_ROWS + 10)
    assert register.used == register.top == FIRST_ROWS + 10
    assert register.rows["id"][FIRST_ROWS + 9] == FIRST_ROWS + 10
    register.give_back(np.array([5, 7]))
    assert register.used == FIRST_ROWS + 8
    assert sorted(register.take(3).tolist()) == [5, 7, FIRST_ROWS + 10]


def test_rows_are_picked_and_put_as_numpy_would() -> None:
    chance = np.random.default_rng(3)
    rows = np.frombuffer(chance.bytes(50 * ROW.itemsize), ROW).copy()
    chosen, some = chance.permutation(50)[:20], chance.random(50) < 0.5
    slow = rows.copy()
    for which in (chosen, some, chosen[:0]):
        for name in ROW.names or ():
            assert np.array_equal(pick(rows, which)[name], slow[which][name])
        put(rows, which, pick(rows[::-1].copy(), which))
        slow[which] = slow[::-1].copy()[which]
        assert all(np.array_equal(rows[name], slow[name]) for name in ROW.names or ())


def test_an_object_is_made_once_and_leaves_with_its_row() -> None:
    register = taken(3)
    first, again, other = register.streams_at([1, 1, 2])
    assert first is again
    assert (first.id, first.row, other.id) == (2, 1, 3)
    assert register.streams_at([1]) == [first]
    register.give_back(np.array([1]))
    assert first.row == -1
    assert register.objects[1] is None
    assert register.ended(np.array([0, 1, 2]), register.rows[:3]) == [other]


def test_an_object_that_is_put_away_leaves_what_it_knew_in_its_row() -> None:
    register = taken(2)
    kept, away = register.streams_at([0, 1])
    kept.reassembly, kept.dissector = "something to remember", UNHEEDED
    away.dissector, away.items = 3, 17
    register.put_away([kept, away])
    assert register.objects[:2] == [kept, None]
    assert register.rows["dissector"][:2].tolist() == [UNHEEDED, 3]
    (back,) = register.streams_at([1])
    assert back is not away
    assert (back.id, back.dissector, back.items) == (2, 3, 17)
    register.put_away([away])  # its row is another object's now
    assert register.objects[1] is back


def test_an_object_says_what_its_row_says() -> None:
    rows = [Row(payload=b"ab"), Row(source="10.0.0.2", source_port=80, target="10.0.0.1", target_port=40000)]
    rows += [Row(source="fd00::9", target="fd00::1", source_port=53, target_port=5353, protocol=17, flags=0)]
    records = Table.rows_of(batch_of(rows)[1])
    v4, v6 = streams_of(records)
    assert (v4.packets, v4.payload_bytes, v4.state, v4.error) == (2, 2, "open", "")
    assert [format_address(v6.client_ip), v6.client_port] == ["fd00::1", 5353]
    assert [format_address(v6.server_ip), v6.server_port] == ["fd00::9", 53]
    assert [stream.id for stream in by_id([records[1:], records[:1]])] == [1, 2]
    assert endpoints_of(records)[0][1].tolist() == [40000, 5353]


def test_states_are_numbered_as_in_the_stream_log() -> None:
    assert stored.STATES == STATES
    numbers = (streams.OPEN, streams.HALF_OPEN, streams.ENDED_CLOSED, streams.ENDED_RESET, streams.ENDED_IDLE)
    assert [STATES[number] for number in numbers] == list(STATES)


def test_a_stream_that_is_in_order_has_an_object_only_when_there_are_bytes_to_tell() -> None:
    rig = Rig()
    for rows, objects in (
        ([Row(flags=2, sequence=9), Row(sequence=10)], 0),
        ([Row(sequence=10, payload=b"x")], 1),
    ):
        batch, columns = batch_of(rows)
        rig.reassembler.feed(batch, columns, rig.table.assign(columns), np.ones(1, np.bool_))
        assert sum(stream is not None for stream in rig.table.register.objects) == objects
