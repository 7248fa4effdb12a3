"""Signals that want the end of a run, as a descriptor that wakes the loop and a count."""

from __future__ import annotations

import os
import signal

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The last: its terminal is gone."""


class StopSignals:
    """While it is open, they are counted instead of ending the process."""

    def __init__(self) -> None:
        self.count = 0
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write)
        self._previous = {number: signal.signal(number, self._note) for number in STOP_SIGNALS}

    def _note(self, *_: object) -> None:
        self.count += 1  # no more: it interrupts whatever the loop is doing

    def fileno(self) -> int:
        """Readable when one came."""
        return self._read

    def take(self) -> None:
        """Forget that one came; the count stays."""
        os.read(self._read, 4096)

    def close(self) -> None:
        """Signals mean what they meant before."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)
