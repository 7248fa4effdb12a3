"""The CPU budget of a call into a script: a flag that stays set, and an exception wherever the script's own text runs.

One timer runs for the life of the process and ticks every 20 ms of CPU; a call counts the ticks that fall into it, so a
call costs some assignments instead of two system calls. The exception is raised over a frame of the script and what it
called, except where a message could be left half sent. What ignores both is stopped from outside, by the worker.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

from engine.scripting.guards import Stop

TICK_S = 0.02

PROTECTED = frozenset({"engine.scripting.calls", "engine.scripting.facades.jobs", "engine.scripting.facades.timers"})
"""Modules whose work is finished once begun, because the broker sees it too."""


class Budget:
    """Owns SIGPROF and the flag ``_stop_`` in ``scope``, the globals of the script."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self._scope = scope
        self._ticks = self._ticks_of_call = 0
        self._running = False
        self._anywhere = False
        self.cpu_s = 0.0
        """The budget of the call that ran last; for messages."""

    def start(self) -> None:
        """Begin to tick, in this process, from now on."""
        signal.signal(signal.SIGPROF, self._tick)
        signal.setitimer(signal.ITIMER_PROF, TICK_S, TICK_S)

    def begin(self, cpu_s: float, *, anywhere: bool = False) -> None:
        """A call begins. ``anywhere``: it may be cut short in our code too, because nothing of it will be kept."""
        if cpu_s != self.cpu_s:
            self.cpu_s, self._ticks_of_call = cpu_s, int(cpu_s / TICK_S) + 1
        self._anywhere = anywhere
        self._ticks = self._ticks_of_call
        self._scope["_stop_"] = False
        self._running = True

    def end(self) -> None:
        """The call is over, one way or another; the flag stays until the next one begins."""
        self._running = False

    def _tick(self, _signal: int, frame: FrameType | None) -> None:
        in_script = self._called_by_script(frame)
        if self._running:
            self._ticks -= 1
            if self._ticks > 0:
                return
        elif not in_script:  # between calls a script has nothing to run but the ``finally`` of a forgotten generator
            return
        self._scope["_stop_"] = True
        if in_script or (self._anywhere and self._running):
            raise Stop

    def _called_by_script(self, frame: FrameType | None) -> bool:
        while frame is not None:
            if frame.f_globals is self._scope:
                return True
            if frame.f_globals.get("__name__") in PROTECTED:
                return False
            frame = frame.f_back
        return False


@contextlib.contextmanager
def killed_after(cpu_s: float, wall_s: float) -> Iterator[None]:
    """Let the kernel end this process where the body takes longer than either; nothing can catch it."""
    limits = ((signal.SIGVTALRM, signal.ITIMER_VIRTUAL, cpu_s), (signal.SIGALRM, signal.ITIMER_REAL, wall_s))
    for number, timer, seconds in limits:
        signal.signal(number, signal.SIG_DFL)
        signal.setitimer(timer, seconds)
    yield
    for _, timer, _ in limits:
        signal.setitimer(timer, 0)
