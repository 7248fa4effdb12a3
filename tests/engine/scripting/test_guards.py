from __future__ import annotations

from typing import Any

import pytest

from engine.scripting.guards import (
    RISKY_ATTRIBUTES,
    guarded_getattr,
    inplace_attribute,
    inplace_item,
    script_builtins,
    script_class,
    writable,
)

Mine = script_class("Mine", (), {})
Text = script_class("Text", (str,), {})
Failure = script_class("Failure", (ValueError,), {})


class Foreign:
    """One of ours, with the mark of a script in its instances but not in its class."""

    def __getattr__(self, name: str) -> Any:
        return True


@pytest.mark.parametrize("value", [{}, [], Mine(), Mine, Text("x"), Failure()], ids=lambda value: type(value).__name__)
def test_scripts_write_to_their_own(value: Any) -> None:
    assert writable(value) is value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Foreign(), "foreign"),
        (str, "str"),
        ((), "tuple"),
        (print, "builtin_function"),
        (None, "nonetype"),
        (Foreign, "For"),
    ],
    ids=["object with any attribute", "builtin type", "tuple", "function", "none", "class of ours"],
)
def test_everything_else_is_read_only(value: Any, reason: str) -> None:
    for attempt in (writable, lambda v: inplace_item("+=", v, 0, 1), lambda v: inplace_attribute("+=", v, "x", 1)):
        with pytest.raises(TypeError, match=f"{reason}.* is read-only"):
            attempt(value)


@pytest.mark.parametrize("name", sorted(RISKY_ATTRIBUTES))
@pytest.mark.parametrize("value", ["text", str, b"x", ValueError(), Text("x"), Text, Failure()], ids=repr)
def test_risky_attributes_of_text_types_and_exceptions_are_refused(value: Any, name: str) -> None:
    with pytest.raises(TypeError, match="is not available"):
        guarded_getattr(value, name)


def test_risky_attributes_of_other_values_are_ordinary() -> None:
    mine = Mine()
    mine.obj = 1
    inplace_attribute("+=", mine, "obj", 2)
    assert guarded_getattr(mine, "obj") == 3


OUT = (
    "getattr setattr delattr hasattr type super vars dir open eval exec compile globals locals __import__"
    " input breakpoint memoryview"
    " BaseException SystemExit KeyboardInterrupt GeneratorExit BaseExceptionGroup ExceptionGroup"
)


@pytest.mark.parametrize("name", OUT.split())
def test_builtins_that_lead_out_are_not_there(name: str) -> None:
    assert name not in script_builtins({})
