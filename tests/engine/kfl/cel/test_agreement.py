"""The generated code of KFL2 and the slow evaluator say the same, and nothing makes either fall over."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine import kfl
from engine.kfl.cel.parsing import parse
from engine.kfl.cel.variables import VARIABLES
from engine.kfl.cel.writing import written
from tests.engine.kfl.cel import cel_oracle
from tests.engine.kfl.cel.cel_randoms import boolean
from tests.engine.kfl.randoms import VALUES, maybe, random_item


def now_ms() -> int:
    return cel_oracle.NOW_MS


def item_of(rng: random.Random) -> dict[str, Any]:
    item = random_item(rng)
    if isinstance(item.get("request"), dict):
        item["request"] |= {
            "method": rng.choice(("GET", "POST")),
            "queryString": maybe(rng, {"name": rng.choice(VALUES)}),
        }
    item["capture"] = maybe(rng, {"a": rng.choice(VALUES)})
    return item


@pytest.mark.parametrize("seed", range(30))
def test_generated_code_and_slow_evaluator_agree(seed: int) -> None:
    rng = random.Random(seed)
    items = [item_of(rng) for _ in range(20)]
    for _ in range(20):
        text = boolean(rng, 3)
        one, tree = kfl.compile(text, "kfl2", clock=now_ms), parse(text)
        for item in items:
            assert one.matches(item) is cel_oracle.matches(tree, item), (text, item)
            if one.protocols is not None and isinstance(item.get("protocol"), dict) and one.matches(item):
                assert item["protocol"]["name"] in one.protocols


@pytest.mark.parametrize("seed", range(10))
def test_what_is_written_is_read_as_the_same(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(30):
        tree = parse(boolean(rng, 3))
        assert parse(written(tree)) == tree


DEFAULTS: dict[str, Any] = {"string": "", "int": 0, "bool": False, "timestamp": 0, "list": [], "map": {}, "headers": {}}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_has_its_type_whatever_the_item_holds(name: str) -> None:
    variable = VARIABLES[name]
    default = DEFAULTS[variable.type.name]
    assert variable.read({}) == default
    halves = (
        "protocol",
        "request",
        "response",
        "src",
        "dst",
        "node",
        "capture",
        "error",
        "data",
        "tls",
        "stream",
        "id",
    )
    names = ("name", "abbr", "layer4", "headers", "status", "method", "questions", "answers", "pod", "metadata", "port")
    for one in (*VALUES, float("inf"), float("nan"), 10**400, [[{}]]):
        for item in (dict.fromkeys(halves, one), dict.fromkeys(halves, dict.fromkeys(names, one))):
            found = variable.read(item)
            assert isinstance(found, type(default)) or variable.type.name in ("map", "headers")
            assert type(found) is not bool or variable.type.name == "bool"
            if isinstance(found, list):
                assert all(isinstance(part, str) for part in found)


@pytest.mark.parametrize("seed", range(10))
def test_a_damaged_filter_ends_in_a_filter_or_a_kfl_error(seed: int) -> None:
    rng = random.Random(seed)
    item = item_of(rng)
    for _ in range(40):
        text = list(boolean(rng, 2))
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(text) + 1)
            text[place : place + rng.randrange(3)] = chr(rng.choice((rng.randrange(128), rng.randrange(0x3000))))
        try:
            assert isinstance(kfl.compile("".join(text), "kfl2").matches(item), bool)
        except kfl.KflError as error:
            assert error.line >= 1  # noqa: PT017 # a filter is as good as an error
