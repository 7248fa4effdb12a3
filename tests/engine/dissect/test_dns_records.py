from __future__ import annotations

import ipaddress
import random
import struct
from typing import Any

import pytest

from engine.dissect.dns_names import Damaged, Names
from engine.dissect.dns_records import read_record


def address(raw: bytes) -> str:
    found: list[dict[str, Any]] = []
    data = b"\0" + struct.pack(">HHIH", 28 if len(raw) == 16 else 1, 1, 60, len(raw)) + raw
    assert read_record(Names(data), data, 0, "", found) == (len(data), None)
    return str(found[0]["ip"])


def test_addresses_are_written_as_the_library_writes_them() -> None:
    chance = random.Random(2)
    raws = [bytes(chance.choices(b"\0\0\0\1\xff", k=16)) for _ in range(2000)]
    raws += [chance.randbytes(16) for _ in range(200)] + [
        bytes(16),
        b"\0" * 15 + b"\1",
        b"\0" * 10 + b"\xff\xff\1\2\3\4",
    ]
    for raw in raws:
        assert address(raw) == str(ipaddress.IPv6Address(raw)), raw.hex()
    for raw in (bytes(4), b"\xff\0\1\x7f"):
        assert address(raw) == str(ipaddress.IPv4Address(raw))


@pytest.mark.parametrize("length", [0, 3, 5, 15, 17])
def test_an_address_has_four_or_sixteen_bytes(length: int) -> None:
    with pytest.raises(Damaged, match="an address of a wrong length"):
        address(bytes(length))


def test_the_owner_is_the_name_asked_for_only_where_there_was_a_question() -> None:
    data = bytes(12) + b"\1a\0" + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + b"\1\2\3\4"
    for asked in ("", "a"):
        found: list[dict[str, Any]] = []
        read_record(Names(data), data, 15, asked, found)
        assert (found[0]["name"], found[0]["ip"]) == ("a", "1.2.3.4")
