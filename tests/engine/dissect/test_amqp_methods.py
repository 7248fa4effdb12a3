"""The table of methods and the values of AMQP against pamqp and pika."""

from __future__ import annotations

import datetime
import random
import struct
import time
from decimal import Decimal
from typing import Any

import pytest
from pamqp import commands, encode, frame
from pika import data as pika_data

from engine.dissect.amqp_methods import METHODS, read_arguments, waits
from engine.dissect.amqp_payload import AmqpPayload
from engine.dissect.amqp_values import MAX_DEPTH, Damaged, table
from engine.dissect.framed import Frame
from tests.support import amqp_wire

COMMANDS: dict[int, Any] = dict(commands.INDEX_MAPPING)
WHEN = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC)
TABLES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "empty": ({}, {}),
    "text": ({"a": "é", "": "x" * 300}, {"a": "é", "": "x" * 300}),
    "numbers": (
        {"byte": 5, "short": -300, "long": 1 << 30, "longer": -(1 << 40), "flag": False, "float": 0.5},
        {"byte": 5, "short": -300, "long": 1 << 30, "longer": -(1 << 40), "flag": False, "float": 0.5},
    ),
    "others": (
        {"none": None, "bytes": bytearray(b"\xff\x00"), "price": Decimal("-12.34"), "when": WHEN},
        {"none": None, "bytes": "/wA=", "price": "-12.34", "when": 1_700_000_000},
    ),
    "nested": (
        {"table": {"list": [1, "two", [None, {"three": 3}]], "after": True}, "last": 1},
        {"table": {"list": [1, "two", [None, {"three": 3}]], "after": True}, "last": 1},
    ),
}


def test_the_methods_are_those_of_the_library() -> None:
    known = {key for key in METHODS if key >> 16 != 30}  # class access was taken out of 0-9-1
    assert known == set(COMMANDS)
    for key, command in COMMANDS.items():
        method = METHODS[key]
        group, _, name = method.name.partition(" ")
        assert f"{group}.{name}".replace("-", "").lower() == command.__qualname__.lower().replace("_", "")
        assert method.is_asking is command.synchronous
        answers = {answer.replace(".", " ").lower() for answer in command.valid_responses}
        assert {each.name.replace("-", "") for each in METHODS.values() if each.answers == key} == answers


@pytest.mark.filterwarnings("ignore:This command is deprecated")
@pytest.mark.parametrize("key", COMMANDS, ids=lambda key: METHODS[key].name)
def test_arguments_are_read_as_the_library_writes_them(key: int) -> None:
    method, command = METHODS[key], COMMANDS[key]
    for seed in range(8):
        given, shown = arguments(command, random.Random(f"{method.name} {seed}"))
        section = payload_of(frame.marshal(command(**given), 3)).section()
        for name in [name for name in shown if (method.name, name) in amqp_wire.SECRET]:
            shown[name] = f"({len(shown[name].encode())} bytes)"
        section.pop("properties", None)
        section.pop("body", None)
        assert section == {"method": method.name, "channel": 3, **shown}


