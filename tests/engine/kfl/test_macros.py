"""Macros of one's own: whole words, as if in parentheses, and their mistakes are told from the filter's."""

from __future__ import annotations

from typing import Any

import pytest

from engine import kfl

ITEM: dict[str, Any] = {
    "protocol": {"name": "http", "abbr": "HTTP", "layer4": "tcp"},
    "tls": True,
    "error": {"type": "timeout", "msg": "late"},
    "src": {"name": "shop"},
    "request": {"https": "x"},
}


@pytest.mark.parametrize(
    ("text", "macros", "expected"),
    [
        pytest.param("https", {"https": "tls and (http or http2)"}, True, id="of built-in ones"),
        pytest.param("b", {"a": "http", "b": "a and tls"}, True, id="of each other"),
        pytest.param("a and false", {"a": "true or false"}, False, id="as if in parentheses"),
        pytest.param("a or true", {"a": "request.absent"}, True, id="missing stays inside"),
        pytest.param("http", {"http": "dns"}, False, id="before the built-in one"),
        pytest.param('request.https == "x"', {"https": "false"}, True, id="not after a dot"),
        pytest.param('"https" == "https"', {"https": "false"}, True, id="not in a string"),
        pytest.param("error", {"error": 'error.type == "timeout"'}, True, id="its own name is the field"),
        pytest.param('error.msg == "late"', {"error": "false"}, True, id="below a field of its name"),
        pytest.param("ours", {"ours": ""}, True, id="empty matches everything"),
        pytest.param("src.name.contains(a)", {"a": "'sho'"}, True, id="in an argument"),
        pytest.param("!a", {"a": "http"}, False, id="negated"),
    ],
)
def test_macro_means_its_text(text: str, macros: dict[str, str], expected: bool) -> None:
    assert kfl.compile(text, macros=macros).matches(ITEM) is expected


@pytest.mark.parametrize(
    ("macros", "reason"),
    [
        ({"a": "b", "b": "a"}, "in macro 'b': macros use each other in a circle: a -> b -> a"),
        ({"a": "a"}, "in macro 'a': unknown field 'a'"),
        ({"a": "tls and sr.name"}, "in macro 'a': unknown field 'sr'; did you mean 'src'?"),
        ({"a": "http or"}, "in macro 'a': the filter ends too early"),
        ({"a": "(" * 70 + "tls" + ")" * 70}, "in macro 'a': nested deeper than 64 parentheses"),
        ({"a": "tls", "x y": "tls"}, "macro 'x y': expected a name of letters, digits and _"),
        ({"a": "tls", "and": "tls"}, "macro 'and': expected a name of letters, digits and _"),
    ],
)
def test_mistake_in_a_macro_is_the_macros(macros: dict[str, str], reason: str) -> None:
    with pytest.raises(kfl.KflError) as caught:
        kfl.compile("http or a", macros=macros)
    assert caught.value.reason == reason


def test_macros_that_multiply_are_refused() -> None:
    doubling = {f"m{i}": f"m{i + 1} and m{i + 1}" for i in range(40)} | {"m40": "tls"}
    with pytest.raises(kfl.KflError, match="stand for more than 131072 characters"):
        kfl.compile("m0", macros=doubling)


def test_macros_that_only_nest_are_refused() -> None:
    nesting = {f"m{i}": f"m{i + 1}" for i in range(100)} | {"m100": "tls"}
    with pytest.raises(kfl.KflError, match="nested deeper than 64"):
        kfl.compile("m0", macros=nesting)


def test_other_macros_make_another_filter() -> None:
    assert kfl.compile("a", macros={"a": "true"}) is not kfl.compile("a", macros={"a": "false"})
    assert kfl.compile("a", macros={"a": "true"}) is kfl.compile("a", macros={"a": "true"})
