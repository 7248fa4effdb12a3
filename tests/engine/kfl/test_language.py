"""What each part of the language means, one row per rule."""

from __future__ import annotations

from typing import Any

import pytest

from engine import kfl

HTTP = {"name": "http", "abbr": "HTTP", "layer4": "tcp"}
DNS = {"name": "dns", "abbr": "DNS", "layer4": "udp"}
ITEM: dict[str, Any] = {
    "protocol": HTTP,
    "tls": False,
    "index": 7,
    "elapsedTime": 0.5,
    "timestamp": 1635190131000,
    "error": None,
    "src": {"name": "catalogue", "namespace": "shop", "port": "40000"},
    "dst": {"name": "db", "namespace": "data", "port": "80"},
    "request": {
        "path": "/api/http",
        "http": "yes",
        "and": "keyword",
        "headers": {"User-Agent": "kube-probe/1.27+", "x-b3": None, "X-B3": "second"},
        "list": ["a", 5, {"name": "x", "deep": {"name": "y"}}],
        "quote": 'a"b\n',
        "empty": [],
        "numbers": [1, 9],
    },
    "response": {"status": 500, "body": {}, "text": "", "big": 10**400, "nothing": None, "down": -1},
}

# Every filter of the documents that the product answers to, except those with record().
SEEDS = {
    "http or dns": True,
    'src.namespace=="my-namespace" or dst.namespace=="my-namespace"': False,
    'src.name==r"cata.*"': True,
    '(response.status == 500) and \n(request.headers["User-Agent"] == "kube-probe/1.27+") and \n'
    '(src.name == "kube-prometheus-stack-prometheus-node-exporter")': False,
}
EMPTY = {"": True, "  \n": True, "// nothing": True, "/* nothing */ // at all": True}
GROUPING = {
    "false and true or true": False,
    "(false and true) or true": True,
    "true or false and false": True,
    "false or true and false": False,
    "true and false or true": True,
    "1 == 1 == 1": False,
    "1 == 1 == true": False,
    "true == 1 == 1": True,
    "3 > 2 > 1": True,
    "2 > 1 == true": True,
    "!false == true": True,
    "!(1 == 2)": True,
    "(index) == 7": True,
    "(request.absent) == false": True,
}
MISSING = {
    "request.absent": False,
    'request.absent != "x"': False,
    "!request.absent": False,
    "request.absent or true": False,
    "true or request.absent": True,
    "false and request.absent": False,
    "!(request.absent)": True,
    "(request.absent) or true": True,
    "true and (request.absent or true)": False,
    "(request.absent or true) or true": True,
    'request.absent.contains("")': False,
    'request.absent.contains("x") or true': True,
    "outgoing": False,
    "outgoing == false": False,
    "response.status.deeper == 1": False,
    "error.msg == nil": False,
    "src.name.contains(request.absent)": False,
}
TRUTH = {
    "src.name": True,
    "response.text": False,
    "index": True,
    "response.down": False,
    "0": False,
    "-1": False,
    "0.1": True,
    "tls": False,
    "request.list": True,
    "request.empty": False,
    "nil": False,
    "error": False,
    "!error": True,
    "response.body": False,
    '"x"': True,
    "!src.name": True,
    "!response.text": False,
    "!index": True,
    "!response.body": False,
    "!(src.name == 1)": True,
    "!!src.name": True,
    "true": True,
}
EQUALITY = {
    '500 == "500"': True,
    'response.status == "500"': True,
    'response.status != "500"': False,
    "response.status == 500.0": True,
    'tls == "false"': True,
    "tls == 0": False,
    "true == 1": False,
    'nil == "null"': True,
    "error == nil": True,
    "response.nothing == nil": True,
    'response.body == ""': True,
    "timestamp == 1635190131000": True,
    "timestamp == 1635190131001": False,
    "9007199254740993 == 9007199254740992": False,
    'elapsedTime == "0.5"': True,
    "response.big == 1": False,
    '500 == "500.0"': False,
    "src.name == src.name": True,
    "src.name != dst.name": True,
}
ORDER = {
    "response.status >= 500": True,
    "src.port > 1024": True,
    'src.port > "1024"': True,
    "src.name < 1": True,
    "elapsedTime < 1": True,
    "tls >= 0": True,
    "response.big > 1e300": True,
    "9007199254740993 > 9007199254740992": True,
    "response.down < 0": True,
    "- index < 0": True,
    "-response.down == 1": True,
    '-src.name == "catalogue"': True,
}
PATTERNS = {
    'response.status == r"4.*"': False,
    'response.status == r"5.*"': True,
    'src.name == r"talo"': True,
    'src.name == r"^talo"': False,
    'src.name != r"talo"': False,
    'r"talo" == src.name': True,
    'src.name == (r"talo")': True,
    "src.name == r'cata'": True,
    "src.name == r`^\\w+$`": True,
    'request.path == r"\\/api\\/\\w+"': True,
    'request.list == r"^a$"': True,
    'request.list.* == r"^a$"': True,
    'error == r"null"': True,
}
STRINGS = {
    "src.name == 'catalogue'": True,
    "src.name == `catalogue`": True,
    'request.quote == "a\\"b\\n"': True,
    'src.name == "\\u0063atalogue"': True,
    'src.name == "\\x63atalogue"': True,
    'src.name == "cat" // "alogue"': False,
    'request.quote == "// no comment"': False,
}
PATHS = {
    'request.headers["User-Agent"] == "kube-probe/1.27+"': True,
    'request.headers["user-agent"] == "kube-probe/1.27+"': True,
    "request.headers.HOST": False,
    'request.headers["X-B3"] == "second"': True,
    'request["path"] == "/api/http"': True,
    'request.http == "yes" and http': True,
    'request.and == "keyword"': True,
    'request.list[0] == "a"': True,
    "request.list[9]": False,
    "request.list[99999999999999999999999]": False,
    'request.list[2].name == "x"': True,
    'request.list[2]["deep"]["name"] == "y"': True,
    'request.list == "a"': True,
    "request.list == 5": True,
    "request.list != 5": False,
    "request.list != 6": True,
    "request.numbers > 8": True,
    "request.numbers < request.numbers": False,
    "request.numbers <= request.numbers": False,
    "request.numbers == request.numbers": True,
    "request.numbers > request.empty": False,
    'request.* == "yes"': True,
    'request.list.*.name == "x"': True,
    'request.list[*].name == "x"': True,
    'request..name == "y"': True,
    'request..name == "z"': False,
    "request.empty.* or true": False,
    'request.headers.* == r"^kube"': True,
}
HELPERS = {
    'request.path.startsWith("/api")': True,
    'request.path.endsWith("http")': True,
    'request.path.contains("pi/h")': True,
    'request.path.contains("x")': False,
    'response.status.startsWith("5")': True,
    'request.list.contains("a")': True,
    'request.path.contains(request.path) and src.name.contains("")': True,
    "response.status.contains(0)": True,
    'request.headers["user-agent"].startsWith("kube")': True,
    'tls.contains("als")': True,
}
TABLES = (SEEDS, EMPTY, GROUPING, MISSING, TRUTH, EQUALITY, ORDER, PATTERNS, STRINGS, PATHS, HELPERS)


