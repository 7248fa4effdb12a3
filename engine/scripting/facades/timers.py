"""``setTimeout``: functions that run once, later. The broker has the clock; the functions stay here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.scripting.calls import Calls, HelperError

MAX_MS = 365 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Timeout:
    """One function that waits."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    due_s: float
    """Monotonic; the broker has been told, but a successor of it has not."""


class Timers:
    """Of one script's process; they end with it."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._waiting: dict[int, Timeout] = {}
        self._numbers = 0

    def set(self, function: Callable[..., Any], milliseconds: Any = 0, *arguments: Any) -> int:
        """Run ``function(*arguments)`` once, between hooks and jobs; a number for ``clearTimeout``."""
        if not callable(function):
            raise HelperError(f"setTimeout: expected a function to run, got {type(function).__name__}")
        if type(milliseconds) not in (int, float) or not 0 <= milliseconds <= MAX_MS:
            raise HelperError("setTimeout: expected milliseconds, 0 to those of a year")
        self._numbers += 1
        number, due_s = self._numbers, time.monotonic() + milliseconds / 1000
        self._calls.call("timers.set", number, float(milliseconds))
        self._waiting[number] = Timeout(function, arguments, due_s)
        return number

    def clear(self, number: Any = None) -> None:
        """Forget the function of this number; nothing happens where it ran already, or never was."""
        if type(number) is int and self._waiting.pop(number, None) is not None:
            self._calls.call("timers.clear", number)

    def take(self, number: int) -> Timeout | None:
        """It is due; for the host, not for scripts."""
        return self._waiting.pop(number, None)

    def renew(self) -> None:
        """Tell a new broker what waits; for the host, not for scripts."""
        for number, timeout in list(self._waiting.items()):
            left_ms = max(0.0, (timeout.due_s - time.monotonic()) * 1000)
            self._calls.call("timers.set", number, left_ms)
