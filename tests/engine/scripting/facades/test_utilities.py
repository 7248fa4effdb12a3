"""Facts and conversions, here and in a real host, where nothing can be loaded any more."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import yaml

from engine.scripting.calls import HelperError
from engine.scripting.facades.utilities import Utils
from tests.support.scripthost import ITEM, Zygote


def random_value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(7 if depth < 4 else 5)
    if kind == 5:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 6:
        return {
            rng.choice(["a", "yes", "1", ": x", "ü"]): random_value(rng, depth + 1) for _ in range(rng.randrange(4))
        }
    return [None, True, rng.randrange(-(10**12), 10**12), rng.random(), rng.choice(["", "no", "a\nb", "- x", "\t"])][
        kind
    ]


@pytest.mark.parametrize("seed", range(30))
def test_yaml_says_what_the_json_said(seed: int) -> None:
    value = random_value(random.Random(seed))
    assert yaml.safe_load(Utils("n1").json2Yaml(json.dumps(value))) == value


def test_keys_keep_their_order() -> None:
    assert (
        Utils("n1").json2Yaml('{"b": 1, "a": {"d": [1, 2], "c": null}}') == "b: 1\na:\n  d:\n  - 1\n  - 2\n  c: null\n"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "expected JSON"),
        ("", "expected JSON"),
        ("[" * 20_000, "expected JSON"),
        ("\ud800", "expected JSON"),
        (5, "expected text, got int"),
    ],
)
def test_what_is_no_json_is_refused(text: Any, reason: str) -> None:
    with pytest.raises(HelperError, match=reason):
        Utils("n1").json2Yaml(text)


def test_it_works_in_the_jail(zygote: Zygote) -> None:
    host = zygote.spawn(
        "def onItemCaptured(data):\n    print(utils.json2Yaml(json.dumps({'a': [data.index, 'ü', None]})))\n"
    )
    host.ready()
    host.deliver(ITEM)
    assert host.lines == ["log: a:\n- 0\n- ü\n- null\n"]
    assert host.asked == []