def arguments(command: Any, chance: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    given, shown = {}, {}
    for name in command.attributes():
        if name not in amqp_wire.RESERVED:
            given[name] = value_of(command.amqp_type(name), name, chance)
            shown[amqp_wire.camel(name)] = given[name]
    return given, shown


def value_of(kind: str, name: str, chance: random.Random) -> Any:
    if kind == "table":
        return dict(chance.choice([TABLES[each][0] for each in ("empty", "text", "numbers", "nested")]))
    if kind == "bit":
        return chance.random() < 0.5
    if kind in ("shortstr", "longstr"):
        return "".join(chance.choices("abc.-:", k=chance.choice((0, 1, 9, 120)))) if name != "virtual_host" else "/"
    return chance.choice((0, 1, (1 << {"octet": 8, "short": 16, "long": 32, "longlong": 63}[kind]) - 1))


def payload_of(data: bytes) -> AmqpPayload:
    method = METHODS[int.from_bytes(data[7:11], "big")]
    return AmqpPayload(method, int.from_bytes(data[1:3], "big"), Frame(data, len(data), 1, 2, "", False), True)


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_pamqp(name: str) -> None:
    given, shown = TABLES[name]
    data = encode.field_table(given)
    assert table(b"xx" + data + b"yy", 2) == (shown, 2 + len(data))


@pytest.mark.parametrize("name", [name for name in TABLES if name not in ("numbers", "text")])
def test_tables_of_pika(name: str) -> None:
    given, shown = TABLES[name]
    pieces: list[bytes] = []
    pika_data.encode_table(pieces, {key: value for key, value in given.items() if not isinstance(value, bytearray)})
    data = b"".join(pieces)
    assert table(data, 0)[0] == {key: value for key, value in shown.items() if key != "bytes"}


@pytest.mark.parametrize(
    ("letter", "data", "value"),
    [
        (b"t", b"\2", True),
        (b"b", b"\xff", -1),
        (b"B", b"\xff", 255),
        (b"U", b"\xff\xfe", -2),
        (b"s", b"\xff\xfe", -2),
        (b"u", b"\xff\xfe", 65534),
        (b"I", b"\xff\xff\xff\xff", -1),
        (b"i", b"\xff\xff\xff\xff", 4294967295),
        (b"L", b"\xff" * 8, -1),
        (b"l", b"\xff" * 8, -1),
        (b"f", struct.pack(">f", 0.25), 0.25),
        (b"d", struct.pack(">d", float("nan")), "nan"),
        (b"d", struct.pack(">d", float("-inf")), "-inf"),
        (b"D", b"\xff\x80\0\0\0", "-2.147483648E-246"),
        (b"S", b"\0\0\0\2\xff\xfe", "//4="),
        (b"x", b"\0\0\0\2ab", "ab"),
        (b"T", b"\xff" * 8, (1 << 64) - 1),
        (b"V", b"", None),
    ],
)
def test_values_by_their_letter(letter: bytes, data: bytes, value: object) -> None:
    whole = b"\1k" + letter + data
    assert table(len(whole).to_bytes(4, "big") + whole, 0)[0] == {"k": value}


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"\0\0\0\x09\1kV", "it ends early"),
        (b"\0\0\0\3\1kQ", "a value of kind b'Q'"),
        (b"\0\0\0\4\1kV\x09", "it ends early"),
        (b"\0\0\0\7\1kS\0\0\0\x09", "it ends early"),
        (b"\0\0\0\2\1kV", "a table that is longer than it says"),
    ],
)
def test_damaged_tables(data: bytes, wrong: str) -> None:
    with pytest.raises(Damaged) as error:
        table(data, 0)
    assert str(error.value) == wrong


def nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = b"\1kF" + len(data).to_bytes(4, "big") + data
    return len(data).to_bytes(4, "big") + data


def test_tables_in_tables_have_an_end() -> None:
    assert table(nested(MAX_DEPTH), 0)[1] == len(nested(MAX_DEPTH))
    with pytest.raises(Damaged, match="tables in more than 16 tables"):
        table(nested(5000), 0)


def test_a_list_of_nothing_takes_no_longer_than_any_other() -> None:
    """200 kB of it take pamqp five seconds."""
    values = b"V" * 400_000
    data = b"\1kA" + len(values).to_bytes(4, "big") + values
    began = time.process_time()
    found, _ = table(len(data).to_bytes(4, "big") + data, 0)
    assert len(found["k"]) == len(values)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("key", [key for key, method in METHODS.items() if method.no_wait_bit >= 0])
def test_who_does_not_wait_is_told_from_one_bit(key: int) -> None:
    method, command = METHODS[key], COMMANDS[key]
    chance = random.Random(method.name)
    for no_wait in (True, False):
        given = {**arguments(command, chance)[0], "nowait": no_wait}
        data = frame.marshal(command(**given), 1)
        assert waits(method, data) is not no_wait
        assert all(waits(method, data[:end]) in (True, False) for end in range(7, len(data)))


def test_arguments_that_end_early_or_late() -> None:
    data = amqp_wire.method(commands.Queue.Declare(queue="orders", arguments={"x": 1}))
    method = METHODS[commands.Queue.Declare.index]
    for end in range(11, len(data) - 1):
        assert read_arguments(method, data[:end], end, {}) == "it ends early"
    assert read_arguments(method, data, len(data) + 2, {}) == "3 bytes more than queue declare has"
