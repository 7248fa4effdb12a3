"""What an operator sees of a run: one line that moves on a terminal, a log line every ten seconds elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.live import Live
from rich.text import Text

from engine import clock
from engine.cli.terminal import lines

LOG_STEP_S = 10.0
REDRAW_STEP_S = 0.1

COLUMNS = (
    ("packets", "capture_packets_total"),
    ("streams", "streams_started_total"),
    ("items", "items_total"),
    ("matched", "scripts_matched_total"),
    ("kept", "recorder_streams_kept_total"),
    ("uploaded", "shipper_batches_total"),
)


class TerminalView:
    """One live line below whatever is told."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._live.start()
        self._due_s = 0.0
        self._gone = False
        """The terminal: what it would show is not worth the run."""

    def progress(self, totals: Mapping[str, int], phase: str) -> None:
        """Redraw, ten times a second at most."""
        now_s = clock.monotonic_s()
        if self._gone or (now_s < self._due_s and phase != "over"):
            return
        self._due_s = now_s + REDRAW_STEP_S
        line = Text("done" if phase == "over" else phase, style="bold cyan")
        for label, name in COLUMNS:
            line.append(f" {label} ", style="not bold dim").append(_short(totals.get(name, 0)), style="not dim bold")
        dropped = _dropped(totals)
        if dropped:
            line.append(f" dropped {_short(dropped)}", style="bold red")
        self._show(lambda: self._live.update(line, refresh=True))

    def tell(self, line: str) -> None:
        """Print above the live line."""
        self._show(lambda: self._console.print(Text(lines(line)), crop=False, overflow="ignore"))

    def _show(self, draw: Callable[[], None]) -> None:
        if not self._gone:
            try:
                draw()
            except OSError:
                self._gone = True
                silence()

    def close(self) -> None:
        """Leave the last line standing."""
        self._show(self._live.stop)


class LogView:
    """Without a terminal."""

    def __init__(self) -> None:
        self._due_s = clock.monotonic_s() + LOG_STEP_S

    def progress(self, totals: Mapping[str, int], phase: str) -> None:
        """A line every ten seconds."""
        now_s = clock.monotonic_s()
        if now_s < self._due_s:
            return
        self._due_s = now_s + LOG_STEP_S
        pairs = " ".join(f"{label}={totals.get(name, 0)}" for label, name in COLUMNS)
        self.tell(f"progress phase={phase} {pairs} dropped={_dropped(totals)}")

    def tell(self, line: str) -> None:
        """One line on standard error, as long as somebody reads it: a run does not end because nobody does."""
        try:
            print(lines(line), file=sys.stderr, flush=True)
        except BlockingIOError:
            pass  # full, and of the kind that does not wait: this line only
        except OSError:
            silence()

    def close(self) -> None:
        """Nothing to leave."""


def silence() -> None:
    """Standard error leads nowhere from here on: its reader is gone, or its disk is full."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)


def _short(count: int) -> str:
    """At most seven characters, so that the line fits 80 columns: ``16,424``, ``1.25M``."""
    return f"{count:,}" if count < 1_000_000 else f"{count / 1e6:.2f}M" if count < 10**9 else f"{count / 1e9:.2f}G"


def _dropped(totals: Mapping[str, int]) -> int:
    """What is lost to somebody: not the frames that belong to no stream, and what scripts lost once for all of them."""
    beside = ("decode_", "script_dropped_total{")
    return sum(count for name, count in totals.items() if "_dropped_total{" in name and not name.startswith(beside))
