"""What holds for every script that comes with Remora."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from engine.scripting.facades.scope import helper_names
from engine.scripting.loading import check_script
from tests.support.scripts import FOLDER, SCRIPTS

HEADED = [path for path in SCRIPTS if path.parent == FOLDER]


def names(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def test_there_are_five_and_a_template() -> None:
    assert {path.stem for path in HEADED} >= {
        "dns_failures", "error_rate_alert", "forensic_recorder", "slow_endpoints", "template", "top_talkers"
    }  # fmt: skip


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_it_loads_without_a_warning_and_has_a_title(path: Path) -> None:
    report = check_script(path.read_text(), path.name)
    assert report.warnings == ()
    assert report.header.title


@pytest.mark.parametrize("path", HEADED, ids=lambda path: path.stem)
def test_its_header_says_what_it_uses(path: Path) -> None:
    text = path.read_text()
    report = check_script(text, path.name)
    about = report.header.about
    assert sorted(about["Hooks"].split(", ")) == sorted(report.hooks)
    used = names(text) & (helper_names() - {"Item", "PacketInfo", "Record", "HelperError", "KflError"})
    assert sorted(about["Helpers"].split(", ")) == sorted(used)
    variables = {
        node.attr
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "env"
    }
    assert variables == {line.split()[0].rstrip(",") for line in about["Env"].splitlines()}
    assert "Cron" in about


@pytest.mark.parametrize("path", HEADED, ids=lambda path: path.stem)
def test_the_readme_names_it(path: Path) -> None:
    assert f"`{path.name}`" in (FOLDER / "README.md").read_text()
