"""The generated source of KFL2 holds none of the filter's words; long and deep texts end in a result or an error."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from engine import kfl
from engine.kfl.cel import codegen
from engine.kfl.cel.checking import check
from engine.kfl.cel.parsing import parse

NAMES = re.compile(
    r"\b(?:def|return|if|else|not|or|and|is|in|try|except|lambda|False|None|type|str|int|len|item|recordings|get|slow|f"
    r"|AttributeError|Failure|EMPTY|MAX_INT|text_or_empty|read_int|startswith|endswith|now|"
    + "|".join(codegen._NAMES)
    + r"|[cfv]\d+)\b"
)
BREAKOUTS = [
    "x",
    '"); import os; os.abort() #',
    "'''\n\"\"\"\\",
    "{0.__class__}{}{{",
    "%s%n",
    "\n return True\n",
    "c1",
    "item",
]


def everything(word: str) -> str:
    """A filter that has ``word`` everywhere where a user may put one."""
    text = json.dumps(word)
    return (
        f"src.name == {text} || request.headers[{text}] == {text}"
        f" && ({text} in [{text}, path] ? true : path + {text} != {text})"
        f" || map_get(query_string, {text}, {text}) == {text} || path.matches({json.dumps(re.escape(word))})"
        f" || capture[{text}][5] == 5 || -size({text}) / 3 > src.port % 2 || now() > timestamp(5)"
    )


@pytest.mark.parametrize("word", BREAKOUTS)
def test_source_depends_on_the_shape_and_not_on_the_words(word: str) -> None:
    source = codegen.generate(check(parse(everything(word)), everything(word))).source
    harmless = everything("harmless")
    assert re.sub(r"\d+", "0", source) == re.sub(r"\d+", "0", codegen.generate(check(parse(harmless), harmless)).source)
    assert re.sub(r"[\s\d()=:;,.!<>{}*/%+\[\]-]", "", NAMES.sub("", source)) == ""
    assert kfl.compile(everything(word), "kfl2").matches({"src": {"name": word}}) is True


def test_generated_code_has_no_builtins() -> None:
    predicate: Any = kfl.compile("http && size(path) > 0").matches
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


def test_an_item_is_asked_for_nothing_but_get() -> None:
    item = {
        "protocol": {"abbr": "HTTP", "name": "http"},
        "response": {"status": 500},
        "src": {"port": "80"},
        "tls": True,
    }
    assert (
        kfl.compile('http && status_code == 500 && src.port == 80 && dst.name == "" && tls').matches(Lazy(item)) is True
    )


LONG = {
    "and": " && ".join(["http"] * 9000),
    "or": " || ".join(["src.name == 'x'"] * 3000),
    "failing": " || ".join(["request.headers.a == 'x'"] * 2000),
    "plus": "+".join(["1"] * 30_000) + " > 0",
    "compare": "==".join(["1"] * 20_000),
    "choice": "http ? true : " * 4000 + "false",
    "bangs": "!" * 60_000 + "http",
    "minus": "-" * 60_000 + "5 > 0",
    "members": "capture" + ".a" * 30_000 + " == 1",
    "indexes": "capture" + "[0]" * 20_000 + " == 1",
    "list": "src.name in [" + ", ".join(["'x'"] * 10_000) + "]",
    "open": "(" * 65_000,
    "brackets": "[" * 65_000,
    "parentheses": "(" * 1000 + "http" + ")" * 1000,
    "deep": "!(" * 60 + "http" + " == true || tls)" * 60,
    "deep and failing": "(" * 60 + "request.headers.a == 'x'" + " || http) && tls" * 60,
    "string": "path == '" + "x" * 65_000 + "'",
    "number": "9" * 65_000 + " > 0",
}


@pytest.mark.slow
@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_and_deep_texts_end_in_a_result_or_a_kfl_error(text: str) -> None:
    began = time.process_time()
    try:
        answer = kfl.compile(text, "kfl2").matches({"tls": True, "capture": {"a": {"a": {}}}})
    except kfl.KflError:
        answer = False
    assert isinstance(answer, bool)
    assert time.process_time() - began < 10
