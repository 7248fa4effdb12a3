"""Each trap of the language is pointed at, and what is meant so is left alone."""

from __future__ import annotations

import pytest

from engine import kfl

QUOTES = "single quotes: in Kubeshark they are part of the text, which then never matches"
BOTH = "this is KFL2 as well, where"
REMARKS = [
    ("http and dns or tls", "and, or without parentheses: this is read as http and (dns or tls)", 10,
     "write (http and dns) or tls, or keep it so and add the parentheses"),
    ("a or b and (c or d) or e", "and, or without parentheses: this is read as a or (b and ((c or d) or e))", 6,
     "write a or (b and (c or d)) or e, or keep it so and add the parentheses"),
    ('response.status == r"4.*"', 'patterns are found anywhere: r"4.*" also matches 204 and 304', 20, 'write r"^4"'),
    ('src.name == r"cata.*"', 'patterns are found anywhere: r"cata.*" is the same as r"cata"', 13,
     'write r"^cata" for what begins with it'),
    ('elapsedTime == r"5"', 'patterns are found anywhere: r"5" matches any number that has it inside', 16,
     'write r"^5"'),
    ("src.name == 'x'", QUOTES, 13, 'write "x"'),
    ("src.name == r'^x'", QUOTES, 13, 'write r"^x"'),
    ('dns and request.path == "/"', "dns has no 'request.path'; http has: this is never true", 17, ""),
    ("http and response.stauts == 500",
     "no built-in protocol has 'response.stauts'; did you mean 'response.status'?", 19, ""),
    ('response.body == "x"', "only amqp has 'response.body'; did you mean 'response.content.text'?", 10, ""),
    ('request.body == "x"', "only amqp has 'request.body'; did you mean 'request.postData.text'?", 9, ""),
    ('response.status == "abc"', 'response.status is a number, and "abc" is none: this is never true', 20, ""),
    ('response.status != "abc"', 'response.status is a number, and "abc" is none: this is always true', 20, ""),
    ('tls == "yes"', 'tls is true or false, and "yes" is neither: this is never true', 8,
     "write tls == true, or tls alone"),
    ('protocol.name == "HTTP"', 'no built-in protocol has protocol.name "HTTP": this is never true', 18,
     "did you mean 'http'?"),
    ('error == "timeout"', "error is an object, which equals no text: this is never true", 10,
     "compare a field of it, such as error.type"),
    ('src.name == "a" and src.name == "b"', "src.name cannot be two things at once: this is never true", 33, "use or"),
    ('src.name > "abc"', '> compares numbers, and "abc" counts as 0', 12, "texts can be compared with == and !="),
    ("5 < src.name", "> compares numbers, and a text such as src.name counts as 0 if it is none", 1, ""),
    ("1 < index < 5", "comparisons in a row: this is 1 < (index < 5), and what is in parentheses is true or false", 5,
     "join two comparisons with and"),
    ("!request.path", "! turns only true and false: this is request.path itself", 1, 'write request.path == ""'),
    ("!(response)", "! turns only true and false: this is response itself", 1, "write response == nil"),
    ('!src.name == "x"', "! binds tighter than ==", 1, 'write !(src.name == "x")'),
    ("response", "response is an object, and objects are false", 1, "write response != nil"),
    ("true or http", "this filter matches every item, whatever is in it", 1, ""),
    ("http and false", "this filter matches nothing, whatever is in it", 1, ""),
    ("http and dns", "this filter matches nothing: no item has all of these protocols", 1, ""),
]  # fmt: skip
MACROS = {"a": "http", "b": "dns", "c": "tls", "d": "ws", "e": "redis"}


@pytest.mark.parametrize(("text", "reason", "column", "hint"), REMARKS, ids=[row[0] for row in REMARKS])
def test_trap_is_pointed_at(text: str, reason: str, column: int, hint: str) -> None:
    remarks = kfl.compile(text, "kfl", MACROS).diagnostics
    assert [(one.reason, one.line, one.column, one.hint) for one in remarks] == [(reason, 1, column, hint)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http or dns",
        '(response.status == 500) and (request.headers["User-Agent"] == "kube-probe/1.27+")',
        'src.namespace=="my-namespace" or dst.namespace=="my-namespace"',
        'src.name == r"^cata"',
        'response.status == r"^4..$"',
        'response.status == "404"',
        "http and (dns or tls)",
        "error and !error",
        "!tls",
        '!(src.name == "it\'s")',
        "src.port > 1024",
        "error == nil or error.type",
        'dns and request.questions.*.name == "x"',
        "(http and request.path) or (dns and response.code)",
        "ws and request.opcode == 1",
        'amqp and request.body == "x"',
        "timestamp > minutes(-5)",
        'request.path != "/" and request.path != "/health"',
    ],
)
def test_what_is_meant_so_is_left_alone(text: str) -> None:
    assert kfl.compile(text, "kfl").diagnostics == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http", f"{BOTH} http is HTTP/1.x and HTTP/2, and here HTTP/1.x alone"),
        ("tls == passed", ""),
        ("src.name > dst.name", f"{BOTH} texts are ordered as in a dictionary, and here as numbers"),
        ("tls == true == tcp", f"{BOTH} a == b == c is (a == b) == c, and here a == (b == c)"),
        ('!(request.headers["a"] == "b")',
         f"{BOTH} a key that is not there ends the filter, and here only the parentheses it stands in"),
        ("dns", ""),
    ],
)  # fmt: skip
def test_two_meanings_of_one_text_are_told_where_nobody_said_which(text: str, reason: str) -> None:
    notes = [one for one in kfl.compile(text).diagnostics if one.reason.startswith(BOTH)]
    assert [one.reason for one in notes] == ([reason] if reason else [])
    assert not [one for one in kfl.compile(text, "kfl").diagnostics if one.reason.startswith(BOTH)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http && dns", "this filter matches nothing: no item has all of these protocols"),
        ("true || http", "this filter matches every item"),
        ("http && !true", "this filter matches nothing"),
        ("http && status_code == 500", ""),
    ],
)
def test_kfl2_that_is_always_or_never_true_is_told(text: str, reason: str) -> None:
    assert [one.reason for one in kfl.compile(text).diagnostics] == ([reason] if reason else [])


def test_a_remark_is_shown_with_a_caret() -> None:
    (remark,) = kfl.compile('dns or\n  response.status == r"4.*"').diagnostics
    assert str(remark) == (
        'patterns are found anywhere: r"4.*" also matches 204 and 304\n'
        '    response.status == r"4.*"\n'
        "                       ^\n"
        'write r"^4"'
    )


def test_remarks_are_not_without_end() -> None:
    assert len(kfl.compile(" and ".join(["src.name == 'x'"] * 500)).diagnostics) == 100
