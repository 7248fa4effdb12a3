"""Several versions of one item: what each script changed is changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_NOTHING = object()


def merged(original: Mapping[str, Any], versions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """``original`` with every change of every version; where two change the same, the later one counts.

    So one script that hides a header and another that gives a verdict do not undo each other.
    """
    found = dict(original)
    for version in versions:
        found = _changed(original, version, found)
    return found


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    result = {name: value for name, value in found.items() if name in after or name not in before}
    for name, value in after.items():
        old = before.get(name, _NOTHING)
        if old == value:
            continue
        if isinstance(old, dict) and isinstance(value, dict):
            now = found.get(name)
            result[name] = _changed(old, value, now if isinstance(now, dict) else old)
        else:
            result[name] = value
    return result
