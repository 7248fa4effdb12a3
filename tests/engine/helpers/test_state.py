"""The bytes of a script's state, as the broker keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import QuotaExceeded
from engine.frames.host import MAX_STATE_BYTES
from engine.helpers.state import State


def test_what_is_saved_is_loaded_by_the_next(tmp_path: Path) -> None:
    first = State(tmp_path, lambda: True)
    assert first.load() == b""
    first.save(b"one")
    first.save(b"two")
    assert State(tmp_path, lambda: True).load() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["state.msgpack"]


def test_a_host_that_has_a_successor_overwrites_nothing(tmp_path: Path) -> None:
    State(tmp_path, lambda: True).save(b"new")
    State(tmp_path, lambda: False).save(b"old")
    assert State(tmp_path, lambda: True).load() == b"new"


def test_the_size_has_a_limit(tmp_path: Path) -> None:
    state = State(tmp_path, lambda: True)
    state.save(bytes(MAX_STATE_BYTES))
    with pytest.raises(QuotaExceeded, match=f"limit of {MAX_STATE_BYTES}"):
        state.save(bytes(MAX_STATE_BYTES + 1))
    assert len(state.load()) == MAX_STATE_BYTES
