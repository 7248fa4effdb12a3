"""Items that somebody fetches, shown to every script with ``onItemQueried`` before they are shown to who asked.

All of these scripts look at the same items side by side; what they return is merged in the order of their names. Nobody
waits for a script longer than ``PATIENCE_S``: then its items are shown as they are, and the asker is told.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from engine.clock import monotonic_s
from engine.controlsocket import Later
from engine.errors import RemoraError
from engine.frames.control import Queried, Shown
from engine.scripting.hosted import Outbox
from engine.scripting.hosts import ScriptSet
from engine.supervisor.merging import merged

HOOK = "onItemQueried"
PATIENCE_S = 2.0
MAX_OPEN = 16
Rows = list[dict[str, Any]]
Tell = Callable[[int, Rows, dict[str, Any]], None]
MAX_ITEMS, MAX_ANSWER_BYTES = 256, 16 << 20
"""Of one query; of what one script makes of it."""

_decode_answers = msgspec.msgpack.Decoder(list[tuple[int, bytes | None]]).decode
_decode_item = msgspec.msgpack.Decoder(dict[str, Any]).decode
_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class _Fetch:
    """One query."""

    items: list[bytes]
    due_s: float
    listeners: list[str]
    absent: list[str]
    """Scripts that would be asked, had they not died too often."""
    waiting: dict[str, set[int]] = field(default_factory=dict)
    """Script -> positions that it has not answered."""
    parts: dict[str, bytearray] = field(default_factory=dict)
    answers: dict[int, dict[str, bytes]] = field(default_factory=dict)
    """Position -> script -> the item it wants to be shown."""


class Fetches:
    """Owned by the supervisor; nothing here waits."""

    def __init__(
        self, workers: Sequence[Outbox], scripts: ScriptSet, tell: Tell, now_s: Callable[[], float] = monotonic_s
    ) -> None:
        self._workers, self._scripts, self._tell, self._now_s = workers, scripts, tell, now_s
        self._open: dict[int, _Fetch] = {}
        self._known: set[str] = set()
        """Scripts that have listened at some time."""

    def begin(
        self, number: int, items: Sequence[tuple[int, bytes]], without: Sequence[str] = ()
    ) -> tuple[Rows, dict[str, Any]]:
        """Show ``(stream, item as msgpack)`` to the scripts; the answer says which items are to be shown instead.

        Args:
            number: of the question.
            items: what was fetched.
            without: scripts that are not to be asked.

        Raises:
            Later: the answer to question ``number`` comes when they have answered.
        """
        listeners = [name for name in self._listeners() if name not in without]
        absent = [name for name in self._absent() if name not in without]
        if not listeners or not items:
            return [], {"listeners": listeners, "late": [], "absent": absent}
        if len(self._open) >= MAX_OPEN:
            raise RemoraError(f"control socket: expected at most {MAX_OPEN} fetches at once")
        every = set(range(len(items)))
        fetch = _Fetch([blob for _, blob in items], self._now_s() + PATIENCE_S, listeners, absent)
        fetch.waiting = {script: set(every) for script in listeners}
        self._open[number] = fetch
        for index, worker in enumerate(self._workers):
            own = [(at, stream, blob) for at, (stream, blob) in enumerate(items) if self._worker_of(stream) == index]
            if own:
                _send(worker, Queried(number, list(without)), _encode(own))
        raise Later(number)

    def _listeners(self) -> list[str]:
        """Also those that start again now: the workers keep for them what they are sent."""
        scripts = self._scripts.scripts.values()
        here = {script.name for script in scripts if script.host is not None and HOOK in script.host.hooks}
        self._known |= here
        again = {script.name for script in scripts if script.host is None and script.state == "restarting"}
        return sorted(here | (again & self._known))

    def _absent(self) -> list[str]:
        """Scripts that are out: they died too often."""
        scripts = self._scripts.scripts.values()
        return sorted(s.name for s in scripts if s.host is None and s.state == "quarantined" and s.name in self._known)

    def _worker_of(self, stream: int) -> int:
        """Whose stream it is, since this run began."""
        return stream % len(self._workers)

    def shown(self, message: Shown) -> None:
        """A part of what a script answers. Hostile: what no honest host says costs the host."""
        fetch = self._open.get(message.number)
        if fetch is None or message.script not in fetch.waiting:
            return  # too late, or nobody asked
        parts = fetch.parts.setdefault(message.script, bytearray())
        parts += message.part
        try:
            if len(parts) > MAX_ANSWER_BYTES:
                raise ValueError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
            if message.last:
                self._take(fetch, message.script, bytes(fetch.parts.pop(message.script)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            del fetch.waiting[message.script]
            self._scripts.kill(message.host, f"broke the protocol: {HOOK}: {str(error)[:200]}")
        if not fetch.waiting:
            self._finish(message.number)

    @staticmethod
    def _take(fetch: _Fetch, script: str, data: bytes) -> None:
        left = fetch.waiting[script]
        for position, blob in _decode_answers(data):
            if position not in left:
                raise ValueError(f"an answer for item {position}, which it was not asked about")
            left.remove(position)
            if blob is not None:
                _decode_item(blob)
                fetch.answers.setdefault(position, {})[script] = blob
        if not left:
            del fetch.waiting[script]

    def take_due(self, now_s: float) -> None:
        """Answer those who have waited long enough."""
        for number in [number for number, fetch in self._open.items() if fetch.due_s <= now_s]:
            self._finish(number)

    def _finish(self, number: int) -> None:
        fetch = self._open.pop(number)
        rows = [
            {"position": position, "item": _merged(fetch.items[position], [own[script] for script in sorted(own)])}
            for position, own in sorted(fetch.answers.items())
        ]
        done = {"listeners": fetch.listeners, "late": sorted(fetch.waiting), "absent": fetch.absent}
        self._tell(number, rows, done)


def _merged(original: bytes, versions: list[bytes]) -> bytes:
    if len(versions) == 1:
        return versions[0]
    return _encode(merged(_decode_item(original), map(_decode_item, versions)))


def _send(worker: Outbox, message: Queried, data: bytes) -> None:
    """Items beside the message, because they do not fit in."""
    descriptor = os.memfd_create("queried")
    with contextlib.closing(open(descriptor, "wb", closefd=True)) as file:
        file.write(data)
        file.flush()
        os.lseek(descriptor, 0, os.SEEK_SET)
        worker.send(message, (descriptor,))
