"""``state``: what a script keeps, when it is saved, and what it cannot keep."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.frames.host import MAX_STATE_BYTES
from engine.scripting.loading import check_script
from tests.support.scripthost import ITEM, HostEnds, Zygote

COUNT = """
state.setdefault("runs", 0)

def count():
    state["runs"] += 1

jobs.schedule("count", "* * * * * *", count)
"""


def saved(host: HostEnds) -> list[Any]:
    return [
        msgspec.msgpack.decode(call[1], type=dict[str | int, Any]) for call in host.asked if call[0] == "state.save"
    ]


def begun(zygote: Zygote, source: str, before: Any = None) -> HostEnds:
    data = b"" if before is None else msgspec.msgpack.encode(before)
    host = zygote.spawn(source, answers={"state.load": data})
    host.ready()
    return host


def job(host: HostEnds, tag: str = "count") -> HostEnds:
    assert host.run_job(tag).error == ""
    return host


def test_it_is_there_before_the_top_level_and_saved_after_each_job(zygote: Zygote) -> None:
    host = begun(zygote, COUNT, {"runs": 41, "other": [1, {"a": None}]})
    job(job(host))
    assert saved(host) == [{"runs": 42, "other": [1, {"a": None}]}, {"runs": 43, "other": [1, {"a": None}]}]


def test_it_is_saved_at_the_end_and_only_where_it_changed(zygote: Zygote) -> None:
    source = "def onShutdown():\n    state['a'] = b'x'\njobs.schedule('idle', '* * * * * *', len, 0, state)\n"
    host = job(begun(zygote, source, {"a": 1}), "idle")
    assert saved(host) == []
    assert host.shut_down() == ""
    assert saved(host) == [{"a": b"x"}]


@pytest.mark.slow
def test_a_change_of_a_hook_is_saved_within_some_seconds_without_another_event(zygote: Zygote) -> None:
    host = begun(zygote, "def onItemCaptured(data):\n    state[7] = data.response.status\n")
    assert host.deliver(ITEM, ITEM) == (0, 0)
    call = host.receive()
    host.answer(call)
    assert saved(host) == [{7: 200}]


def test_a_state_that_cannot_be_read_begins_empty_and_says_so(zygote: Zygote) -> None:
    host = zygote.spawn("console.log(len(state))\n", answers={"state.load": b"\xc1"})
    host.ready()
    assert host.lines[0].startswith("error: state cannot be read and begins empty: ")
    assert host.lines[1] == "log: 0"


REFUSED = {
    "too much": (f"state['x'] = 'x' * {MAX_STATE_BYTES}", f"exceed the limit of {MAX_STATE_BYTES}; what was saved"),
    "a function": ("state['x'] = print", "expected numbers, text, bytes, lists and dicts, got method"),
    "an object": ("class A: pass\n    state['x'] = A()", "expected numbers, text, bytes, lists and dicts, got A"),
    "an odd key": ("state[(1, 2)] = 1", "expected text or integers as the keys of a dict, got tuple"),
    "a huge number": ("state['x'] = 2 ** 70", "expected integers of at most 64 bits"),
    "itself": ("state['x'] = state", "nested at most 32 deep"),
}


@pytest.mark.parametrize(("source", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_kept_is_said_and_the_script_goes_on(zygote: Zygote, source: str, reason: str) -> None:
    text = f"def spoil():\n    {source}\njobs.schedule('spoil', '* * * * * *', spoil)\nlen(state)\n"
    host = job(begun(zygote, text), "spoil")
    assert saved(host) == []
    assert reason in host.lines[0]
    assert host.lines[0].startswith("error: state: ")
    job(host, "spoil")


USES = {
    "state['a'] = 1": True,
    "def f():\n    return state.get('a')": True,
    "def f():\n    def g():\n        return state\n": True,
    "class A:\n    x = state": True,
    "x = [state[i] for i in 'a']": True,
    "def f(state):\n    return state\nstate": True,
    "x = 1": False,
    "state = {}\nstate['a'] = 1": False,
    "def f():\n    global state\n    state = {}\ndef g():\n    return state": False,
    "def f(state):\n    return state": False,
    "def state(): pass\nstate()": False,
    "from itertools import count as state\nstate()": False,
}


@pytest.mark.parametrize(("source", "uses"), USES.items())
def test_only_who_uses_the_helper_has_a_state(source: str, uses: bool) -> None:
    assert check_script(source, "top.py").keeps_state == uses
