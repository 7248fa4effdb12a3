"""A filter in words, grouped as it is read; a text written again is read as the same."""

from __future__ import annotations

import random

import pytest

from engine.kfl.explaining import explained
from engine.kfl.parsing import parse
from engine.kfl.writing import written
from tests.engine.kfl.randoms import random_filter

MIXED = """\
an item matches if
  all of these:
    http: protocol.abbr == "HTTP"
    any of these:
      src.name has r"^cata" in it
      not this:
        response.status is at least 500
      all of these:
        size is above 0
        error: error != nil
        response.content.text is not empty"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "an item matches, whatever it is"),
        ("tls", 'an item matches if\n  tls: (tls) or protocol.name == "tls"'),
        (
            'http and src.name == r"^cata" or !(response.status >= 500) or size and error and data',
            MIXED.replace("response.content.text is not empty", "data is true, which an object never is"),
        ),
        ('record("a")', 'an item matches if\n  record("a"): the item belongs to this recording'),
    ],
)
def test_kfl_in_words(text: str, words: str) -> None:
    assert "\n".join(explained(text, "kfl", {})) == words


def test_kfl2_in_words() -> None:
    words = explained('http && (path == "/" || !(size(url) > 3))', "kfl2", {})
    assert words[1:] == [
        "  all of these:",
        "    http",
        "    any of these:",
        '      path == "/"',
        "      !(size(url) > 3)",
    ]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_is_read_as_the_same(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(20):
        tree = parse(random_filter(rng))
        assert parse(written(tree)) == tree
