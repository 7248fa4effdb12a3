from __future__ import annotations

import pytest

from tests.faults.shipping import BATCHES, FAULT_S, FAULTS, run

pytestmark = pytest.mark.slow
MOST_LINES = FAULT_S // 10 + 1


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_doubled_or_asked_without_end(name: str) -> None:
    row = run(name)
    assert (row.lost, row.doubled, row.dead) == (0, 0, 0), row
    mixed = name.startswith("all of them")
    assert row.attempts > 0 or mixed, "it did go wrong"
    assert row.told == row.attempts, "every failure is in the log, by its count"
    kinds = len({error.rpartition(": ")[2] for error in row.errors})
    assert row.lines <= MOST_LINES * max(kinds, 1), "and each kind once in ten seconds"
    assert mixed or any(FAULTS[name].named in error for error in row.errors), row.errors
    # each attempt is one upload and one question; the client repeats both a few times
    assert row.requests <= 60 * 20, "no busy loop"
    if FAULTS[name].persons:
        assert row.attempts <= BATCHES + 2 * FAULT_S // 60
