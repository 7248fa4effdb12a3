"""``record("name")`` in the filters of recordings: which recording must be asked before which."""

from __future__ import annotations

from collections.abc import Mapping

from engine.kfl.filters import Filter
from engine.kfl.parsing import mistake


def in_order(filters: Mapping[str, Filter]) -> list[str]:
    """The names of recordings, each after those that its filter asks about; names of no recording are ignored.

    Raises:
        KflError: a recording asks about itself, alone or by way of others.
    """
    done: dict[str, None] = {}
    for name in filters:
        _visit(name, filters, done)
    return list(done)


def _visit(first: str, filters: Mapping[str, Filter], done: dict[str, None]) -> None:
    """Depth first, with a stack of its own: there may be many recordings."""
    trail: dict[str, list[str]] = {first: _asked(first, filters)}
    while trail:
        name = next(reversed(trail))
        if name in done or not trail[name]:
            done[name] = None
            del trail[name]
            continue
        other = trail[name].pop()
        if other in trail:
            _refuse(name, filters[name].text, [*list(trail)[list(trail).index(other) :], other])
        if other not in done:
            trail[other] = _asked(other, filters)


def _asked(name: str, filters: Mapping[str, Filter]) -> list[str]:
    return sorted(filters[name].recordings & filters.keys(), reverse=True)


def _refuse(name: str, text: str, circle: list[str]) -> None:
    at = max(text.find("record"), 0)
    if len(circle) == 2:
        raise mistake(f"recording {name!r} asks about itself", text, at, "leave the record() out")
    raise mistake(f"recordings ask about each other in a circle: {' -> '.join(circle)}", text, at)
