"""Items that somebody fetches, shown to scripts first: the supervisor's books, with answers honest and not."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from engine.controlsocket import Later
from engine.frames.control import Queried, Shown
from engine.supervisor import fetches as module
from engine.supervisor.fetches import PATIENCE_S, Fetches

pack = msgspec.msgpack.encode
ITEMS = [(7, pack({"n": 0, "passed": False})), (8, pack({"n": 1, "passed": False})), (9, pack({"n": 2}))]


class Worker:
    """Takes what workers are sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, Any]] = []

    def send(self, message: Any, descriptors: tuple[int, ...] = ()) -> None:
        with open(os.dup(descriptors[0]), "rb") as file:
            self.sent.append((message, msgspec.msgpack.decode(file.read())))


class Scripts:
    """Scripts with the hook, and those that were killed."""

    def __init__(self, *names: str) -> None:
        self.scripts = {
            name: SimpleNamespace(name=name, host=SimpleNamespace(hooks=["onItemQueried"])) for name in names
        }
        self.scripts["other.py"] = SimpleNamespace(name="other.py", host=SimpleNamespace(hooks=[]))
        self.scripts["out.py"] = SimpleNamespace(name="out.py", host=None, state="refused")
        self.killed: list[tuple[int, str]] = []

    def kill(self, number: int, reason: str) -> None:
        self.killed.append((number, reason))


class Scene:
    """Two workers and the scripts ``a.py`` and ``b.py``."""

    def __init__(self, *names: str) -> None:
        self.workers, self.scripts, self.now_s = [Worker(), Worker()], Scripts(*names), 10.0
        self.answers: list[tuple[Any, Any]] = []
        self.asked = 0
        self.fetches = Fetches(self.workers, self.scripts, self._tell, lambda: self.now_s)  # type: ignore[arg-type]  # as much as is used
        try:
            self.answers.append(self.fetches.begin(1, ITEMS))
        except Later as later:
            self.asked = later.asked

    def _tell(self, number: int, rows: Any, done: Any) -> None:
        assert number == 1
        self.answers.append((rows, done))

    def say(self, script: str, data: bytes, *, last: bool = True, number: int = 1) -> None:
        self.fetches.shown(Shown(number, script, ord(script[0]), data, last))


def test_each_worker_gets_the_items_of_its_streams_and_nobody_answers_before_all_scripts_did() -> None:
    scene = Scene("b.py", "a.py")
    assert scene.asked == 1
    assert scene.workers[0].sent == [(Queried(1), [[1, 8, ITEMS[1][1]]])]
    assert scene.workers[1].sent == [(Queried(1), [[0, 7, ITEMS[0][1]], [2, 9, ITEMS[2][1]]])]
    scene.say("a.py", pack([(0, None), (1, pack({"n": 1, "passed": True}))]))
    scene.say("b.py", pack([(2, None), (0, None), (1, pack({"n": 5, "passed": False}))]))
    assert scene.answers == []
    scene.say("a.py", pack([(2, None)]))
    ((rows, done),) = scene.answers
    assert done == {"listeners": ["a.py", "b.py"], "late": [], "absent": []}
    assert [(row["position"], msgspec.msgpack.decode(row["item"])) for row in rows] == [(1, {"n": 5, "passed": True})]
    assert scene.scripts.killed == []


def test_an_answer_may_come_in_parts() -> None:
    scene = Scene("a.py")
    data = pack([(position, pack({"n": position + 10})) for position in range(3)])
    for byte in data[:-1]:
        scene.say("a.py", bytes([byte]), last=False)
    assert scene.answers == []
    scene.say("a.py", data[-1:])
    assert [msgspec.msgpack.decode(row["item"])["n"] for row in scene.answers[0][0]] == [10, 11, 12]


