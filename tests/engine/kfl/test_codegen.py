"""The generated source holds none of the filter's words, and the function asks an item for nothing but ``get``."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from engine import kfl
from engine.kfl.codegen import generate
from engine.kfl.macros import expand

BREAKOUTS = [
    "x",
    '"); import os; os.abort() #',
    "'''\n\"\"\"\\",
    "{0.__class__}{}{{",
    "%s%n",
    "\n return True\n",
    "\x00\u2028",
    "v1",
    "MISSING",
    "item",
]
NAMES = re.compile(
    r"\b(?:def|return|if|else|not|or|and|is|in|try|except|while|None|True|False|break|type|str|int|item|recordings|get|h"
    r"|MISSING|AttributeError|truthy|equal|ordered|found|starts|ends|contains|negative|walk|header|startswith|endswith"
    r"|[cfhptv]\d+)\b"
)


def quoted(word: str) -> str:
    escaped = "".join(f"\\u{ord(letter):04x}" if letter in '\\"' or letter < " " else letter for letter in word)
    return f'"{escaped}"'


def everything(word: str) -> str:
    """A filter that has ``word`` everywhere where a user may put one."""
    text = quoted(word)
    pattern = 'r"' + re.escape(word).replace('"', "[\\x22]").replace("\\\n", "\\n") + '"'
    return (
        f"request[{text}] == {text} or request.headers[{text}][0] != {text} and (response.{'a'}.*[{text}] > 5"
        f" or !request.path.startsWith({text})) and (src.name == {pattern} or -data[{text}] < {text})"
    )


def shape(source: str) -> str:
    return re.sub(r"\d+", "0", source)


@pytest.mark.parametrize("word", BREAKOUTS)
def test_source_depends_on_the_shape_and_not_on_the_words(word: str) -> None:
    source = generate(expand(everything(word), {})).source
    assert shape(source) == shape(generate(expand(everything("harmless"), {})).source)
    assert re.sub(r"[\s\d()=:;,.!<>'-]", "", NAMES.sub("", source)) == ""
    assert kfl.compile(everything(word)).matches({"request": {word: word, "headers": {}}}) is True


def test_generated_code_has_no_builtins() -> None:
    predicate: Any = kfl.compile("tls").matches
    assert predicate.__globals__["__builtins__"] == {}


class Lazy(Mapping[str, Any]):
    """As items are: whoever counts its keys or walks over them makes it decode everything."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.known = known

    def __getitem__(self, key: str) -> Any:
        value = self.known[key]
        return Lazy(value) if isinstance(value, dict) else value

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("walked over")

    def __len__(self) -> int:
        raise AssertionError("counted")


@pytest.mark.parametrize(
    "text",
    [
        'http and response.status == 500 and src.namespace == "x"',
        "response != nil and !error and request != nil",
        'response == nil or request.headers.Host == "a"',
        'request.path.contains("x") or (request == request)',
        "response.list[0].a == 5",
    ],
)
def test_an_item_is_asked_for_nothing_but_get(text: str) -> None:
    item = {
        "protocol": {"abbr": "HTTP"},
        "response": {"status": 500, "list": [{"a": 5}]},
        "src": {"namespace": "x"},
        "request": {"headers": {"Host": "a"}, "path": "x"},
        "error": None,
    }
    assert kfl.compile(text).matches(Lazy(item)) is True


WRONG: list[Any] = [
    None,
    True,
    3,
    0.5,
    float("nan"),
    float("inf"),
    10**5000,
    "text",
    "",
    [],
    ["a"],
    [[]],
    {},
    {"a": []},
]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_no_json_makes_a_predicate_raise(wrong: Any) -> None:
    texts = [
        "http or dns or tcp", "src.name > 5", 'request.headers["a"] == "x"', "request..a", "request.*.* == response.*",
        "request.a[0].b == 1", "request.headers.* < response.list", "-data == data", '!error.startsWith("x")',
        "tls == 1", 'error == r"x"', "error < error", "data == request", "request.headers.A.b",
    ]  # fmt: skip
    names = ("protocol", "src", "request", "response", "tls", "error", "data")
    items: list[dict[str, Any]] = [
        dict.fromkeys(names, wrong),
        {name: {"headers": wrong, "a": wrong} for name in names},
    ]
    for text in texts:
        for item in items:
            assert isinstance(kfl.compile(text).matches(item), bool)


def test_deep_items_do_not_exhaust_the_stack() -> None:
    deep_list: Any = []
    deep_object: Any = {}
    for _ in range(20_000):
        deep_list, deep_object = [deep_list], {"a": deep_object}
    item = {"request": deep_list, "response": deep_object, "data": [[deep_list]]}
    for text in ("request..x", "response..a..a == 1", "response..b", "request == data", "request.* == 1"):
        assert kfl.compile(text).matches(item) is False
    while deep_list:  # or else freeing them exhausts it
        deep_list = deep_list.pop()


LONG = {
    "or": " or ".join(["src.name == 1"] * 3800),
    "macros": " or ".join(["http"] * 4000),
    "and": " and ".join(["!tls"] * 6500),
    "bangs": "!" * 60_000 + "tls",
    "minus": "-" * 60_000 + "5",
    "equalities": "==".join(["1"] * 20_000),
    "path": "request" + ".a" * 32_000,
    "descend": "request" + "..a" * 20_000,
    "string": "'" + "x" * 65_000 + "'",
    "number": "9" * 65_000,
    "comment": "/*" + "*" * 65_000,
    "open": "(" * 65_000,
    "pattern": 'src.name == r"' + "(" * 30_000 + ")" * 30_000 + '"',
    "deep": "!(" * 64 + "tls" + " == passed or failed)" * 64,
    "left": "(" * 64 + "tls" + " or passed) and failed" * 64,
}


@pytest.mark.slow
@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_and_deep_texts_end_in_a_result_or_a_kfl_error(text: str) -> None:
    began = time.process_time()
    try:
        answer = kfl.compile(text).matches({"tls": True, "request": {"a": {"a": {}}}})
    except kfl.KflError:
        answer = False
    assert isinstance(answer, bool)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http or dns", {"http", "dns"}),
        ("http", {"http"}),
        ("grpc or http2", {"http"}),
        ("http and dns", set()),
        ("http and (dns or src.name == 'x')", {"http"}),
        ("(http and tls) or kafka", {"http", "kafka"}),
        ("src.name == 'x' and redis", {"redis"}),
        ('"ldap" == protocol.name', {"ldap"}),
        ("false", set()),
        ("http and false or dns", {"http"} & {"dns"}),
        ("http or src.name == 'x'", None),
        ("tls", None),
        ("tcp", None),
        ("!http", None),
        ("protocol.name != 'http'", None),
        ("protocol.abbr == 'Something'", None),
        ("", None),
        ("true", None),
    ],
)
def test_protocols_are_those_that_can_match(text: str, expected: set[str] | None) -> None:
    assert kfl.compile(text).protocols == expected


def test_recordings_may_be_named() -> None:
    assert kfl.compile("tls").matches({"tls": True}, recordings={"r"}) is True
    assert kfl.compile("tls").matches({"tls": True}, ("r",)) is True


def test_a_filter_is_compiled_once() -> None:
    assert kfl.compile("http and tls") is kfl.compile("http and tls")
    assert kfl.compile("http and tls").text == "http and tls"


def test_the_public_names_are_three() -> None:
    assert sorted(kfl.__all__) == ["Filter", "KflError", "compile"]
