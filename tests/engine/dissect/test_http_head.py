from __future__ import annotations

import random

import pytest

from engine.dissect import http_head
from engine.dissect.http_head import ABSENT, Names, careful_head, head_of, plain_head

NAMES = [
    "Host",
    "host",
    "Cookie",
    "Set-Cookie",
    "Content-Type",
    "CONTENT-LENGTH",
    "Location",
    "X-A",
    "x-a",
    "Te st",
    "É",
]
VALUES = ["", "a", "a: b", "text/html; q=1", "a=b; c", " lead", "trail ", "tab\tin", "é", "a:b", "12"]
SEPARATORS = [": "] * 30 + [":", " : ", ":  ", ""]
LINE_ENDS = ["\r\n"] * 30 + ["\n", "\r\n "]


def a_head(seed: int) -> str:
    chance = random.Random(seed)
    lines = ["GET / HTTP/1.1"]
    for _ in range(chance.randrange(6)):
        lines.append(chance.choice(NAMES) + chance.choice(SEPARATORS) + chance.choice(VALUES))
    return "".join(line + chance.choice(LINE_ENDS) for line in lines) + chance.choice(("\r\n", "\r\n", "\n"))


def test_what_is_plain_is_read_as_the_careful_way_reads_it() -> None:
    plain = 0
    for seed in range(3000):
        text = a_head(seed)
        plain += text.endswith("\r\n\r\n") and plain_head(text) is not None
        assert head_of(text.encode("latin-1")) == careful_head(text), repr(text)
    assert 500 < plain < 2500


@pytest.mark.parametrize(
    "fields",
    ["", "Host: a\r\n", "Host: a\r\nX-Y: b: c\r\nAccept: */*\r\nCookie: a=1\r\n", "X-Empty: \r\n"],
)
def test_usual_heads_are_plain(fields: str) -> None:
    found = plain_head(f"GET / HTTP/1.1\r\n{fields}\r\n")
    assert (found is None) == ("X-Empty" in fields)


def test_fields_are_found_as_they_were_written() -> None:
    fields = b"CONTENT-type: a\r\nlocation: b\r\nSet-Cookie: c=1\r\ncookie: d=2\r\nTransfer-Encoding: e\r\n"
    head = head_of(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n")
    _, _, names, cookies = head
    assert (names.content_type, names.location, names.transfer_encoding) == (
        "CONTENT-type",
        "location",
        "Transfer-Encoding",
    )
    assert (names.content_length, names.content_encoding, names.cookies) == (ABSENT, ABSENT, ("Set-Cookie", "cookie"))
    assert cookies == ["c=1", "d=2"]


def test_what_is_remembered_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: dict[tuple[str, ...], Names] = {}
    monkeypatch.setattr(http_head, "_shapes", shapes)
    for number in range(3000):
        assert plain_head(f"GET / HTTP/1.1\r\nX-{number}: a\r\n\r\n") is not None
    assert 0 < len(shapes) <= 1024
    shapes.clear()
    assert plain_head(f"GET / HTTP/1.1\r\n{'X' * 2000}: a\r\n\r\n") is not None
    assert plain_head("GET / HTTP/1.1\r\n" + "".join(f"X-{n}: a\r\n" for n in range(100)) + "\r\n") is not None
    assert not shapes
