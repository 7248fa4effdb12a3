"""The generated code and the slow evaluator say the same; nothing makes either filter or predicate fall over."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine import kfl
from engine.kfl.macros import expand
from tests.engine.kfl import oracle
from tests.engine.kfl.randoms import LITERALS, MACROS, PATHS, PATTERNS, random_filter, random_item


def now_ms() -> int:
    return oracle.NOW_MS


@pytest.mark.parametrize("seed", range(40))
def test_generated_code_and_slow_evaluator_agree(seed: int) -> None:
    rng = random.Random(seed)
    items = [random_item(rng) for _ in range(20)]
    for _ in range(20):
        text = random_filter(rng)
        predicate, tree = kfl.compile(text, clock=now_ms).matches, expand(text, {})
        for item in items:
            assert predicate(item, {"mine"}) is oracle.matches(tree, item), (text, item)


@pytest.mark.parametrize("seed", range(10))
def test_protocols_leave_out_no_item_that_matches(seed: int) -> None:
    rng = random.Random(seed)
    items = [item for item in (random_item(rng) for _ in range(60)) if isinstance(item.get("protocol"), dict)]
    for _ in range(60):
        starts = [rng.choice(("http and", "dns or", "(http or dns) and", "!http or", "!(dns) and")) for _ in range(2)]
        one = kfl.compile(" ".join((*starts, rng.choice(("dns", random_filter(rng, 1))))))
        if one.protocols is not None:
            assert all(item["protocol"]["name"] in one.protocols for item in items if one.matches(item)), one.text


@pytest.mark.parametrize("seed", range(20))
def test_any_text_ends_in_a_filter_or_a_kfl_error(seed: int) -> None:
    rng = random.Random(seed)
    pieces = [
        *PATHS,
        *PATTERNS,
        *LITERALS,
        *MACROS,
        *"()[]{}.,!-=<>'\"`\\/*%&|\n\t r\x00\u2028é",
        "and",
        "or",
        "..",
        "//",
        "/*",
    ]
    item = random_item(rng)
    for _ in range(100):
        text = "".join(rng.choice(pieces) + rng.choice(("", " ")) for _ in range(rng.randrange(12)))
        settle(text, item)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_filter_ends_in_a_filter_or_a_kfl_error(seed: int) -> None:
    rng = random.Random(seed)
    item = random_item(rng)
    for _ in range(40):
        text = list(random_filter(rng))
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(text) + 1)
            text[place : place + rng.randrange(3)] = chr(rng.choice((rng.randrange(128), rng.randrange(0x3000))))
        settle("".join(text), item)


def settle(text: str, item: dict[str, Any]) -> None:
    try:
        answer = kfl.compile(text).matches(item)
    except kfl.KflError as error:
        located = error.text == text and error.line >= 1 and error.column >= 1
        assert located, error  # noqa: PT017 # a filter is as good as an error
    else:
        assert isinstance(answer, bool)
