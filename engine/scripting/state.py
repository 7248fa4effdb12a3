"""``state``: a dict that outlives the script's process. The broker keeps it as bytes; only here is it a dict."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.frames.host import MAX_STATE_BYTES
from engine.scripting.calls import Calls, HelperError
from engine.scripting.plain import NotPlain, plain

SAVE_AFTER_S = 1.0
"""A change is on disk so long after the hook that made it, and at once after a job and at the end."""
RETRY_AFTER_S = 10.0


class StateRefused(HelperError):
    """What ``state`` holds cannot be kept; the text says why."""


class State:
    """Saves what has changed in ``held``, the dict that the script sees."""

    def __init__(self, calls: Calls, held: dict[Any, Any]) -> None:
        self._calls, self._held = calls, held
        self._saved = b""
        self._due_s: float | None = None
        self._used = False

    def load(self) -> None:
        """Before the top level of a script that uses ``state``; a state that cannot be read begins empty."""
        self._used = True
        self._saved = self._calls.call("state.load") or b""
        try:
            self._held.update(msgspec.msgpack.decode(self._saved, type=dict[str | int, Any]))
        except msgspec.DecodeError as error:
            if self._saved:
                self._calls.log("error", f"state cannot be read and begins empty: {error}")

    def touch(self, now_s: float) -> None:
        """The script ran: it may have changed."""
        if self._used and self._due_s is None:
            self._due_s = now_s + SAVE_AFTER_S

    def wait_ms(self, now_s: float) -> float | None:
        """How long nothing needs to be saved; None: for ever."""
        return None if self._due_s is None else max(self._due_s - now_s, 0.0) * 1000

    def save_if_due(self, now_s: float) -> None:
        """Save what changed a second ago or earlier.

        Raises:
            HelperError: it cannot be kept.
        """
        if self._due_s is not None and now_s >= self._due_s:
            self.save(now_s)

    def save(self, now_s: float) -> None:
        """Save now, if anything changed.

        Raises:
            HelperError: it cannot be kept.
        """
        if not self._used:
            return
        self._due_s = now_s + RETRY_AFTER_S
        data = self._encoded()
        if data != self._saved:
            self._calls.call("state.save", data)
            self._saved = data
        self._due_s = None

    def _encoded(self) -> bytes:
        try:
            data = msgspec.msgpack.encode(plain(self._held, number_keys=True))
        except NotPlain as error:
            raise StateRefused(f"state: {error}") from None
        except OverflowError:
            raise StateRefused("state: expected integers of at most 64 bits") from None
        if len(data) > MAX_STATE_BYTES:
            raise StateRefused(
                f"state: {len(data)} bytes exceed the limit of {MAX_STATE_BYTES}; what was saved before is kept"
            )
        return data
