"""Each line of each example in ``docs/kfl.md`` does what its comment says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine import kfl
from engine.kfl.cel.overloads import FUNCTIONS
from engine.kfl.helpers import HELPERS
from engine.kfl.macros import BUILT_IN
from engine.kfl.parsing import MAX_DEPTH, MAX_TEXT_LENGTH
from tests.support.kfl_page import variables_table

PAGE = (Path(__file__).parents[3] / "docs" / "kfl.md").read_text()
ITEM = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
EXAMPLES = [
    (dialect, line)
    for dialect, block in re.findall(r"```(kfl2?)\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize(("dialect", "line"), EXAMPLES)
def test_example_does_what_its_comment_says(dialect: Any, line: str) -> None:
    said = line.rpartition("// ")[2]
    if said.startswith("error: "):
        with pytest.raises(kfl.KflError, match=re.escape(said.removeprefix("error: "))):
            kfl.compile(line, dialect)
    else:
        assert str(kfl.compile(line, dialect).matches(ITEM)).lower() == said.split(":")[0]


def test_the_table_of_variables_is_the_code() -> None:
    table = PAGE.split("<!-- variables -->\n")[1].split("<!-- /variables -->")[0]
    assert table == variables_table(), "run: python -m tests.support.kfl_page"


@pytest.mark.parametrize("name", HELPERS)
def test_every_helper_is_on_the_page(name: str) -> None:
    assert re.search(rf"`{name}[(`]", PAGE)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_of_kfl2_is_on_the_page(name: str) -> None:
    assert re.search(rf"\b{name}\b", PAGE)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) > 60


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_macro_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_the_limits_on_the_page_are_the_limits() -> None:
    assert f"{MAX_TEXT_LENGTH // 1024} Ki characters, parentheses {MAX_DEPTH} deep" in PAGE
