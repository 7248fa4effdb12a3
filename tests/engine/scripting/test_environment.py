"""Which script sees which variables."""

from __future__ import annotations

from engine.scripting.environment import ScriptEnvironment
from engine.scripting.options import ScriptOptions

KEY = bytes(range(32))
PLAIN = ScriptOptions()
VARIABLES = {"TOP": "5", "A_TOKEN": "secret:A_TOKEN", "B_TOKEN": "secret:B_TOKEN", "ODD": "secret:ODD"}


def seen(script: str, key: bytes = KEY, options: ScriptOptions = PLAIN) -> dict[str, str]:
    return ScriptEnvironment(VARIABLES, ("A_TOKEN", "B_TOKEN"), options, key).of(script)


def test_each_script_has_handles_of_its_own_and_each_run_new_ones() -> None:
    handles = {
        seen("a.py")["A_TOKEN"],
        seen("b.py")["A_TOKEN"],
        seen("a.py")["B_TOKEN"],
        seen("a.py", bytes(32))["A_TOKEN"],
    }
    assert len(handles) == 4
    assert seen("a.py") == seen("a.py")


def test_what_is_no_secret_is_shown_whatever_it_looks_like() -> None:
    assert {name: seen("a.py")[name] for name in ("TOP", "ODD")} == {"TOP": "5", "ODD": "secret:ODD"}


def test_a_secret_that_a_script_may_not_use_is_not_there() -> None:
    options = ScriptOptions(secrets=["B_*"], scripts={"a": {"secrets": ["A_TOKEN"]}, "n.py": {"secrets": []}})
    assert set(seen("a.py", options=options)) == {"TOP", "ODD", "A_TOKEN"}
    assert set(seen("b.py", options=options)) == {"TOP", "ODD", "B_TOKEN"}
    assert set(seen("n.py", options=options)) == {"TOP", "ODD"}
