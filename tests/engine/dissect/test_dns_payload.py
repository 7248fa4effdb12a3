from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import pytest

from engine.dissect import dns_payload, dns_records
from engine.dissect.dns_payload import DnsPayload, question_fits
from engine.dissect.message import Problem
from engine.dissect.table import Verdict

NAMES = [
    b"\3www\7example\3com\0", b"\1a\0", b"\0", b"\3w.w\1b\0", b"\2\0a\0", b"\xc0\x0c", b"\xc0\x20", b"\4mail\xc0\x10",
    b"\x20" + b"CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" + b"\0",
]  # fmt: skip
DATA: list[tuple[int, Callable[[random.Random], bytes]]] = [
    (1, lambda chance: chance.randbytes(4)),
    (28, lambda chance: chance.randbytes(16)),
    (28, lambda chance: bytes(chance.choices(b"\0\0\0\1", k=16))),
    (5, lambda chance: chance.choice(NAMES)),
    (41, lambda chance: b""),
    (41, lambda chance: b"\0\x0a\0\2ab"),
    (16, lambda chance: b"\3abc"),
    (99, lambda chance: b"xy"),
    (1, lambda chance: b"\1"),
]


def a_message(seed: int) -> bytes:
    chance = random.Random(seed)
    counts = [chance.choice((1, 1, 1, 1, 0, 2)), *(chance.choice((0, 0, 1, 3)) for _ in range(3))]
    body = b""
    for _ in range(counts[0]):
        body += chance.choice(NAMES[:1] * 6 + NAMES) + struct.pack(">HH", chance.choice((1, 28, 999)), 1)
    for _ in range(sum(counts[1:])):
        kind, make = chance.choice(DATA)
        data = make(chance)
        owner = chance.choice(NAMES[5:6] * 6 + NAMES)
        body += owner + struct.pack(">HHIH", kind, 1, chance.getrandbits(25), len(data)) + data
    message = bytearray(struct.pack(">6H", 7, 0x8180 if seed % 3 else 0x0100, *counts) + body)
    if seed % 4 == 0:
        message[chance.randrange(4, len(message))] = chance.randrange(256)
    return bytes(message[: chance.randrange(12, len(message) + 1)] if seed % 5 == 0 else message)


def told(data: bytes) -> tuple[dict[str, Any], Problem | None, Verdict | None]:
    payload = DnsPayload(data, data[2] < 0x80, None)
    return payload.section(), payload.problem(), question_fits(data, 12)


def test_what_is_plain_is_read_as_the_careful_way_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [a_message(seed) for seed in range(2000)]
    quick = [told(data) for data in messages]
    seen: list[int] = []
    monkeypatch.setattr(dns_payload, "_plain_question", lambda raw: seen.append(len(raw)))
    monkeypatch.setattr(dns_records, "_FIRST_QUESTION", b"never")
    for seed, data in enumerate(messages):
        assert told(data) == quick[seed], f"seed {seed}"
    assert seen
    assert 300 < sum(problem is None for _, problem, _ in quick) < 1950
