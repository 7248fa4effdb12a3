from __future__ import annotations

import time

import pytest

from engine.dissect.registry import load_rows
from engine.dissect.table import ProtocolRow, recognise
from engine.streams.stream import CLIENT
from tests.fuzz.protocols import fuzz, names, samples_of

FREE_PORTS = (51234, 61234)


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_mutated_streams_become_items_or_are_given_up(name: str) -> None:
    outcomes = fuzz(name, 1_500, 1)
    assert outcomes["streams"] == 1_500
    assert min(outcomes["items"], outcomes["messages"]) > 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "data", [b"LOREM IPSUM ", b"a", b"A", b"1", b"+ab ", b"GET / ", b"*1\r\n", b"\0", b"\x16\3\1"], ids=str
)
def test_what_is_no_protocol_is_seen_at_once(data: bytes) -> None:
    """64 kB of it cost each row no more than they take to be copied a few times."""
    whole = data * (65536 // len(data))
    for row in load_rows(installed=False):
        began_ns = time.process_time_ns()
        for _ in range(10):
            row.detect(whole)
        assert (time.process_time_ns() - began_ns) / 10 < 500_000, row.name


@pytest.mark.parametrize("name", names())
def test_a_conversation_is_of_its_protocol_and_of_no_other(name: str) -> None:
    """What comes before it in the table does not claim its bytes, at its port or at any other."""
    samples = samples_of(name)
    rows = [row for row in load_rows(installed=False) if row.transport == samples.row.transport]
    data = b"".join(said for direction, said in samples.conversations[0] if direction == CLIENT)
    found = recognise(rows, data, (51234, samples.port))
    assert isinstance(found, ProtocolRow)
    assert found.name == samples.row.name
    elsewhere = recognise(rows, data, FREE_PORTS)
    assert not isinstance(elsewhere, ProtocolRow) or elsewhere.name == samples.row.name
