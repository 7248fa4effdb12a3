"""Packets read back from segments are the streams that they were."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from engine.counters import Counters
from engine.streams.options import StreamOptions
from engine.streams.stored import Stored
from tests.support.columns import SYN, Row, batch_of
from tests.support.tabling import Followed, Table
from tests.support.traffic import cut_anywhere, interleaved, random_conversation

CLIENT = Row(source="10.0.0.1", source_port=80, target="10.0.0.2", target_port=40000)
SERVER = Row(source="10.0.0.2", source_port=40000, target="10.0.0.1", target_port=80)


def table() -> Table:
    return Table(StreamOptions(), Counters())


def assign(streams: Table, rows: Sequence[Row], ids: Sequence[int], clients: Sequence[bool]) -> Followed:
    stored = Stored(np.array(ids, np.uint64), np.array(clients, np.bool_))
    return streams.assign(batch_of(rows)[1], stored)


def test_a_stream_keeps_its_number_and_its_client_though_its_beginning_is_gone() -> None:
    assigned = assign(table(), [SERVER, CLIENT], [144, 144], [False, True])
    (stream,) = assigned.streams
    assert (stream.id, stream.client_port, stream.server_port) == (144, 80, 40000), "the port alone would say otherwise"
    assert assigned.from_client.tolist() == [False, True]


def test_one_five_tuple_falls_apart_where_the_number_changes_and_nowhere_else() -> None:
    syn = replace(CLIENT, flags=SYN, sequence=77)
    rows = [CLIENT, SERVER, syn, CLIENT, CLIENT]
    streams = table()
    first = assign(streams, rows, [5, 5, 5, 9, 9], [True, False, True, True, True])
    second = assign(streams, [CLIENT, CLIENT], [9, 12], [True, True])
    assert [stream.id for stream in first.started] == [5, 9]
    assert first.stream_ids.tolist() == [5, 5, 5, 9, 9]
    assert [stream.id for stream in second.started] == [12]
    assert [stream.id for stream in (*first.ended, *second.ended)] == [5, 9], "another stream took their five-tuple"


def test_rows_that_decode_dropped_belong_to_no_stream() -> None:
    assigned = assign(table(), [CLIENT, replace(CLIENT, drop=3)], [5, 0], [True, False])
    assert assigned.stream_ids.tolist() == [5, 0]


@pytest.mark.parametrize("seed", range(20))
def test_a_second_pass_over_stored_packets_finds_the_same_streams(seed: int) -> None:
    chance = random.Random(seed)
    rows = interleaved(chance, [random_conversation(chance, 40000 + port, 0.1) for port in range(4)])
    live = table()
    first = [live.assign(batch_of(part)[1]) for part in cut_anywhere(chance, rows, 4)]
    ids = np.concatenate([part.stream_ids for part in first])
    sides = np.zeros(len(rows), np.bool_)
    begin = 0
    for part in first:
        sides[begin + part.order] = part.from_client
        begin += part.stream_ids.size
    again, kept = table(), chance.randrange(len(rows))
    begin = kept
    for taken in cut_anywhere(chance, rows[kept:], 3):
        end = begin + len(taken)
        assigned = assign(again, taken, ids[begin:end].tolist(), sides[begin:end].tolist())
        assert assigned.stream_ids.tolist() == ids[begin:end].tolist()
        assert assigned.from_client.tolist() == sides[begin:end][assigned.order].tolist()
        begin = end
    before = {stream.id: stream for part in first for stream in part.streams}
    for stream in again.finish():
        assert stream.client_port == before[stream.id].client_port
