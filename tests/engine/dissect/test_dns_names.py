from __future__ import annotations

import random

import pytest

from engine.dissect.dns_names import Damaged, Names, plain_name


def read(data: bytes, pos: int = 0) -> tuple[str, int] | None:
    try:
        return Names(data).read(pos)
    except Damaged:
        return None


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"\3www\7example\3com\0", "www.example.com"),
        (b"\1a\0", "a"),
        (b"\0", None),
        (b"\3www\0\0", None),
        (b"\3www", None),
        (b"\4www\0", None),
        (b"\3w.w\0", None),
        (b"\3w\\w\0", None),
        (b"\3w\xe9w\0", None),
        (b"\3www\xc0\x0c\0", None),
        (b"\x3f" + b"a" * 63 + b"\0", "a" * 63),
        (b"\x40" + b"a" * 64 + b"\0", None),
        ((b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0", ".".join(["a" * 63] * 3 + ["a" * 61])),
        ((b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0", None),
    ],
    ids=range(14),
)
def test_a_name_is_plain_from_its_first_byte_to_its_last_or_not_at_all(raw: bytes, name: str | None) -> None:
    assert plain_name(raw) == name


def test_a_plain_name_is_read_as_any_other() -> None:
    chance = random.Random(1)
    plain = 0
    for _ in range(5000):
        labels = [bytes(chance.choices(b"ab-.\\ \xe9\0\3", (9, 9, 9, 1, 1, 1, 1, 1, 1), k=chance.randrange(1, 5)))]
        labels += [b"example"] * chance.randrange(3)
        raw = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
        raw = raw[: chance.randrange(1, len(raw))] if chance.random() < 0.1 else raw
        name = plain_name(raw)
        plain += name is not None
        assert name is None or read(raw) == (name, len(raw))
    assert 1000 < plain < 4900


def test_pointers_lead_to_what_was_read_and_to_what_was_not() -> None:
    data = b"\3www\7example\3com\0" + b"\4mail\xc0\4" + b"\xc0\0" + b"\xc0\x11"
    names = Names(data)
    assert names.read(24) == ("www.example.com", 26)
    assert names.read(24) == ("www.example.com", 26)
    assert names.read(26) == ("mail.example.com", 28)
    assert names.read(17) == ("mail.example.com", 24)
    assert read(b"\xc0") is None
    assert read(b"\xc0\0") is None
