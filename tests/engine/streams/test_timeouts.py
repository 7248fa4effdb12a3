"""Idle streams are found without looking at all the others."""

from __future__ import annotations

from engine.streams.entry import Entry
from engine.streams.stream import Stream
from engine.streams.timeouts import Timeouts

S = 1_000_000_000


class CountedEntry(Entry):
    """Knows how often its deadline was asked for."""

    looks = 0

    @property
    def forgotten_after_ns(self) -> int:
        CountedEntry.looks += 1
        return self.stream.end_ns + self.timeout_ns


def entry(number: int, end_ns: int, timeout_s: int) -> CountedEntry:
    stream = Stream(number, 6, bytes(16), 1, bytes(16), 2, 0, end_ns)
    return CountedEntry(bytes([number % 256]), stream, False, (-1, -1), False, timeout_s * S)


def due(timeouts: Timeouts, capture_ns: int) -> list[int]:
    return [found.stream.id for found in timeouts.take_due(capture_ns)]


def test_entries_are_due_after_their_own_deadline() -> None:
    timeouts = Timeouts()
    for number, timeout_s in ((1, 30), (2, 10), (3, 20)):
        timeouts.watch(entry(number, 0, timeout_s))
    assert [due(timeouts, second * S + 1) for second in (9, 11, 25, 40)] == [[], [2], [3], [1]]
    assert due(timeouts, 10_000 * S) == []


def test_an_entry_that_moved_is_looked_at_again() -> None:
    timeouts = Timeouts()
    moved = entry(1, 0, 10)
    timeouts.watch(moved)
    moved.stream.end_ns = 5 * S
    assert due(timeouts, 12 * S) == []
    assert due(timeouts, 16 * S + 1) == [1]


def test_a_shorter_timeout_takes_effect_and_a_forgotten_entry_never_comes() -> None:
    timeouts = Timeouts()
    shorter, forgotten = entry(1, 0, 1200), entry(2, 0, 1200)
    for one in (shorter, forgotten):
        timeouts.watch(one)
    shorter.timeout_ns = 10 * S
    timeouts.watch(shorter)
    timeouts.forget(forgotten)
    assert due(timeouts, 12 * S) == [1]
    assert due(timeouts, 10_000 * S) == []


def test_an_idle_entry_is_looked_at_a_few_times_however_often_one_asks() -> None:
    timeouts = Timeouts()
    for number in range(100):
        timeouts.watch(entry(number, 0, 1200))
    CountedEntry.looks = 0
    for step in range(12_000):
        assert due(timeouts, step * S // 10) == []
    assert len(due(timeouts, 1202 * S)) == 100
    assert CountedEntry.looks <= 300
