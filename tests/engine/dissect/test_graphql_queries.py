from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from typing import Any
from urllib.parse import quote

import pytest
from graphql import parse

from engine.dissect.graphql_queries import (
    MAX_BATCH,
    MAX_DEPTH,
    MAX_DOCUMENT_CHARS,
    MAX_JSON_BYTES,
    MAX_TOKENS,
    Operation,
    _read,
    operations_in_body,
    operations_in_query,
)
from engine.dissect.http1 import Http1
from engine.dissect.http_protocol import GQL_1_1, describe
from engine.dissect.options import DissectOptions
from engine.streams.stream import CLIENT
from tests.support.streams import chunks_of

JSON = "application/json"
CART = "query Cart($id: ID!) { cart(id: $id) { items { name } } total: sum }"


def body(query: Any, **more: Any) -> bytes:
    return json.dumps({"query": query, **more}).encode()


def asked(query: Any, **more: Any) -> list[Operation]:
    return operations_in_body(body(query, **more), JSON)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_persisted_query_is_no_document(method: str) -> None:
    hash_of = {"persistedQuery": {"version": 1, "sha256Hash": "ab" * 32}}
    if method == "POST":
        assert operations_in_body(json.dumps({"operationName": "Cart", "extensions": hash_of}).encode(), JSON) == []
        assert asked("{ me }", extensions=hash_of) == [Operation("query", "", ("me",))]  # who sends both registers it
    else:
        assert operations_in_query(f"operationName=Cart&extensions={quote(json.dumps(hash_of))}") == []
        assert operations_in_query(f"query={quote('{ me }')}") == [Operation("query", "", ("me",))]


@pytest.mark.parametrize(
    ("query", "operations"),
    [
        (CART, [Operation("query", "Cart", ("cart", "sum"))]),
        ("{ me { name } }", [Operation("query", "", ("me",))]),
        ("mutation Add { addItem(id: 7) { id } }", [Operation("mutation", "Add", ("addItem",))]),
        ("subscription { seen }", [Operation("subscription", "", ("seen",))]),
        ("# note\n,\ufeff{ a }", [Operation("query", "", ("a",))]),
        (
            "fragment F on X { y } query Q { ...F z } mutation M { w }",
            [Operation("query", "Q", ("z",)), Operation("mutation", "M", ("w",))],
        ),
        ("fragment F on X { y }", []),
        ("type X { y: Int }", []),
        ("SELECT * FROM carts", []),
        ("query cart", []),
        ("{ unclosed", []),
        ("query { a } trailing", []),
        ("", []),
        ("quer { a }", []),
    ],
)
def test_what_parses_as_graphql_is_told_by_operation(query: str, operations: list[Operation]) -> None:
    assert asked(query) == operations


def test_the_operation_that_is_named_is_the_one_that_is_asked() -> None:
    several = "query A { a } query B { b }"
    assert asked(several, operationName="B") == [Operation("query", "B", ("b",))]
    assert len(asked(several, operationName=None)) == 2
    assert len(asked(several, operationName="C")) == 2
    assert len(asked(several, operationName=["B"])) == 2


@pytest.mark.parametrize(
    "data",
    [
        b'{"query": {"match": {"name": "cod"}}}',
        b'{"query": null}',
        b'{"querying": "{ a }"}',
        b'["query", "{ a }"]',
        b'"query"',
        b'{"query": "{ a }"',
        b'{"query": "\xff"}',
        b"[" * 5000 + b'"query"',
        b'{"query": ' + b"9" * 5000 + b"}",
        json.dumps([{"query": "{ a }"}, {"query": 1}]).encode(),
        json.dumps([{"query": "{ a }"}] * (MAX_BATCH + 1)).encode(),
        b"",
    ],
)
def test_json_that_only_looks_like_it_is_none(data: bytes) -> None:
    assert operations_in_body(data, JSON) == []


def test_batches_bare_documents_and_query_strings() -> None:
    batch = json.dumps([{"query": "{ a }"}, {"query": "mutation { b }"}]).encode()
    assert [operation.fields for operation in operations_in_body(batch, f"{JSON}; charset=utf-8")] == [("a",), ("b",)]
    assert operations_in_body(b"{ me }", "application/graphql") == [Operation("query", "", ("me",))]
    assert operations_in_query("query=%7Bme%7D&operationName=") == [Operation("query", "", ("me",))]
    assert operations_in_query("q=1&query=cod+and+eel") == []
    assert operations_in_body(body("{ a }"), "text/plain") == []


