"""Each version of Landlock is told all it can handle and nothing it does not know."""

from __future__ import annotations

import struct

import pytest

from engine.jail.landlock import attributes


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        (1, [0x1FFF]),
        (2, [0x3FFF]),
        (3, [0x7FFF]),
        (4, [0x7FFF, 3]),
        (5, [0xFFFF, 3]),
        (6, [0xFFFF, 3, 3]),
        (7, [0xFFFF, 3, 3]),
        (99, [0xFFFF, 3, 3]),
    ],
)
def test_a_version_gets_the_rights_it_knows(version: int, fields: list[int]) -> None:
    assert struct.unpack(f"={len(fields)}Q", attributes(version)) == tuple(fields)