@pytest.mark.parametrize(("text", "expected"), [row for table in TABLES for row in table.items()])
def test_filter_says(text: str, expected: bool) -> None:
    assert kfl.compile(text).matches(ITEM) is expected


@pytest.mark.parametrize("abbr", ["HTTP", "HTTP/2", "gRPC", "GQL"])
def test_http_is_one_of_the_four_kinds_of_http(abbr: str) -> None:
    item = {"protocol": {"name": "http", "abbr": abbr}}
    names = {"http": "HTTP", "http2": "HTTP/2", "grpc": "gRPC", "gql": "GQL"}
    assert {name: kfl.compile(name).matches(item) for name in names} == {
        name: abbr == wanted for name, wanted in names.items()
    }


@pytest.mark.parametrize(
    ("text", "item", "expected"),
    [
        ("dns", {"protocol": DNS}, True),
        ("udp", {"protocol": DNS}, True),
        ("tcp", {"protocol": DNS}, False),
        ("tls", {"tls": True, "protocol": HTTP}, True),
        ("tls", {"tls": False, "protocol": {"name": "tls"}}, True),
        ("tls", {"protocol": {"name": "tls"}}, True),
        ("tls", {"tls": False, "protocol": HTTP}, False),
        ("!tls", {"tls": False, "protocol": HTTP}, True),
        ("tls == true", {"tls": True}, True),
        ("kafka", {"protocol": {"name": "kafka"}}, True),
        ("http", {}, False),
        ("!http", {}, True),
    ],
)
def test_macro_says(text: str, item: dict[str, Any], expected: bool) -> None:
    assert kfl.compile(text).matches(item) is expected
