from __future__ import annotations

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
