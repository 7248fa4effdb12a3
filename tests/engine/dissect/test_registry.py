from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from engine.dissect.http1 import ROW
from engine.dissect.registry import load_rows
from engine.errors import ConfigError
from hooks.plugins import hookimpl


class Added:
    @hookimpl
    def remora_dissectors(self) -> list[object]:
        return [replace(ROW, name="added")]


class NotRows:
    @hookimpl
    def remora_dissectors(self) -> list[object]:
        return ["http"]


class Broken:
    @hookimpl
    def remora_dissectors(self) -> list[object]:
        raise RuntimeError("no licence")


def test_the_built_in_protocols_are_there_without_any_plug_in() -> None:
    found = {(row.name, row.transport) for row in load_rows(installed=False)}
    assert found >= {("http", 6), ("dns", 17), ("dns", 6), ("ws", 6), ("icmp", 1), ("icmp", 58)}


def test_rows_of_a_plug_in_come_after_the_built_in_ones() -> None:
    assert [row.name for row in load_rows([Added()])][-1] == "added"


def test_a_module_without_dissectors_adds_none() -> None:
    assert load_rows([ModuleType("other")], installed=False) == load_rows(installed=False)


@pytest.mark.parametrize(("plugin", "found"), [(NotRows(), "'http'"), (Broken(), "no licence")])
def test_a_bad_plug_in_is_named(plugin: object, found: str) -> None:
    with pytest.raises(ConfigError, match=f"plug-in 'extra-0': remora_dissectors: expected .*rows.*{found}"):
        load_rows([plugin], installed=False)


class Misspelt:
    @hookimpl
    def remora_disectors(self) -> list[object]:
        return []


class WithArguments:
    @hookimpl
    def remora_dissectors(self, options: object) -> list[object]:
        return []


@pytest.mark.parametrize(("plugin", "named"), [(Misspelt(), "remora_disectors"), (WithArguments(), "options")])
def test_a_hook_that_does_not_exist_is_refused(plugin: object, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load_rows([plugin], installed=False)


PACKAGE = """
from dataclasses import replace
from engine.dissect.http1 import ROW
from hooks.plugins import hookimpl

@hookimpl
def remora_dissectors():
    return [replace(ROW, name="from_a_package")]
"""


def install(folder: Path, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``folder`` a place where a package with an entry point is installed."""
    described = folder / f"{module}-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(f"[remora]\nmine = {module}\n")
    monkeypatch.syspath_prepend(str(folder))


def test_an_entry_point_of_the_group_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "remora_test_plugin.py").write_text(PACKAGE)
    install(tmp_path, "remora_test_plugin", monkeypatch)
    assert "from_a_package" in [row.name for row in load_rows()]


def test_an_entry_point_that_does_not_load_is_an_error_of_the_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "no_such_module_anywhere", monkeypatch)
    with pytest.raises(ConfigError, match="no_such_module_anywhere"):
        load_rows()
