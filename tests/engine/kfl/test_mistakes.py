"""What is wrong with a filter is said when it is compiled: what, where, and what to write instead."""

from __future__ import annotations

import pytest

from engine import kfl

HELPERS = (
    "the helpers are startsWith, endsWith, contains, json, xml, record, redact, limit, datetime, now, seconds, minutes,"
    " hours, days, weeks, months, years"
)
DASH = 'a name with a dash is written in brackets: request.headers["Content-Type"]'
BRACKETS = 'brackets hold a number from 0, a "name" or *'
WORDS = "operators are and, or, ! in lower case"
MORE = "a value or a closing bracket is expected here"
MISTAKES = [
    ("status_cod >= 500", "unknown field 'status_cod'; did you mean 'response.status'?", 1, ""),
    ('Protocol.Name == "http"', "unknown field 'Protocol'; did you mean 'protocol'?", 1, ""),
    ("tls and elapsdTime > 5", "unknown field 'elapsdTime'; did you mean 'elapsedTime'?", 9, ""),
    ("htpp", "unknown field 'htpp'; did you mean 'http'?", 1, ""),
    ('namespace == "x"', "unknown field 'namespace'; did you mean 'src.namespace'?", 1, ""),
    ("zzzz", "unknown field 'zzzz'", 1, ""),
    ('src.nam == "x"', "unknown field 'src.nam'; did you mean 'src.name'?", 5, ""),
    ('protocol["nam"] == 1', "unknown field 'protocol.nam'; did you mean 'protocol.name'?", 10, ""),
    ("http.request.path", "unknown field 'http'; as a macro it stands alone", 1, ""),
    ("tls.foo", "'tls' is a flag; it has no field 'foo'", 5, ""),
    ("stream[0]", "'stream' is text, not a list", 8, ""),
    ('src == "x"', "'src' is an object; compare one of its fields, such as src.ip", 1, ""),
    ('node == r"n"', "'node' is an object; compare one of its fields, such as node.name", 1, ""),
    ("5 < dst", "'dst' is an object; compare one of its fields, such as dst.ip", 5, ""),
    ('src.contains("x")', "'src' is an object; compare one of its fields, such as src.ip", 1, ""),
    ('recrod("a")', "unknown helper 'recrod'; did you mean 'record'?", 1, HELPERS),
    ("record(src.name)", "'record' takes a text in quotes", 8, 'such as record("incident")'),
    ('request.record("a")', "'record' stands alone", 9, 'such as record("incident")'),
    ("json().a == 1", "'json' needs a field before it", 1, 'such as response.content.text.json().id == "7"'),
    ("request.path.json(1)", "'json' takes 0 argument, got 1", 14, ""),
    ("now().a", "nothing can follow 'now'", 7, "such as timestamp < now()"),
    ('timestamp > minutes("5")', "'minutes' takes a number", 21, "such as timestamp > minutes(-1)"),
    ("limit(-1)", "'limit' takes a number", 7, "such as limit(100)"),
    (
        'timestamp > datetime("2021-10-19")',
        "'datetime' takes a time such as 10/19/2021, 6:29:02 PM",
        22,
        'such as timestamp > datetime("10/19/2021, 6:29:02 PM")',
    ),
    (
        "redact(request.path)",
        "'redact' takes paths in quotes",
        8,
        'such as redact("request.headers.Authorization")',
    ),
    (
        'redact("a b")',
        "'redact' takes paths in quotes: unexpected 'b'",
        8,
        'such as redact("request.headers.Authorization")',
    ),
    (
        'request.path.matches("/")',
        "unknown helper 'matches'",
        14,
        'patterns go with ==: request.path == r"^/api"',
    ),
    ('request.path.minuts("/")', "unknown helper 'minuts'", 14, HELPERS),
    ('request.path.startswith("/")', "unknown helper 'startswith'; did you mean 'startsWith'?", 14, HELPERS),
    ('contains("x")', "'contains' needs a field before it", 1, 'such as request.path.contains("cart")'),
    ("request.path.contains()", "'contains' takes 1 argument, got 0", 14, ""),
    ('src.name.contains("a", "b")', "'contains' takes 1 argument, got 2", 10, ""),
    ('src.name.contains("a").b', "nothing can follow 'contains': its value is true or false", 10, ""),
    ('src.name.contains(r"a")', "'contains' takes text", 19, 'regular expressions go with ==: src.name == r"x"'),
    ("src.name.contains(sr.name)", "unknown field 'sr'; did you mean 'src'?", 19, ""),
    ('src.name == r"("', "bad regular expression: missing ): (", 13, "patterns are those of RE2"),
    (
        'src.name == r"(?=a)b"',
        "bad regular expression: invalid perl operator: (?=",
        13,
        "RE2 looks neither ahead nor behind; say it with 'and' and another comparison",
    ),
    (
        r'src.name == r"(a)\1"',
        "bad regular expression: invalid escape sequence: \\1",
        13,
        "RE2 has no references to earlier groups",
    ),
    (
        'src.name == r"a{2000}"',
        "bad regular expression: invalid repetition size: {2000}",
        13,
        "RE2 repeats at most 1000 times",
    ),
    ('src.name > r"a"', "a regular expression can only be compared with == and !=", 12, ""),
    ('tls and r"a"', "a regular expression can only be compared with == and !=", 9, ""),
    ('r"a"', "a regular expression needs something to match", 1, 'such as src.name == r"cata.*"'),
    ('(r"a")', "a regular expression needs something to match", 2, 'such as src.name == r"cata.*"'),
    ('r"a" == r"b"', "a regular expression needs something to match", 9, ""),
    ('!r"a"', "a regular expression has no opposite", 2, ""),
    ('src.name == "\\d"', "unknown escape '\\\\d'", 14, "write \\\\ for a backslash, or use `...`"),
    ('src.name == "x', "unexpected '\"'", 13, "is this string closed?"),
    ('src.name === "x"', "unexpected '='", 12, "write == to compare"),
    ('src.name = "x"', "unexpected '='", 10, "write == to compare"),
    ("http && dns", "unexpected '&'", 6, "write 'and'"),
    ("http || dns", "unexpected '|'", 6, "write 'or'"),
    ("http AND dns", "unexpected 'AND'", 6, "write 'and'"),
    ("not tls", "unexpected 'tls'", 5, "write '!' for not"),
    ("and", "unexpected 'and'", 1, WORDS),
    ("http and or", "unexpected 'or'", 10, WORDS),
    ("request.headers.Content-Type", "unexpected '-'", 24, DASH),
    ("response.answers[-1]", "unexpected '-'", 18, BRACKETS),
    ("http dns", "unexpected 'dns'", 6, ""),
    ("http)", "unexpected ')'", 5, ""),
    ("http or", "the filter ends too early", 8, MORE),
    ("(http", "the filter ends too early", 6, MORE),
    ("(" * 1000 + "tls" + ")" * 1000, "nested deeper than 64 parentheses", 65, ""),
]


@pytest.mark.parametrize(("text", "reason", "column", "hint"), MISTAKES, ids=[row[0][:30] for row in MISTAKES])
def test_mistake_is_named_and_pointed_at(text: str, reason: str, column: int, hint: str) -> None:
    with pytest.raises(kfl.KflError) as caught:
        kfl.compile(text, "kfl")
    error = caught.value
    assert (error.reason, error.line, error.column, error.hint) == (reason, 1, column, hint)


def test_the_caret_stands_below_the_mistake() -> None:
    with pytest.raises(kfl.KflError) as caught:
        kfl.compile("http and\n  sr.name == 'x'")
    assert str(caught.value) == "unknown field 'sr'; did you mean 'src'?\n    sr.name == 'x'\n    ^"


def test_a_text_that_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(kfl.KflError, match="70000 characters; the limit is 65536"):
        kfl.compile("a" * 70_000)


def test_an_unknown_dialect_is_named() -> None:
    with pytest.raises(kfl.KflError, match="unknown dialect 'kfl9'"):
        kfl.compile("http", "kfl9")  # type: ignore[arg-type] # that is the point
