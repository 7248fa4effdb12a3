"""What scripts write: limited, escaped, kept in ``<data>/console.log`` and shown by the supervisor."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from engine.clock import NS_PER_S
from engine.counters import Counters
from engine.frames.control import ConsoleLine
from engine.helpers.bucket import TokenBucket
from engine.helpers.folder import write_all
from engine.log import printable

MAX_BYTES = 16 << 20
"""Size at which ``console.log`` becomes ``console.log.1``."""


class Console:
    """The console of all scripts."""

    def __init__(self, data: Path, node: str, tell: Callable[[ConsoleLine], None], counters: Counters) -> None:
        self._path, self._node, self._tell, self._counters = data / "console.log", node, tell, counters
        self._descriptor = self._open()
        self.listener: Callable[[str, str], None] = lambda _level, _text: None
        """Told of each line, unless it is quiet."""

    def write(self, script: str, level: str, text: str, wall_ns: int, *, quiet: bool = False) -> None:
        """One line, in Kubeshark's form."""
        line = printable(text)
        mark = ":ERROR" if level == "error" else ""
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(wall_ns // NS_PER_S))
        self._append(f"[{self._node}-{printable(script, 300)}{mark}] {date}: {line}\n".encode())
        self._counters.add("broker_log_lines_total")
        self._tell(ConsoleLine(script, level, line))
        if not quiet:
            self.listener(level, line)

    def _append(self, line: bytes) -> None:
        size = os.fstat(self._descriptor).st_size
        try:
            write_all(self._descriptor, line)
            if size + len(line) > MAX_BYTES:
                self._path.replace(self._path.with_name("console.log.1"))
                before, self._descriptor = self._descriptor, self._open()
                os.close(before)
        except OSError:  # a full disk: the supervisor still shows the line
            self._counters.add("broker_log_unwritten_total")
            os.ftruncate(self._descriptor, size)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


class ScriptConsole:
    """One script's lines, at most so many a second; what is left out is counted and said once a second."""

    def __init__(self, console: Console, script: str, lines_per_s: int, counters: Counters) -> None:
        self._console, self._script, self._counters = console, script, counters
        self._bucket, self._suppressed, self._since_s = TokenBucket(max(lines_per_s, 1)), 0, 0.0

    def write(self, level: str, text: str, now_s: float, wall_ns: int, *, quiet: bool = False) -> None:
        """A line of the script; dropped and counted when it writes too many. ``quiet``: no script is told."""
        self.say_suppressed(now_s, wall_ns)
        if self._bucket.take(now_s):
            self._console.write(self._script, level, text, wall_ns, quiet=quiet)
            return
        self._since_s = self._since_s if self._suppressed else now_s
        self._suppressed += 1
        self._counters.add("broker_log_suppressed_total")

    def say(self, text: str, wall_ns: int) -> None:
        """An error line of ours about the script; never dropped."""
        self._console.write(self._script, "error", text, wall_ns)

    def say_suppressed(self, now_s: float, wall_ns: int, *, at_once: bool = False) -> None:
        """Say how many lines were dropped in the second that is over."""
        if self._suppressed and (at_once or now_s - self._since_s >= 1):
            self._console.write(self._script, "error", f"suppressed {self._suppressed} lines", wall_ns, quiet=True)
            self._suppressed = 0
