"""``setTimeout`` on the broker's side: when the functions of one host are due. They live as long as the host."""

from __future__ import annotations

from collections.abc import Callable

from engine.helpers.calls import CallRefused, helper

MAX_TIMERS = 128
MAX_MS = 365 * 24 * 3600 * 1000


class Timers:
    """The functions themselves stay in the host; here they are numbers."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._due_s: dict[int, float] = {}

    @helper("timers.set")
    def set(self, number: int, milliseconds: float) -> None:
        """Ask the host to run its function ``number`` after so long."""
        if not 0 <= milliseconds <= MAX_MS:
            raise CallRefused("setTimeout", f"expected 0 to {MAX_MS} milliseconds")
        if number not in self._due_s and len(self._due_s) >= MAX_TIMERS:
            raise CallRefused("setTimeout", f"expected at most {MAX_TIMERS} functions that wait")
        self._due_s[number] = self._monotonic_s() + milliseconds / 1000

    @helper("timers.clear")
    def clear(self, number: int) -> None:
        """Do not; nothing where there is none."""
        self._due_s.pop(number, None)

    def take_due(self) -> int | None:
        """The number that is due for the longest time, which is forgotten; none is due."""
        number = min(self._due_s, key=self._due_s.__getitem__, default=None)
        if number is None or self._due_s[number] > self._monotonic_s():
            return None
        del self._due_s[number]
        return number
