"""Signals in this process; what they do to a script stands in ``tests/hostile``."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from engine.scripting.budget import Budget, killed_after
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


def test_a_message_to_the_broker_is_finished(budget: Budget, scope: dict[str, Any]) -> None:
    ours: dict[str, Any] = {"__name__": "engine.scripting.calls", "flag": scope}
    exec("def send():\n    while not flag['_stop_']: pass\n    return 'sent'", ours)
    scope["send"] = ours["send"]
    budget.begin(0.01)
    exec("answer = send()", scope)
    budget.end()
    assert scope["answer"] == "sent"


def test_other_code_of_ours_that_a_script_called_is_interrupted(budget: Budget, scope: dict[str, Any]) -> None:
    ours: dict[str, Any] = {"__name__": "engine.kfl.codegen"}
    exec("def match():\n    while True: pass", ours)
    scope["match"] = ours["match"]
    budget.begin(0.01)
    with pytest.raises(Stop):
        exec("match()", scope)


def test_the_limits_of_the_kernel_hold_for_the_body_only() -> None:
    with killed_after(100.0, 200.0):
        assert 99 < signal.getitimer(signal.ITIMER_VIRTUAL)[0] <= 100.1
        assert 199 < signal.getitimer(signal.ITIMER_REAL)[0] <= 200.1
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] == signal.getitimer(signal.ITIMER_REAL)[0] == 0
