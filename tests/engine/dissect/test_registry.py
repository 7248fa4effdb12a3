from __future__ import annotations

from dataclasses import replace
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
    assert [(row.name, row.transport) for row in load_rows(installed=False)] == [("http", 6), ("dns", 17), ("dns", 6)]


def test_rows_of_a_plug_in_come_after_the_built_in_ones() -> None:
    assert [row.name for row in load_rows([Added()])][-1] == "added"


def test_a_module_without_dissectors_adds_none() -> None:
    assert load_rows([ModuleType("other")], installed=False) == load_rows(installed=False)


@pytest.mark.parametrize(("plugin", "found"), [(NotRows(), "'http'"), (Broken(), "no licence")])
def test_a_bad_plug_in_is_named(plugin: object, found: str) -> None:
    with pytest.raises(ConfigError, match=f"plug-in 'extra-0': remora_dissectors: expected .*rows.*{found}"):
        load_rows([plugin], installed=False)


def test_an_entry_point_of_the_group_is_found(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path_factory.mktemp("site")
    (site / "remora_test_plugin.py").write_text(
        "from dataclasses import replace\nfrom engine.dissect.http1 import ROW\nfrom hooks.plugins import hookimpl\n"
        "@hookimpl\ndef remora_dissectors():\n    return [replace(ROW, name='from_a_package')]\n"
    )
    described = site / "remora_test_plugin-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: remora-test-plugin\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[remora]\nmine = remora_test_plugin\n")
    monkeypatch.syspath_prepend(str(site))
    assert "from_a_package" in [row.name for row in load_rows()]


def test_an_entry_point_that_does_not_load_is_an_error_of_the_operator(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path_factory.mktemp("site")
    described = site / "remora_bad_plugin-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: remora-bad-plugin\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[remora]\nmine = no_such_module_anywhere\n")
    monkeypatch.syspath_prepend(str(site))
    with pytest.raises(ConfigError, match="no_such_module_anywhere"):
        load_rows()
