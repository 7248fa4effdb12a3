"""The index answers what a dictionary would, however many keys share a hash."""

from __future__ import annotations

import random

import numpy as np
import pytest

from engine.streams.index import FIRST_BITS, Index
from engine.streams.register import KEY, ROW, Indices, Records, Register


def record(key: int, hashes: int) -> Records:
    """A row with a key that follows from a number, and one of so many hashes."""
    row = np.zeros(1, ROW)
    for shift, name in enumerate(KEY):
        row[name] = key >> shift * 3 & 7
    row["hash"], row["id"] = (key % hashes) * (0xFFFFFFFFFFFFFFFF // hashes), key + 1
    return row


def place(register: Register, keys: list[int], hashes: int) -> Indices:
    rows = register.take(len(keys))
    for row, key in zip(rows.tolist(), keys, strict=True):
        register.rows[row] = record(key, hashes)[0]
    return rows


@pytest.mark.parametrize("hashes", [1, 7, 1 << 15])
@pytest.mark.parametrize("seed", range(8))
def test_it_agrees_with_a_dictionary(seed: int, hashes: int) -> None:
    chance = random.Random(seed)
    register, known = Register(), dict[int, int]()
    index = Index(register)
    for _ in range(25):
        fresh = list({chance.randrange(1 << 15) for _ in range(chance.randrange(20))} - known.keys())
        rows = place(register, fresh, hashes)
        index.add(rows)
        known.update(zip(fresh, rows.tolist(), strict=True))
        gone = [key for key in known if chance.random() < 0.3]
        rows = np.array([known.pop(key) for key in gone], np.int64)
        index.remove(rows)
        register.give_back(rows)
        asked = [*known, *(chance.randrange(1 << 15) for _ in range(10))]
        wanted = np.concatenate([record(key, hashes) for key in asked])
        assert index.find(wanted).tolist() == [known.get(key, -1) for key in asked]


def test_it_grows_and_forgets_what_is_gone() -> None:
    register = Register()
    index = Index(register)
    for first in range(0, 30_000, 10_000):
        keys = np.zeros(10_000, ROW)
        keys["lower_low"] = np.arange(first, first + 10_000)
        keys["hash"] = keys["lower_low"] * np.uint64(0x9E3779B97F4A7C15)
        rows = register.take(10_000)
        register.rows[rows] = keys
        index.add(rows)
        assert index.find(keys).tolist() == rows.tolist()
        index.remove(rows[:5000])
        assert index.find(keys).tolist() == [-1] * 5000 + rows[5000:].tolist()
    assert 1 << FIRST_BITS < len(index._slots) <= 1 << 17