HOSTILE = {
    "deep": "{a" * 3000 + "}" * 3000,
    "just too deep": "{a" * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1),
    "unclosed": "{a" * 5000,
    "lists": "{a(b:" + "[" * 5000,
    "many tokens": "{" + "a " * 7000 + "}",
    "just too many": "{" + "a " * (MAX_TOKENS - 1) + "}",
    "long": "{a}" + " " * MAX_DOCUMENT_CHARS,
    "hashes": "#" * 9000,
    "block of lines": '{a(b:"""' + "\n " * 8000 + '""" }',
    "escapes": '{a(b:"' + "\\u0041" * 2500 + '" }',
    "hashes and blanks": "# ," * 3000 + "x",
    "comments": "#" + "\n#" * 8000 + "{ a",
    "block text": '{a(b:"""' + '"' * 9000,
    "numbers": "{a(b:" + "1e" * 5000,
    "spread": "{" + "..." * 5000,
    "surrogates": '{a(b:"' + "\\ud800" * 2000 + '")}',
    "brackets": "{" + "}{" * 8000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_none_and_soon_so(name: str) -> None:
    _read.cache_clear()
    began_s = time.process_time()
    assert asked(HOSTILE[name]) == []
    assert time.process_time() - began_s < 0.5  # 20 ms where nothing else runs


def test_the_largest_document_that_is_read_and_the_largest_body() -> None:
    wide = "{" + "a " * (MAX_TOKENS - 2) + "}"
    assert len(asked(wide)[0].fields) == 20
    assert asked("{a" * MAX_DEPTH + "}" * MAX_DEPTH) == [Operation("query", "", ("a",))]
    assert asked("{ a }", variables={"x": "y" * (MAX_JSON_BYTES - 100)}) != []
    assert asked("{ a }", variables={"x": "y" * MAX_JSON_BYTES}) == []


def test_the_bounds_are_those_of_a_request_not_of_each_document() -> None:
    half = "{" + "a " * (MAX_TOKENS // 2) + "}"
    other = "{" + "b " * (MAX_TOKENS // 2) + "}"
    assert operations_in_body(json.dumps([{"query": half}]).encode(), JSON) != []
    assert operations_in_body(json.dumps([{"query": half}, {"query": other}]).encode(), JSON) == []


@pytest.mark.parametrize("seed", range(100))
def test_damaged_documents_are_read_as_graphql_core_does(seed: int) -> None:
    chance = random.Random(seed)
    text = list(CART)
    for _ in range(chance.randrange(1, 4)):
        text[chance.randrange(len(text))] = chance.choice('{}()[]:$!@ "#\n.a1é\0')
    query = "".join(text)
    try:
        kinds = [definition.kind for definition in parse(query).definitions]
    except Exception:  # whatever it says of a document that is none
        kinds = []
    expected = kinds.count("operation_definition")
    assert len(asked(query)) == (expected if expected else 0)


LATE = """
import sys
from engine.dissect import graphql_queries
graphql_queries.prepare()
opened = []
sys.addaudithook(lambda event, given: opened.append(given) if event in ("open", "import", "os.listdir") else None)
for query in ("query A($a: [Int!] = 1) @b { ...C }", 'fragment C on D { e(f: \"\"\"g\"\"\") }', "{ a(b: 1e) }", "{ a"):
    graphql_queries._read(query)
print(opened)
"""


@pytest.mark.slow
def test_nothing_is_imported_late() -> None:
    """A worker may not read files any more when the first query comes."""
    found = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_an_exchange_of_http_1_is_one_of_graphql_by_its_request() -> None:
    data = body(CART)
    post = b"POST /g HTTP/1.1\r\ncontent-type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)
    get = b"GET /g?query=%7Bme%7D HTTP/1.1\r\n\r\n"
    plain = b"GET /g?a=b HTTP/1.1\r\n\r\n"
    dissector = Http1(DissectOptions())
    found = [told.payload for chunk in chunks_of([(CLIENT, post), (CLIENT, get), (CLIENT, plain)])
             for told in dissector.feed(chunk)]  # fmt: skip
    assert [describe(payload, None) is GQL_1_1 for payload in found] == [True, True, False]
    assert found[0].section()["graphql"] == [{"type": "query", "name": "Cart", "fields": ["cart", "sum"]}]
    assert "graphql" not in found[2].section()
