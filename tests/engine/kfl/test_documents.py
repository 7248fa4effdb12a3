"""Bodies as data: what they hold, and nothing where they cannot be read."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from engine.kfl.documents import read_document
from engine.kfl.values import MISSING

BOMB = '<!DOCTYPE a [<!ENTITY x "xxxx"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;</a>'


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("json", '{"a": [1, null]}', {"a": [1, None]}),
        ("json", encoded('{"a": 1}'), {"a": 1}),
        ("json", "1234", 1234),
        ("json", "true", True),
        ("json", encoded("true"), True),
        ("json", "", MISSING),
        ("json", "{", MISSING),
        ("json", "NaN", MISSING),
        ("json", "[" * 100_000, MISSING),
        ("json", "9" * 5000, MISSING),
        ("json", "\ud800", MISSING),
        ("json", {"a": 1}, MISSING),
        ("json", None, MISSING),
        ("xml", "<a>1</a>", {"a": "1"}),
        ("xml", encoded("<a>1</a>"), {"a": "1"}),
        ("xml", '<a id="3"> x <b/><b>2</b> </a>', {"a": {"-id": "3", "b": ["", "2"], "#text": "x"}}),
        ("xml", '<n:a xmlns:n="u"><n:b>1</n:b></n:a>', {"a": {"-n": "u", "b": "1"}}),
        ("xml", '<?xml version="1.0" encoding="latin-1"?><a>é</a>', {"a": "é"}),
        ("xml", "<a>", MISSING),
        ("xml", "", MISSING),
        ("xml", BOMB, MISSING),
        ("xml", "<a>" * 20_000 + "</a>" * 20_000, None),
    ],
)
def test_text_is_read_or_missing(kind: str, text: Any, expected: Any) -> None:
    found = read_document(kind, text)
    if expected is None:
        depth = 0
        while isinstance(found, dict):
            found, depth = found["a"], depth + 1
        assert depth == 20_000
    else:
        assert found == expected
