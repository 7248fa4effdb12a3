"""What a script can do that left its language: nothing, whatever of its jail this machine gives."""

from __future__ import annotations

import os

import pytest

from engine.jail import probe
from tests.hostile import page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="each attempt is made by root first, to show that it is one"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the attempts use the numbers of x86-64"),
]


def test_nothing_gets_out_and_the_page_says_which_layer_holds_what() -> None:
    """One test, because each of its 1,400 attempts is a process."""
    found = page.run_attempts()
    for stack in ("all but Landlock, namespaces", "all", "all, begun as nobody"):
        assert [name for name, outcome in found[stack].items() if outcome == "done"] == [], stack
    harmless = [name for name, outcome in found["none"].items() if outcome != "done"]
    missing = probe.ask("standard", 65534).missing
    if harmless or missing:
        pytest.skip(f"the page is about a machine with every layer, on which root may {harmless}; this lacks {missing}")
    assert page.written("processes") == page.process_table(found), "run: make hostile"
