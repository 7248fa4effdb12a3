"""Each line of each example in ``docs/kfl.md`` does what its comment says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine import kfl
from engine.kfl.macros import BUILT_IN
from engine.kfl.parsing import MAX_DEPTH, MAX_TEXT_LENGTH

PAGE = (Path(__file__).parents[3] / "docs" / "kfl.md").read_text()
ITEM = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
EXAMPLES = [line for block in re.findall(r"```kfl\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("line", EXAMPLES)
def test_example_does_what_its_comment_says(line: str) -> None:
    said = line.rpartition("// ")[2]
    if said.startswith("error: "):
        with pytest.raises(kfl.KflError, match=re.escape(said.removeprefix("error: "))):
            kfl.compile(line)
    else:
        assert said.split(":")[0] == str(kfl.compile(line).matches(ITEM)).lower()


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) > 40


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_macro_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_the_limits_on_the_page_are_the_limits() -> None:
    assert f"{MAX_TEXT_LENGTH // 1024} Ki characters, parentheses {MAX_DEPTH} deep" in PAGE
