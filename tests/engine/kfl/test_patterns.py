"""Patterns are RE2's; those that need no engine say what RE2 says."""

from __future__ import annotations

import random
import re
import time

import pytest

from engine.kfl.patterns import PatternError, compile_pattern, re2_search

TEXTS = ["", "a", "ab", "xab", "abx", "a.b", "a\nb", "ab\n", "\nab", "b", "A", "é", "a b", "[", "ab*", "\ud800"]


@pytest.mark.parametrize("seed", range(20))
def test_patterns_without_an_engine_say_what_re2_says(seed: int) -> None:
    rng = random.Random(seed)
    pieces = ["a", "b", "^", "$", ".*", r"\.", ".", " ", "é", "x", r"\*", r"\[", "-"]
    for _ in range(100):
        pattern = "".join(rng.choices(pieces, k=rng.randrange(5)))
        try:
            slow = re2_search(pattern)
        except PatternError:
            continue
        fast = compile_pattern(pattern)
        assert [fast(text) for text in TEXTS] == [slow(text) for text in TEXTS], pattern


@pytest.mark.parametrize("pattern", ["a+b", "(a|b)c?", "[a-c]{2,3}x", "^a.c$", r"\d+\.\d", "(?i)AB"])
def test_what_both_understand_re2_and_re_find_alike(pattern: str) -> None:
    texts = ["ab", "aab", "c", "bc", "abcx", "a-c", "1.5", "15", "xAbx"]
    assert [compile_pattern(pattern)(text) for text in texts] == [bool(re.search(pattern, text)) for text in texts]


def test_no_pattern_runs_away() -> None:
    began = time.process_time()
    for pattern in ("(a+)+$", "(a|aa)*b", "(.*)*x", "a?" * 30 + "a" * 30):
        assert compile_pattern(pattern)("a" * 20_000 + "!") is (pattern[1] == "?")
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "pattern", ["(", "(?=x)", r"(a)\1", "a{1001}", "*", "\ud800", "((a{100}){100}){100}", "[[:x:]]"]
)
def test_what_re2_does_not_know_is_refused_with_a_reason(pattern: str) -> None:
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert str(caught.value)
