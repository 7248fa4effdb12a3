"""One pipe for the log lines of all children."""

from __future__ import annotations

import os
from collections.abc import Callable

MAX_LINE_BYTES = 64 * 1024


class LogLines:
    """Children write to ``descriptor``; each whole line goes to ``tell``."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._unfinished = tell, b""
        self._read, self.descriptor = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read, False)

    def fileno(self) -> int:
        """Readable when there are lines."""
        return self._read

    def take(self) -> None:
        """Tell the lines that are there."""
        try:
            data = self._unfinished + os.read(self._read, 1 << 20)
        except BlockingIOError:
            return
        *lines, self._unfinished = data.split(b"\n")
        if len(self._unfinished) > MAX_LINE_BYTES:
            lines, self._unfinished = [*lines, self._unfinished], b""
        for line in lines:
            self._tell(line.decode(errors="replace"))

    def close(self) -> None:
        """Tell the last lines."""
        os.close(self.descriptor)
        self.take()
        os.close(self._read)
