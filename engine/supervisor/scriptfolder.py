"""The folder of scripts: read at the start, and again when it changes."""

from __future__ import annotations

import selectors
from pathlib import Path

from engine import clock
from engine.scripting.hosts import ScriptSet
from engine.scripting.options import ScriptOptions
from engine.scripting.watch import FolderWatch, read_scripts

DEBOUNCE_S = 0.2


class ScriptFolder:
    """Keeps a set of scripts equal to what lies in the folder."""

    def __init__(self, options: ScriptOptions, scripts: ScriptSet, selector: selectors.BaseSelector) -> None:
        self._options, self._scripts, self._selector = options, scripts, selector
        self._watch: FolderWatch | None = None
        self._reload_s: float | None = None

    def load(self) -> None:
        """Read it, and watch it from now on.

        Raises:
            RemoraError: it cannot be read; scripts that run go on.
        """
        if not self._options.source:
            return
        folder = Path(self._options.source)
        texts, unread = read_scripts(folder)
        if self._watch is None and self._options.watch:
            self._watch = FolderWatch(folder)
            self._selector.register(self._watch, selectors.EVENT_READ, self._changed)
        self._scripts.set_texts(texts, clock.monotonic_s(), unread)

    def _changed(self) -> None:
        assert self._watch is not None, "it called us"
        self._watch.take()
        self._reload_s = clock.monotonic_s() + DEBOUNCE_S

    def take_due(self, now_s: float) -> None:
        """Read it again if it changed and has been quiet since; raises as ``load``."""
        if self._reload_s is not None and self._reload_s <= now_s:
            self._reload_s = None
            self.load()

    def close(self) -> None:
        """Watch it no more."""
        if self._watch is not None:
            self._watch.close()
