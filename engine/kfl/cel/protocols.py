"""Which protocols a filter of KFL2 can match at all; as ``engine.kfl.protocols``."""

from __future__ import annotations

from engine.kfl.cel.checking import Typed
from engine.kfl.cel.variables import VARIABLES
from engine.kfl.protocols import Protocols

_PROTOCOL = VARIABLES["protocol"]


def protocols_of(typed: Typed) -> Protocols:
    """Every ``protocol.name`` of which some item may match; None is any."""
    if typed.constant:
        return None if typed.bound is True else frozenset()
    if typed.variable is not None:
        return typed.variable.protocols or None
    if typed.code == "{0} == {1}":
        return _named(*typed.parts) or _named(*reversed(typed.parts))
    if typed.code == "&&":
        return _all(typed.parts)
    return _any(typed.parts) if typed.code == "||" else None


def _named(variable: Typed, value: Typed) -> Protocols:
    """An item without a protocol has the default of the variable, ``""``."""
    return frozenset({value.bound}) if variable.variable is _PROTOCOL and value.constant and value.bound else None


def _all(parts: tuple[Typed, ...]) -> Protocols:
    found: Protocols = None
    for part in parts:
        of_part = protocols_of(part)
        found = of_part if found is None else found if of_part is None else found & of_part
    return found


def _any(parts: tuple[Typed, ...]) -> Protocols:
    found: frozenset[str] = frozenset()
    for part in parts:
        of_part = protocols_of(part)
        if of_part is None:
            return None
        found |= of_part
    return found
