"""What all helpers of a script have in common: they cannot be changed, and they say what they do not have."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, NoReturn

from engine.scripting.calls import Calls


class Facade:
    """A helper. Its own state has names that no script can spell; its methods take and return plain values."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError(f"{name_of(type(self))}.{name} cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise TypeError(f"{name_of(type(self))}.{name} cannot be changed")

    def __getattr__(self, name: str) -> Any:
        near = get_close_matches(name, functions_of(type(self)), 1)
        raise AttributeError(
            f"{name_of(type(self))} has no {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        )

    def __repr__(self) -> str:
        return f"<{name_of(type(self))}>"


class Remote(Facade):
    """A helper whose functions are carried out by the broker."""

    __slots__ = ("_calls",)

    _calls: Calls

    def __init__(self, calls: Calls) -> None:
        fill(self, _calls=calls)


def fill(facade: Facade, **slots: Any) -> None:
    """Set slots of a helper; a function and no method, so that no script can call it."""
    for slot, value in slots.items():
        object.__setattr__(facade, slot, value)


def functions_of(facade: type[Facade]) -> tuple[str, ...]:
    """The names that a script can use on this helper."""
    return tuple(name for name in dir(facade) if not name.startswith("_"))


def name_of(facade: type[Facade]) -> str:
    """What scripts call this helper."""
    return facade.__name__.lower()
