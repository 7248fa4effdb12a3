from __future__ import annotations

import base64
import random
from typing import Any

import pytest

from engine.dissect.kafka_record import read_records
from tests.support.kafka_wire import Record

TEXTS: list[bytes | None] = [
    None,
    b"",
    b"k",
    b"longer than sixty three bytes, so that its length takes two: " * 3,
    "größe".encode(),
]
BYTES: list[bytes | None] = [b"\xff\x00", b"\xe4\xb8", b"\x80" * 90]


def test_a_record_of_long_numbers() -> None:
    found: list[dict[str, Any]] = []
    read_records(on_the_wire((b"k", b"v", [("a", None)]), 1 << 40, 70_000), 1, 5, 6, False, found)
    headers = [{"key": "a", "value": None}]
    assert found == [{"offset": 70_005, "timestamp": (1 << 40) + 6, "key": "k", "value": "v", "headers": headers}]


@pytest.mark.parametrize("seed", range(60))
def test_records_are_what_the_obvious_reader_says(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(b"".join(on_the_wire(a_record(chance), *deltas(chance)) for _ in range(chance.randrange(1, 9))))
    for damage in range(40):
        count, append = chance.randrange(12), chance.random() < 0.2
        assert read(bytes(data), count, append) == obvious(bytes(data), count, append), (seed, damage)
        place = chance.randrange(len(data))
        data[place] = chance.randrange(256)
        if damage == 30:
            del data[place:]
            data += b"\0"


def a_record(chance: random.Random) -> Record:
    values = TEXTS if chance.random() < 0.7 else TEXTS + BYTES
    headers = [("trace", chance.choice(values)) for _ in range(chance.choice((0, 0, 1, 2, 70, 130)))]
    return chance.choice(values), chance.choice(values), headers


def deltas(chance: random.Random) -> tuple[int, int]:
    return chance.choice((0, 7, -1, 5000, 1 << 33)), chance.choice((0, 1, 63, 64, 1 << 20))


def on_the_wire(record: Record, delta_ms: int, delta: int) -> bytes:
    key, value, headers = record
    body = b"\0" + zigzag(delta_ms) + zigzag(delta) + sized(key) + sized(value) + zigzag(len(headers))
    body += b"".join(sized(name.encode()) + sized(what) for name, what in headers)
    return zigzag(len(body)) + body


def sized(data: bytes | None) -> bytes:
    return zigzag(-1) if data is None else zigzag(len(data)) + data


def zigzag(number: int) -> bytes:
    left, found = (number << 1) ^ (number >> 63), bytearray()
    while left >= 0x80:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*found, left])


def read(data: bytes, count: int, is_append_time: bool) -> tuple[list[dict[str, Any]], bool]:
    found: list[dict[str, Any]] = []
    try:
        read_records(data, count, 1000, 10**12, is_append_time, found)
    except IndexError:
        return found, False
    return found, True


def obvious(data: bytes, count: int, is_append_time: bool) -> tuple[list[dict[str, Any]], bool]:
    """As the protocol's page tells it, one field after the other."""
    found: list[dict[str, Any]] = []
    rest = Rest(data)
    try:
        for _ in range(count):
            length = rest.number()
            if not 0 < length <= len(data) - rest.at:
                raise IndexError
            end = rest.at + length
            rest.at += 1
            delta_ms, delta = rest.number(), rest.number()
            record: dict[str, Any] = {"offset": 1000 + delta, "timestamp": 10**12 + (0 if is_append_time else delta_ms)}
            record |= rest.named("key") | rest.named("value")
            number = rest.number()
            record["headers"] = [rest.named("key") | rest.named("value") for _ in range(min(number, 100))]
            record |= {"headerCount": number} if number > 100 else {}
            if rest.at > end:
                raise IndexError
            rest.at = end
            found.append(record)
    except IndexError:
        return found, False
    return found, True


class Rest:
    """What is left of the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self) -> int:
        number = 0
        for place in range(10):
            byte = self.data[self.at]
            self.at += 1
            number |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                number %= 1 << 64
                return number // 2 if number % 2 == 0 else -(number + 1) // 2
        raise IndexError

    def named(self, name: str) -> dict[str, Any]:
        length = self.number()
        if length < 0:
            return {name: None}
        if self.at + length > len(self.data):
            raise IndexError
        self.at += length
        part = self.data[self.at - length : self.at]
        try:
            return {name: part.decode()}
        except UnicodeDecodeError:
            return {name: base64.b64encode(part).decode(), f"{name}Encoding": "base64"}
