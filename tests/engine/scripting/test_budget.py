"""Signals in this process; what they do to a script stands in ``test_escapes``."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from engine.scripting.budget import Budget
from engine.scripting.guards import Stop


@pytest.fixture
def scope() -> dict[str, Any]:
    return {"_stop_": False}


@pytest.fixture
def budget(scope: dict[str, Any]) -> Iterator[Budget]:
    before = signal.getsignal(signal.SIGPROF)
    budget = Budget(scope)
    budget.start()
    yield budget
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


def test_the_script_is_interrupted_where_its_own_text_runs(budget: Budget, scope: dict[str, Any]) -> None:
    budget.begin(0.01)
    with pytest.raises(Stop):
        exec("while True: pass", scope)
    assert scope["_stop_"] is True


def test_our_own_code_is_not_interrupted_but_the_flag_is_set(budget: Budget, scope: dict[str, Any]) -> None:
    budget.begin(0.01)
    while not scope["_stop_"]:
        pass
    budget.end()


def test_our_own_code_is_interrupted_while_nothing_of_it_is_kept(budget: Budget) -> None:
    budget.begin(0.01, anywhere=True)
    with pytest.raises(Stop):
        exec("while True: pass", {})


def test_the_next_call_begins_without_the_flag(budget: Budget, scope: dict[str, Any]) -> None:
    scope["_stop_"] = True
    budget.begin(10.0)
    assert scope["_stop_"] is False


def test_what_a_script_left_running_between_calls_is_stopped_at_once(budget: Budget, scope: dict[str, Any]) -> None:
    budget.begin(10.0)
    budget.end()
    with pytest.raises(Stop):
        exec("while True: pass", scope)
