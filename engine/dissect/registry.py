"""Which protocols there are: the built-in ones and those of installed packages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.machinery import PathFinder
from itertools import chain
from pathlib import Path

import pluggy

from engine.dissect import builtin
from engine.dissect.options import DissectOptions
from engine.dissect.table import Dissector, ProtocolRow
from engine.dissect.tls_keylog import KeyRing
from engine.errors import ConfigError
from hooks import plugins


def load_rows(
    extra: Iterable[object] = (), *, installed: bool = True, keys: KeyRing | None = None
) -> tuple[ProtocolRow, ...]:
    """Rows of every plug-in, the built-in ones first.

    Args:
        extra: plug-ins that are no entry points.
        installed: take those that are.
        keys: what dissectors that decrypt ask; None: they do not.

    Raises:
        ConfigError: a plug-in cannot be loaded, or gives something else than rows.
    """
    manager = pluggy.PluginManager(plugins.PROJECT)
    manager.add_hookspecs(plugins)
    manager.register(builtin, "built-in")
    try:
        for number, plugin in enumerate(extra):
            manager.register(plugin, f"extra-{number}")
        if installed and _may_be_installed():
            _load_installed(manager)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise ConfigError(f"plug-in {error.plugin!r}", "hooks as hooks.plugins has them", str(error)) from error
    rows = [row for name, plugin in manager.list_name_plugin() for row in _rows_of(manager, name, plugin)]
    return tuple(row if keys is None or row.with_keys is None else _keyed(row, row.with_keys(keys)) for row in rows)


def _keyed(row: ProtocolRow, opened: Callable[[DissectOptions], Dissector]) -> ProtocolRow:
    return replace(row, open=opened)


def _may_be_installed() -> bool:
    """Whether any package may declare entry points of ours.

    Most installations have none, and importlib.metadata takes 25 ms to say so; reading the few files takes 2.
    """
    if any(hasattr(finder, "find_distributions") for finder in sys.meta_path if finder is not PathFinder):
        return True
    section = f"[{plugins.PROJECT}]".encode()
    for folder in map(Path, sys.path):
        if folder.suffix == ".egg" or folder.is_file():
            return True
        declared = chain(folder.glob("*.dist-info/entry_points.txt"), folder.glob("*.egg-info/entry_points.txt"))
        if any(section in file.read_bytes() for file in declared):
            return True
    return False


def _load_installed(manager: pluggy.PluginManager) -> None:
    try:
        manager.load_setuptools_entrypoints(plugins.PROJECT)
    except pluggy.PluginValidationError:
        raise
    except Exception as error:  # whatever a foreign module raises while it is imported
        raise ConfigError(f"entry points of group {plugins.PROJECT!r}", "modules that load", error) from error


def _rows_of(manager: pluggy.PluginManager, name: str, plugin: object) -> list[ProtocolRow]:
    others = [other for other in manager.get_plugins() if other is not plugin]
    try:
        given = manager.subset_hook_caller("remora_dissectors", remove_plugins=others)()
    except Exception as error:  # foreign code
        raise ConfigError(f"plug-in {name!r}: remora_dissectors", "a list of rows", error) from error
    rows = [row for several in given for row in several]
    for row in rows:
        if not isinstance(row, ProtocolRow):
            raise ConfigError(f"plug-in {name!r}: remora_dissectors", "rows (engine.dissect.table.ProtocolRow)", row)
    return rows
