"""Items on their way to somebody who looks at them, past the scripts of the instance that runs on a data folder.

``onItemQueried`` may show something else than what is stored: a verdict, a value hidden. This is for the eyes of
people: who can read the data folder can read what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from engine import controlsocket
from engine.errors import RemoraError
from engine.items.encoding import pack, unpack
from engine.naming import stream_id_of

ITEMS_AT_ONCE, BYTES_AT_ONCE = 32, 4 << 20
MAX_LATE = 3
"""So many times in a row nobody answers in time, and it is not waited for again."""


class Onlookers:
    """The scripts with ``onItemQueried`` of one instance, if one runs and has some."""

    def __init__(self, data: Path, warn: Callable[[str], None]) -> None:
        self._path, self._warn = data / "control.sock", warn
        self._there = True
        self._late: dict[str, int] = {}
        """Script -> how often it was late, since it answered last."""
        self._told: set[tuple[str, str]] = set()

    def past(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """``rows`` as they are to be shown."""
        remaining = iter(rows)
        while batch := list(islice(remaining, ITEMS_AT_ONCE)):
            yield from self.shown(batch)

    def shown(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Some rows, as they are to be shown; once nobody looks, nobody is asked again."""
        found = list(rows)
        blobs = [pack(row) for row in rows] if self._there else []
        start = 0
        while start < len(blobs) and self._there:
            stop, size = start + 1, len(blobs[start])
            while stop < len(blobs) and size + len(blobs[stop]) <= BYTES_AT_ONCE:
                size, stop = size + len(blobs[stop]), stop + 1
            for position, item in self._ask(rows[start:stop], blobs[start:stop]):
                found[start + position] = item
            start = stop
        return found

    def _ask(self, rows: Sequence[Mapping[str, Any]], blobs: Sequence[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
        items = [[_stream(row), blob] for row, blob in zip(rows, blobs, strict=True)]
        try:
            answers, done = controlsocket.ask(
                self._path, controlsocket.QUERIED, {"items": items, "without": self._given_up()}
            )
        except (FileNotFoundError, ConnectionRefusedError):
            self._there = False
            return
        except (OSError, RemoraError) as error:
            self._there = False
            self._warn(f"onItemQueried was not asked: {error}")
            return
        self._there = bool(done["listeners"] or done["absent"])
        self._note(done)
        for answer in answers:
            yield answer["position"], unpack(answer["item"])

    def _given_up(self) -> list[str]:
        return [script for script, times in self._late.items() if times >= MAX_LATE]

    def _note(self, done: Mapping[str, Any]) -> None:
        """Who did not look at these items, said once for each reason."""
        for script in done["listeners"]:
            self._late[script] = self._late.get(script, 0) + 1 if script in done["late"] else 0
        for script in done["late"]:
            self._say(script, "did not answer in time")
        for script in done["absent"]:
            self._say(script, "died too often")
        for script in self._given_up():
            self._say(script, f"did not answer {MAX_LATE} times in a row and is not asked any more")

    def _say(self, script: str, what: str) -> None:
        if (script, what) not in self._told:
            self._told.add((script, what))
            self._warn(f"script {script!r} {what}; what it would have changed is shown as it is stored")


def _stream(row: Mapping[str, Any]) -> int:
    try:
        return stream_id_of(str(row["stream"]))
    except (KeyError, ValueError):
        return 0
