"""How long streams wait for what is missing, and within which limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.columns import MS, START_NS
from tests.support.rig import CLIENT, PATIENT, SERVER, SHAKE, Packed, Rig, packed, says


@pytest.mark.parametrize(("waited_ms", "expected"), [(1999, []), (2000, [(0, b"c", 2)])])
def test_a_gap_is_told_after_the_wait(waited_ms: int, expected: Packed) -> None:
    rig = Rig(gap_wait_s=2.0)
    rig.feed([*SHAKE, says(CLIENT, 2, b"c")])
    assert rig.reassembler.holds(rig.streams[0])
    assert packed(rig.reassembler.expire(START_NS + waited_ms * MS)) == expected
    assert rig.reassembler.holds(rig.streams[0]) == (not expected)


def test_what_comes_after_its_gap_was_told_is_late_once() -> None:
    rig = Rig(gap_wait_s=2.0)
    rig.feed([*SHAKE, says(CLIENT, 4, b"e")])
    rig.reassembler.expire(START_NS + 3000 * MS)
    assert rig.feed([says(CLIENT, 1, b"bc", 3001), says(CLIENT, 1, b"bc", 3002)]) == []
    assert rig.counters.get("streams_late_bytes_total") == 2
    assert rig.counters.get("streams_duplicate_bytes_total") == 2
    assert packed(rig.feed([says(CLIENT, 5, b"f", 3003)])) == [(0, b"f", 0)]


def test_progress_puts_off_giving_up() -> None:
    rig = Rig(gap_wait_s=2.0)
    rig.feed([*SHAKE, says(CLIENT, 100_000_000, b"stray")])
    for second in range(1, 10):
        assert packed(rig.feed([says(CLIENT, second - 1, b"x", second * 1000)])) == [(0, b"x", 0)]
        assert rig.reassembler.expire(START_NS + second * 1000 * MS) == []


@pytest.mark.parametrize(("acknowledged", "expected"), [(1, []), (3, [(0, b"c", 2)])])
@pytest.mark.parametrize("one_batch", [True, False])
def test_bytes_that_the_receiver_has_are_not_waited_for(acknowledged: int, expected: Packed, one_batch: bool) -> None:
    rig = Rig(gap_wait_s=2.0)
    rows = [*SHAKE, says(CLIENT, 2, b"c"), says(SERVER, 0, b"", 10, acknowledgement=101 + acknowledged)]
    for part in [rows] if one_batch else [[row] for row in rows]:
        assert rig.feed(part) == []
    assert rig.reassembler.expire(START_NS + 40 * MS) == []
    assert packed(rig.reassembler.expire(START_NS + 100 * MS)) == expected


def test_holes_are_given_up_one_after_the_other() -> None:
    rig = Rig(gap_wait_s=2.0)
    rig.feed([*SHAKE, says(CLIENT, 1, b"b"), says(CLIENT, 3, b"d", 1000)])
    assert packed(rig.reassembler.expire(START_NS + 2000 * MS)) == [(0, b"b", 1)]
    assert packed(rig.feed([says(CLIENT, 2, b"c", 2500)])) == [(0, b"cd", 0)]
    assert rig.reassembler.expire(START_NS + 9000 * MS) == []


def test_the_limit_of_a_stream_gives_up_its_gap_and_loses_nothing_else() -> None:
    rig = Rig(gap_wait_s=PATIENT, stream_hold_bytes=1000)
    rows = [says(CLIENT, 10 + index * 100, b"x" * 100) for index in range(20)]
    chunks = rig.feed([*SHAKE, *rows, says(CLIENT, 0, b"y" * 10)])
    assert sum(len(chunk.data) for chunk in chunks) == 2000
    assert chunks[0].missing_bytes == 10
    assert rig.counters.get("reassembly_dropped_total{reason=reassembly_limit}") == 10
    assert rig.balance() == (2010, 2010)


def test_tiny_pieces_are_charged_for_the_memory_they_take() -> None:
    rig = Rig(gap_wait_s=PATIENT, stream_hold_bytes=100_000)
    rig.feed([*SHAKE, *(says(CLIENT, 2 * index + 2, b"x") for index in range(5000))])
    assert 100 < rig.counters.get("streams_held_bytes") < 100_000 // 200


def test_the_total_limit_holds_over_all_streams() -> None:
    rig = Rig(gap_wait_s=PATIENT, total_hold_bytes=50_000)
    for port in range(100):
        rig.feed([replace(SHAKE[0], source_port=port), says(CLIENT, 5, b"x" * 1000, source_port=port)])
        assert rig.counters.get("streams_held_bytes") <= 50_000
    assert rig.counters.get("streams_held_bytes") > 30_000
    assert rig.balance() == (100_000, 100_000)
    rig.close()
    assert rig.counters.get("streams_held_bytes") == 0
