from __future__ import annotations

import random
from typing import Any

import pytest

from engine.dissect.http_forms import MAX_PARTS, parameters_of, params_of

FORM = 'multipart/form-data; boundary="a b"'


def multipart(*parts: tuple[str, bytes], end: bytes = b"--\r\n") -> bytes:
    said = b"".join(b"--a b\r\n%b\r\n\r\n%b\r\n" % (head.encode(), body) for head, body in parts)
    return said + b"--a b" + end


def named(value: str) -> str:
    return f"Content-Disposition: form-data; {value}"


@pytest.mark.parametrize(
    ("data", "params"),
    [
        (multipart((named('name="a"'), b"1"), (named("name=b"), b"")), [("a", "1"), ("b", "")]),
        (multipart((named('name="a"'), b"x\r\n--a"), end=b""), [("a", "x\r\n--a")]),
        (b"preamble\r\n" + multipart((named('name="a"'), b"1")) + b"epilogue", [("a", "1")]),
        (multipart((named('name="%22q%22 %41"'), b"")), [('"q" %41', "")]),
        (multipart((named(r'name="say \"hi\"; x=1"'), b"")), [('say "hi"; x=1', "")]),
        (multipart(("Content-Type: text/plain", b"no name"), (named("name=b"), b"2")), [("b", "2")]),
        (multipart((named('name="a"'), b"cut here"))[:-12], [("a", "cut her")]),
        (b"", []),
        (b"no boundary at all", []),
        (b"--a b--", []),
    ],
    ids=range(10),
)
def test_parts_are_params(data: bytes, params: list[tuple[str, str]]) -> None:
    assert [(param["name"], param["value"]) for param in params_of(FORM, data, None)] == params


@pytest.mark.parametrize(
    ("head", "file"),
    [
        ('name=f; filename="cat.png"\r\nContent-Type: image/png', {"fileName": "cat.png", "contentType": "image/png"}),
        ("name=f; filename*=UTF-8''k%C3%A4se.txt; filename=kase.txt", {"fileName": "käse.txt"}),
        ('name=f; filename=""', {"fileName": ""}),
    ],
)
def test_a_file_has_a_name_and_a_type_and_is_base64_where_it_is_no_text(head: str, file: dict[str, str]) -> None:
    (param,) = params_of(FORM, multipart((named(head), b"\xff\xfe")), None)
    assert param == {"name": "f", "value": "//4=", "encoding": "base64", **file}


def test_a_form_in_the_query_form_is_params_where_it_is_text() -> None:
    form = "application/x-www-form-urlencoded; charset=utf-8"
    assert params_of(form, b"a=1&b=%41+", "a=1&b=%41+") == [{"name": "a", "value": "1"}, {"name": "b", "value": "A "}]
    assert params_of(form, b"\xff", None) == []
    assert params_of("text/plain", b"a=1", "a=1") == []


def test_no_more_parts_than_the_limit_are_listed() -> None:
    assert len(params_of(FORM, multipart((named("name=a"), b"")) * 3000, None)) <= MAX_PARTS
    assert len(params_of(FORM, multipart(*[(named("name=a"), b"")] * 3000), None)) == MAX_PARTS


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("multipart/form-data; boundary=x; charset=utf-8", {"boundary": "x", "charset": "utf-8"}),
        ('a;Boundary="x;y";b = c', {"boundary": "x;y", "b": "c"}),
        ("a; b", {}),
        ("a", {}),
    ],
)
def test_parameters_of_a_field_are_read(value: str, found: dict[str, str]) -> None:
    assert parameters_of(value) == found


@pytest.mark.parametrize("seed", range(200))
def test_damage_raises_nothing(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(multipart((named('name="a"; filename="b"'), b"1"), (named("name=b"), b"2")))
    for _ in range(chance.randrange(1, 9)):
        data[chance.randrange(len(data))] = chance.choice(b'\r\n-;="\xff' + bytes([chance.randrange(256)]))
    params: list[dict[str, Any]] = params_of(FORM, bytes(data), None)
    assert all({"name", "value"} <= param.keys() for param in params)
