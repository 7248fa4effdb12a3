from __future__ import annotations

import ipaddress
import random

import pytest

from engine.streams.stream import format_address

V4 = b"\0" * 10 + b"\xff\xff"
EDGES = {
    "all zero": bytes(16),
    "IPv4": V4 + bytes((10, 0, 0, 1)),
    "IPv4, highest": V4 + b"\xff" * 4,
    "compatible, which is no longer IPv4": bytes(12) + bytes((10, 0, 0, 1)),
    "loopback": bytes(15) + b"\1",
}


@pytest.mark.parametrize("address", EDGES.values(), ids=EDGES)
def test_an_address_looks_as_people_write_it(address: bytes) -> None:
    assert format_address(address) == written(address)


def test_addresses_at_random_look_as_people_write_them() -> None:
    chance = random.Random(7)
    for start in (b"", V4, bytes(10), bytes(8)):
        for _ in range(500):
            address = start + chance.randbytes(16 - len(start))
            assert format_address(address) == written(address)


def written(address: bytes) -> str:
    """As the standard library has it."""
    parsed = ipaddress.IPv6Address(address)
    return str(parsed.ipv4_mapped or parsed)
