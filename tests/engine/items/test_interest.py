from __future__ import annotations

import pytest

from engine.dissect.options import DissectOptions
from engine.items.interest import Interest


def interest(stop_after_s: float = 10.0, *, enabled: bool = True) -> Interest:
    return Interest(DissectOptions(enabled=enabled, stop_after_s=stop_after_s))


def test_nothing_is_dissected_before_anybody_wanted_it() -> None:
    assert not interest().lasts(0.0, scripts=False)
    assert not interest(0.0).lasts(0.0, scripts=False)


def test_dissection_goes_on_for_a_while_after_the_last_interest() -> None:
    found = interest(10.0)
    assert found.lasts(0.0, scripts=True)
    found.tell(["query"])
    assert found.lasts(100.0, scripts=False)
    found.tell([])
    assert [found.lasts(now_s, scripts=False) for now_s in (109.9, 110.0, 200.0)] == [True, False, False]
    assert found.lasts(300.0, scripts=True)


def test_with_zero_it_never_stops_once_begun() -> None:
    found = interest(0.0)
    assert found.lasts(0.0, scripts=True)
    assert found.lasts(1e9, scripts=False)


def test_where_it_is_switched_off_nobody_counts() -> None:
    found = interest(enabled=False)
    found.tell(["query"])
    assert not found.lasts(0.0, scripts=True)
    assert not found.queried


@pytest.mark.parametrize(("by", "queried"), [(["query"], True), (["recording nightly"], False), ([], False)])
def test_a_connected_query_is_told_from_other_interest(by: list[str], queried: bool) -> None:
    found = interest()
    found.tell(by)
    assert found.queried is queried
