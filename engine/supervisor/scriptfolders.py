"""The folders of scripts: read at the start, and again when one of them changes."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from engine import clock
from engine.errors import ConfigError
from engine.scripting.header import read_header
from engine.scripting.hosts import ScriptSet
from engine.scripting.options import ScriptOptions
from engine.scripting.watch import FolderWatch, read_scripts

DEBOUNCE_S = 0.2
MAX_WAIT_S = 5.0
"""For a folder in which something changes all the time: what else changed there is not kept waiting for ever."""
LOOK_S = 1.0
"""How often the paths are asked whether they still name the folders that are watched."""
RETRY_S = 10.0
"""The same after one of them could not be watched, which is told each time."""


class ScriptFolders:
    """Keeps a set of scripts equal to what lies in the folders."""

    def __init__(
        self,
        options: ScriptOptions,
        scripts: ScriptSet,
        selector: selectors.BaseSelector,
        tell: Callable[[str], None],
    ) -> None:
        self._options, self._scripts, self._selector, self._tell = options, scripts, selector, tell
        self._told: list[str] = []
        self._watches: dict[Path, FolderWatch] = {}
        self._changed_s: float | None = None
        self._reload_s: float | None = None
        self._look_s = 0.0

    def load(self) -> None:
        """Read them, and watch them from now on.

        Raises:
            RemoraError: one cannot be read, or two have a script of the same name; scripts that run go on.
        """
        folders = folders_of(self._options)
        texts, unread = read_folders(folders)
        if not self._watches and self._options.watch:
            for folder in folders:
                self._watch(folder)
        if folders:
            chosen = {name: text for name, text in texts.items() if is_active(name, text, self._options.active)}
            self._scripts.set_texts(chosen, clock.monotonic_s(), unread)
            self._tell_unused([*texts, *unread])

    def _tell_unused(self, names: list[str]) -> None:
        """Settings of scripts that are not there, when they are others than before: the script may come yet."""
        unused = [name for name in self._options.scripts if not {name, f"{name}.py"} & set(names)]
        if unused != self._told:
            for name in unused:
                near = get_close_matches(name, names, 1)
                hint = f"; is {near[0]!r} meant?" if near else ""
                self._tell(f"scripting.scripts.{name}: there is no script of this name{hint}")
        self._told = unused

    def _watch(self, folder: Path) -> None:
        watch = FolderWatch(folder)
        if folder in self._watches:
            self._selector.unregister(self._watches[folder])
            self._watches[folder].close()
        self._watches[folder] = watch
        self._selector.register(watch, selectors.EVENT_READ, partial(self._on_change, watch))

    def _on_change(self, watch: FolderWatch) -> None:
        watch.take()
        self._expect_reload(clock.monotonic_s())

    def _expect_reload(self, now_s: float) -> None:
        self._changed_s = self._changed_s or now_s
        self._reload_s = min(now_s + DEBOUNCE_S, self._changed_s + MAX_WAIT_S)

    def take_due(self, now_s: float) -> None:
        """Read them again if one changed and all have been quiet since; raises as ``load``."""
        if now_s >= self._look_s:
            self._look_s = now_s + RETRY_S
            self._follow(now_s)
            self._look_s = now_s + LOOK_S
        if self._reload_s is not None and self._reload_s <= now_s:
            self._changed_s = self._reload_s = None
            self.load()

    def _follow(self, now_s: float) -> None:
        """Watch what a path names now, where that is another folder: it was replaced, or a link leads elsewhere."""
        for folder in [folder for folder, watch in self._watches.items() if watch.is_elsewhere()]:
            self._watch(folder)
            self._expect_reload(now_s)

    def close(self) -> None:
        """Watch them no more."""
        for watch in self._watches.values():
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
