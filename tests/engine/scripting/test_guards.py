from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import pytest

from engine.scripting import guards
from engine.scripting.guards import (
    RISKY_ATTRIBUTES,
    get_attribute,
    guarded_getattr,
    has_attribute,
    inplace_attribute,
    late_import,
    script_builtins,
    script_class,
    set_attribute,
    writable,
)

Mine = script_class("Mine", (), {})
Text = script_class("Text", (str,), {})
Failure = script_class("Failure", (ValueError,), {})


WRITABLE = [
    {}, [], bytearray(), Counter(), OrderedDict(), defaultdict(int), deque(), Mine(), Mine, Text("x"), Failure()
]  # fmt: skip


class Foreign:
    """One of ours, with the mark of a script in its instances but not in its class."""

    def __getattr__(self, name: str) -> Any:
        return True


@pytest.mark.parametrize("value", WRITABLE, ids=lambda value: type(value).__name__)
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
    for attempt in (writable, lambda v: inplace_attribute("+=", v, "x", 1)):
        with pytest.raises(TypeError, match=f"{reason}.* is read-only"):
            attempt(value)


def test_any_number_of_classes_is_written_to_and_few_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "_STORABLE", set(guards._STORABLE))
    for number in range(2 * guards.MAX_STORABLE):
        made = script_class("Made", (), {"number": number})
        value = made()
        assert writable(value) is value
        assert writable(made) is made
    assert len(guards._STORABLE) <= guards.MAX_STORABLE


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
    "delattr type vars dir open eval exec compile globals locals"
    " input breakpoint memoryview"
    " BaseException SystemExit KeyboardInterrupt GeneratorExit BaseExceptionGroup ExceptionGroup"
)


@pytest.mark.parametrize("name", OUT.split())
def test_builtins_that_lead_out_are_not_there(name: str) -> None:
    assert name not in script_builtins({})


class Named(str):
    """Text that is another name whenever it is looked at."""

    def startswith(self, *_: Any) -> bool:
        return False


HIDDEN = ["__class__", "_x", "x__roles__", "gi_frame", "tb_frame", Named("__class__"), 1]


@pytest.mark.parametrize("name", HIDDEN, ids=repr)
def test_attributes_by_name_are_those_that_could_be_written_down(name: Any) -> None:
    mine = Mine()
    for attempt in (get_attribute, has_attribute, lambda value, name: set_attribute(value, name, 1)):
        with pytest.raises(TypeError, match=r"is not available|expected the name"):
            attempt(mine, name)


def test_attributes_by_name_are_guarded_as_others_are() -> None:
    mine = Mine()
    set_attribute(mine, "x", 1)
    assert (get_attribute(mine, "x"), get_attribute(mine, "y", 2), has_attribute(mine, "x")) == (1, 2, True)
    assert not has_attribute(mine, "y")
    with pytest.raises(AttributeError):
        get_attribute(mine, "y")
    with pytest.raises(TypeError, match="read-only"):
        set_attribute(print, "x", 1)
    with pytest.raises(TypeError, match="use an f-string"):
        get_attribute("text", "format")


def test_an_import_of_the_interpreters_own_gives_nothing() -> None:
    given: Any = late_import  # it is declared to give nothing
    assert given("_strptime", {}, {}, ("__doc__",), 0) is None
    with pytest.raises(ImportError, match="'os' is not available"):
        late_import("os")
