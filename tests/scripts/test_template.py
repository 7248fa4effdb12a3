"""The template loads as it stands, and does what its comments say."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from engine.scripting.loading import check_script
from hooks.items import Item, PacketInfo
from hooks.specs import hook_names
from tests.support.scripthost import ITEM, Zygote

FOLDER = Path(__file__).parents[2] / "scripts"
TEMPLATE = (FOLDER / "template.py").read_text()


def test_the_template_loads_without_a_warning() -> None:
    report = check_script(TEMPLATE, "template.py")
    assert (report.hooks, report.warnings) == (("onItemCaptured", "onStreamClosed", "onShutdown"), ())


def test_the_template_counts_and_reports(zygote: Zygote) -> None:
    host = zygote.spawn(TEMPLATE, environment={"RECORDING_KFL": "http"}, answers={"state.load": b""})
    host.ready()
    assert host.asked == [("state.load",), ("jobs.schedule", "report", "0 * * * * *", 0)]
    assert host.filters == ["http"]
    half = {**ITEM, "request": None, "elapsedTime": None}
    assert host.deliver(ITEM, half) == (0, 2)
    assert host.run_job("report").error == ""
    assert host.lines == [
        "log: 2 items on node-1, start number 1",
        "log:        3 ms  http server /a",
        "log:        0 ms  http server ",
    ]
    assert host.shut_down() == ""


def test_the_template_refuses_a_bad_filter_in_words(zygote: Zygote) -> None:
    host = zygote.spawn(TEMPLATE, environment={"RECORDING_KFL": "http and"})
    (reason,) = host.refused()
    assert "RECORDING_KFL is no filter: 'http and'" in reason


def stub_fields(name: str) -> set[str]:
    tree = ast.parse((FOLDER / "__builtins__.pyi").read_text())
    (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return {
        node.target.id for node in found.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


@pytest.mark.parametrize("kind", [Item, PacketInfo], ids=lambda kind: kind.__name__)
def test_the_stub_has_every_field_of_what_hooks_get(kind: type) -> None:
    properties = {name for name, value in vars(kind).items() if isinstance(value, property)}
    fields = {name for name in kind.__annotations__ if not name.startswith("_")} | properties
    assert stub_fields(kind.__name__) == fields


@pytest.mark.parametrize("hook", hook_names())
def test_the_readme_names_every_hook(hook: str) -> None:
    assert hook in (FOLDER / "README.md").read_text()
