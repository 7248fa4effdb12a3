"""The folders of scripts: read at the start, and again when one of them changes."""

from __future__ import annotations

import selectors
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from engine import clock
from engine.errors import ConfigError
from engine.scripting.header import read_header
from engine.scripting.hosts import ScriptSet
from engine.scripting.options import ScriptOptions
from engine.scripting.watch import FolderWatch, read_scripts

DEBOUNCE_S = 0.2


class ScriptFolders:
    """Keeps a set of scripts equal to what lies in the folders."""

    def __init__(self, options: ScriptOptions, scripts: ScriptSet, selector: selectors.BaseSelector) -> None:
        self._options, self._scripts, self._selector = options, scripts, selector
        self._watches: list[FolderWatch] = []
        self._reload_s: float | None = None

    def load(self) -> None:
        """Read them, and watch them from now on.

        Raises:
            RemoraError: one cannot be read, or two have a script of the same name; scripts that run go on.
        """
        folders = folders_of(self._options)
        texts, unread = read_folders(folders)
        if not self._watches and self._options.watch:
            for folder in folders:
                watch = FolderWatch(folder)
                self._watches.append(watch)
                self._selector.register(watch, selectors.EVENT_READ, partial(self._changed, watch))
        if folders:
            chosen = {name: text for name, text in texts.items() if is_active(name, text, self._options.active)}
            self._scripts.set_texts(chosen, clock.monotonic_s(), unread)

    def _changed(self, watch: FolderWatch) -> None:
        watch.take()
        self._reload_s = clock.monotonic_s() + DEBOUNCE_S

    def take_due(self, now_s: float) -> None:
        """Read them again if one changed and all have been quiet since; raises as ``load``."""
        if self._reload_s is not None and self._reload_s <= now_s:
            self._reload_s = None
            self.load()

    def close(self) -> None:
        """Watch them no more."""
        for watch in self._watches:
            watch.close()


def folders_of(options: ScriptOptions) -> list[Path]:
    """``scripting.source`` and ``scripting.sources``, each once."""
    return [Path(text) for text in dict.fromkeys([options.source, *options.sources]) if text]


def read_folders(folders: Sequence[Path]) -> tuple[dict[str, bytes], dict[str, str]]:
    """As ``read_scripts``, of all folders together.

    Raises:
        ConfigError: one cannot be read, or two have a script of the same name.
    """
    texts: dict[str, bytes] = {}
    unread: dict[str, str] = {}
    for folder in folders:
        more, failed = read_scripts(folder)
        twice = sorted((texts.keys() | unread.keys()) & (more.keys() | failed.keys()))
        if twice:
            raise ConfigError("scripting.sources", "scripts with names that differ", f"{twice[0]!r} in two folders")
        texts |= more
        unread |= failed
    return texts, unread


def is_active(name: str, text: bytes, active: Sequence[str]) -> bool:
    """Whether ``scripting.active`` asks for this script, by its title or its file's name; empty, it asks for all."""
    if not active:
        return True
    wanted = {one.strip().casefold() for one in active} - {""}
    title = read_header(text.decode(errors="replace")).title
    return not wanted.isdisjoint({name.casefold(), name.removesuffix(".py").casefold(), title.casefold()})
