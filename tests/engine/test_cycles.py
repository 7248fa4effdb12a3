"""Cyclic garbage goes, seldom, and what was there at the start is left alone."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from engine import clock
from engine.counters import Counters
from engine.cycles import PAUSE_S, SHARE, Cycles


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_cycles_go_once_a_minute() -> None:
    counters = Counters()
    cycles, begin_s = Cycles(counters), clock.monotonic_s()
    assert not gc.isenabled()
    gone = weakref.ref(Knot())
    cycles.tick(begin_s + PAUSE_S - 1)
    assert gone() is not None
    cycles.tick(begin_s + PAUSE_S + 1)
    assert gone() is None
    assert counters.get("cycles_collections_total") == 1
    assert counters.get("cycles_objects_total") >= 1
    later = weakref.ref(Knot())
    cycles.tick(begin_s + PAUSE_S + 2)
    assert later() is not None


def test_what_was_there_at_the_start_is_never_looked_at() -> None:
    early = Knot()
    cycles = Cycles(Counters())
    assert gc.get_freeze_count() > 0
    kept = weakref.ref(early)
    del early
    cycles.tick(clock.monotonic_s() + PAUSE_S + 1)
    assert kept() is not None


def test_a_long_collection_puts_off_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cycles, moments = Cycles(Counters()), iter((10.0, 10.5))
    monkeypatch.setattr(clock, "monotonic_s", lambda: next(moments))
    now_s = cycles._due_s + 1
    cycles.tick(now_s)
    assert cycles._due_s == now_s + 0.5 * SHARE
