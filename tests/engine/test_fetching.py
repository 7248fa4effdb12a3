"""Items on their way past scripts, against a socket that answers as an instance does."""

from __future__ import annotations

import selectors
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.controlsocket import QUERIED, ControlSocket
from engine.fetching import ITEMS_AT_ONCE, MAX_LATE, Onlookers
from engine.items.encoding import pack, unpack

ROWS = [{"stream": f"{number:012d}.pcap", "n": number} for number in range(ITEMS_AT_ONCE * 6)]


class Instance:
    """Scripts ``a.py``, which marks items, and others that are late or dead, query by query."""

    def __init__(self, path: Path) -> None:
        self.late: list[list[str]] = []
        self.absent: list[list[str]] = []
        self.asked: list[list[str]] = []
        """Who was not to be asked, of each query."""
        self._selector, self._over = selectors.DefaultSelector(), threading.Event()
        self._socket = ControlSocket(path / "control.sock", self._selector, self._answer)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _answer(self, operation: str, given: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        assert operation == QUERIED
        turn = len(self.asked)
        self.asked.append(given["without"])
        late, absent = ([*each, *[[]] * 99][turn] for each in (self.late, self.absent))
        listeners = [name for name in ("a.py", "b.py") if name not in given["without"] and name not in absent]
        marks = "a.py" in listeners and "a.py" not in late
        rows = [
            {"position": at, "item": pack({**unpack(blob), "seen": True})}
            for at, (_, blob) in enumerate(given["items"] if marks else [])
        ]
        return rows, {"listeners": listeners, "late": late, "absent": absent}

    def _serve(self) -> None:
        while not self._over.is_set():
            for key, _ in self._selector.select(0.01):
                key.data()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()
        self._selector.close()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    found = Instance(tmp_path)
    yield found
    found.close()


def seen(tmp_path: Path) -> tuple[list[bool], list[str]]:
    """Of each query, whether its items were marked; and what was warned of."""
    warnings: list[str] = []
    rows = list(Onlookers(tmp_path, warnings.append).past(ROWS))
    assert [row["n"] for row in rows] == list(range(len(ROWS))), "in their order"
    marks = ["seen" in row for row in rows]
    parts = [marks[start : start + ITEMS_AT_ONCE] for start in range(0, len(marks), ITEMS_AT_ONCE)]
    assert all(len(set(part)) == 1 for part in parts)
    return [part[0] for part in parts], warnings


def test_who_is_late_now_and_then_is_asked_again_and_told_of_once(tmp_path: Path, instance: Instance) -> None:
    instance.late = [["a.py"], ["a.py"], [], ["a.py"], ["a.py"], []]
    marked, warnings = seen(tmp_path)
    assert marked == [False, False, True, False, False, True]
    assert instance.asked == [[]] * 6
    assert warnings == [
        "script 'a.py' did not answer in time; what it would have changed is shown as it is stored",
    ]


def test_who_never_answers_is_not_waited_for_again_and_the_others_are_asked(tmp_path: Path, instance: Instance) -> None:
    instance.late = [["b.py"]] * MAX_LATE
    marked, warnings = seen(tmp_path)
    assert marked == [True] * 6
    assert instance.asked == [[]] * MAX_LATE + [["b.py"]] * (6 - MAX_LATE)
    assert [warning.partition(";")[0] for warning in warnings] == [
        "script 'b.py' did not answer in time",
        "script 'b.py' did not answer 3 times in a row and is not asked any more",
    ]


def test_scripts_that_are_out_are_told_of_and_asked_when_they_are_back(tmp_path: Path, instance: Instance) -> None:
    instance.absent = [[], ["a.py", "b.py"], ["a.py", "b.py"]]
    marked, warnings = seen(tmp_path)
    assert marked == [True, False, False, True, True, True]
    assert [warning.partition(";")[0] for warning in warnings] == [
        "script 'a.py' died too often",
        "script 'b.py' died too often",
    ]


def test_where_nothing_runs_items_are_shown_as_they_are_stored(tmp_path: Path) -> None:
    assert seen(tmp_path) == ([False] * 6, [])
