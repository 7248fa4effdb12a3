"""A process that is confined as a script's would be, and what it says of this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.jail import probe
from engine.jail.layers import wanted
from engine.jail.memory import resident_bytes

pytestmark = pytest.mark.slow

USER = 65534 if os.getuid() == 0 else -1


def test_nothing_that_is_tried_from_inside_works() -> None:
    found = probe.ask("standard", USER)
    assert found.broken == ""
    assert found.tried.pop("make a socket") == "ended by SIGSYS"
    assert set(found.tried) == set(probe.ATTEMPTS)
    assert all(outcome.startswith("refused (") for outcome in found.tried.values()), found.tried
    assert set(found.layers) | set(found.missing) == {"descriptors", *wanted("standard")}


def test_without_a_sandbox_everything_that_is_tried_works() -> None:
    found = probe.ask("off", USER)
    assert set(found.tried.values()) == {"done"}


@pytest.mark.skipif(os.getuid() != 0, reason="for others there is nobody to become")
def test_strict_without_a_user_to_become_is_no_jail() -> None:
    found = probe.ask("strict", -1)
    assert found.broken.startswith("the layer 'user' cannot be had here (no user to become was named)")
    assert (found.layers, found.tried) == ([], {})


def test_memory_in_ram_is_that_of_the_process() -> None:
    before = resident_bytes(os.getpid())
    held = b"x" * (64 << 20)
    assert resident_bytes(os.getpid()) >= before + len(held) // 2
    assert resident_bytes(2**22 + 1) == 0


def test_a_user_who_may_not_run_the_interpreter_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = tmp_path / "python"
    hidden.write_text("")
    monkeypatch.setattr(sys, "executable", str(hidden))
    with pytest.raises(ConfigError, match="expected an interpreter that this user may run, got"):
        probe.ask("standard", -1)
