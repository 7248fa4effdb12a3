"""What ``redact()`` names is gone from the copy, the item itself is as it was."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest

from engine import kfl

BODY = {"user": {"name": "x", "token": "s3cret"}, "list": [{"token": 1}, {"token": 2}]}
XML = '<o id="7"><c>4111</c><i n="1">a</i><i>b</i></o>'
ITEM: dict[str, Any] = {
    "protocol": {"abbr": "HTTP", "name": "http"},
    "src": {"name": "cart"},
    "request": {"headers": {"Authorization": "Bearer 1", "Host": "h"}, "list": ["a", "b"], "text": "plain", "xml": XML},
    "response": {"text": json.dumps(BODY), "encoded": base64.b64encode(json.dumps(BODY).encode()).decode()},
}
HIDDEN = "[REDACTED]"


def applied(text: str, item: dict[str, Any] = ITEM) -> Any:
    before = copy.deepcopy(item)
    _, shown = kfl.compile(text).apply(item)
    assert item == before
    return shown


def at(item: Any, *path: Any) -> Any:
    for key in path:
        item = item[key]
    return item


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("src.name", ("src", "name")),
        ("request.headers.authorization", ("request", "headers", "Authorization")),
        ('request.headers["Authorization"]', ("request", "headers", "Authorization")),
        ("request", ("request",)),
        ("request.list[1]", ("request", "list", 1)),
        ("request.list.*", ("request", "list", 0)),
        ("request..Authorization", ("request", "headers", "Authorization")),
    ],
)
def test_what_is_named_is_hidden(path: str, place: tuple[Any, ...]) -> None:
    assert at(applied(f"redact({json.dumps(path)})"), *place) == HIDDEN


def test_what_is_not_named_stays() -> None:
    shown = applied('redact("src.name", "request.list[1]")')
    assert shown["request"] | {"list": None} == ITEM["request"] | {"list": None}
    assert shown["request"]["list"] == ["a", HIDDEN]
    assert shown["response"] == ITEM["response"]


@pytest.mark.parametrize("key", ["text", "encoded"])
def test_json_is_hidden_in_and_written_again_as_it_was(key: str) -> None:
    text = applied(f'redact("response.{key}.json().user.token", "response.{key}.json().list.*.token")')["response"][key]
    body = json.loads(base64.b64decode(text) if key == "encoded" else text)
    assert body == {"user": {"name": "x", "token": HIDDEN}, "list": [{"token": HIDDEN}, {"token": HIDDEN}]}


def test_xml_is_hidden_in_and_written_again() -> None:
    shown = applied('redact("request.xml.xml().o.c", "request.xml.xml().o.i[1]")')["request"]["xml"]
    assert shown == f'<o id="7"><c>{HIDDEN}</c><i n="1">a</i><i>{HIDDEN}</i></o>'
    assert 'id="[REDACTED]"' in applied('redact("request.xml.xml().o[\\"-id\\"]")')["request"]["xml"]


def test_a_body_that_is_cut_off_does_not_leak_what_was_to_be_hidden() -> None:
    cut = {"response": {"text": json.dumps(BODY)[:40]}}
    assert applied('redact("response.text.json().user.token")', cut)["response"]["text"] == HIDDEN
    encoded = {"response": {"text": ITEM["response"]["encoded"][:61]}}
    assert applied('redact("response.text.json().user.token")', encoded)["response"]["text"] == HIDDEN
    assert applied('redact("request.text.json().user.token")')["request"]["text"] == "plain"


def test_only_what_was_reached_is_hidden() -> None:
    text = '(http and redact("src.name")) or redact("request.text")'
    assert (applied(text)["src"]["name"], applied(text)["request"]["text"]) == (HIDDEN, "plain")
    dns = {**ITEM, "protocol": {"abbr": "DNS", "name": "dns"}}
    assert (applied(text, dns)["src"]["name"], applied(text, dns)["request"]["text"]) == ("cart", HIDDEN)


def test_an_item_in_which_nothing_is_hidden_is_the_item() -> None:
    assert kfl.compile("http").apply(ITEM) == (True, ITEM)
    assert kfl.compile("http").apply(ITEM)[1] is ITEM
    assert applied('dns and redact("src.name")') is ITEM
    assert kfl.compile('redact("src.name")').matches(ITEM) is True


def test_what_is_nested_beyond_reason_is_hidden_whole() -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}
    shown = kfl.compile('redact("request..token")').apply({"request": deep})[1]
    assert shown == {"request": HIDDEN}