def test_who_does_not_answer_in_time_is_named_and_the_others_count() -> None:
    scene = Scene("a.py", "b.py")
    scene.say("b.py", pack([(0, pack({"x": 1})), (1, None), (2, None)]))
    scene.fetches.take_due(scene.now_s + PATIENCE_S - 0.1)
    assert scene.answers == []
    scene.fetches.take_due(scene.now_s + PATIENCE_S)
    ((rows, done),) = scene.answers
    assert (len(rows), done["late"]) == (1, ["a.py"])
    scene.say("a.py", pack([(0, pack({"x": 2}))]))
    assert len(scene.answers) == 1
    assert scene.scripts.killed == []


def test_who_died_is_named_and_who_is_not_to_be_asked_is_not() -> None:
    scene = Scene("a.py", "b.py")
    b = scene.scripts.scripts["b.py"]
    host, b.host, b.state = b.host, None, "quarantined"
    assert scene.fetches.begin(2, ITEMS, ["a.py"]) == ([], {"listeners": [], "late": [], "absent": ["b.py"]})
    assert scene.fetches.begin(3, ITEMS, ["a.py", "b.py"]) == ([], {"listeners": [], "late": [], "absent": []})
    b.host = host
    with pytest.raises(Later):
        scene.fetches.begin(4, ITEMS, ["a.py"])
    assert scene.workers[0].sent[-1][0] == Queried(4, ["a.py"]), "it gets none of them, so that none wait for it"
    scene.say("a.py", pack([(0, None)]), number=4)
    assert scene.scripts.killed == [], "it was not asked, so what it says is nothing"


def test_who_starts_again_is_waited_for() -> None:
    scene = Scene("a.py")
    scene.say("a.py", pack([(position, None) for position in range(3)]))
    script = scene.scripts.scripts["a.py"]
    script.host, script.state = None, "restarting"
    with pytest.raises(Later):
        scene.fetches.begin(1, ITEMS)
    assert [message for message, _ in scene.workers[0].sent] == [Queried(1), Queried(1)]
    scene.say("a.py", pack([(position, None) for position in range(3)]))
    assert scene.answers == [([], {"listeners": ["a.py"], "late": [], "absent": []})] * 2


def test_without_a_script_that_listens_the_answer_is_there_at_once() -> None:
    scene = Scene()
    assert scene.answers == [([], {"listeners": [], "late": [], "absent": []})]
    assert [worker.sent for worker in scene.workers] == [[], []]


HOSTILE = {
    "garbage": b"\xc1\xff",
    "no list": pack(5),
    "nested without end": b"\x91" * 100_000,
    "an item nobody asked about": pack([(3, None)]),
    "a negative one": pack([(-1, None)]),
    "the same twice": pack([(0, None), (0, None)]),
    "an item that is none": pack([(0, b"\xc1")]),
    "an item that is a list": pack([(0, pack([1]))]),
    "an item nested without end": pack([(0, b"\x81\xa1a" * 50_000)]),
    "text that is none": pack([(0, b"\x81\xa1a\xa1\xff")]),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_what_no_honest_script_answers_costs_its_host_and_the_item_is_shown_as_it_is(data: bytes) -> None:
    scene = Scene("a.py", "b.py")
    scene.say("a.py", data)
    ((host, reason),) = scene.scripts.killed
    assert host == ord("a")
    assert reason.startswith("broke the protocol: onItemQueried: ")
    scene.say("b.py", pack([(0, None), (1, pack({"n": 7})), (2, None)]))
    ((rows, _),) = scene.answers
    assert [row["position"] for row in rows] == [1]


def test_an_answer_without_end_costs_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1000)
    scene = Scene("a.py")
    for _ in range(3):
        scene.say("a.py", b"\x91" * 400, last=False)
    assert [host for host, _ in scene.scripts.killed] == [ord("a")]
    assert scene.answers == [([], {"listeners": ["a.py"], "late": [], "absent": []})]


def test_an_answer_to_a_query_that_is_none_is_nothing() -> None:
    scene = Scene("a.py")
    scene.say("a.py", b"\xc1", number=99)
    scene.say("other.py", b"\xc1")
    assert scene.scripts.killed == scene.answers == []
