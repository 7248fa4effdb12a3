"""From an item to a value, for the paths that are more than a few names.

Iterative, since an item may be nested as deep as its sender liked; a container is visited once per step, so that many
wildcards cost no more than a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.kfl.documents import read_document
from engine.kfl.syntax import Call, Descend, Each, Index, Key, Path, Step
from engine.kfl.values import MISSING

Steps = tuple[Step, ...]


def names_a_header(steps: Steps, position: int) -> bool:
    """Whether step ``position`` is the name of an HTTP header, whose case means nothing."""
    if position != 2 or not isinstance(steps[2], Key):
        return False
    return steps[0] in (Key("request"), Key("response")) and steps[1] == Key("headers")


def plain_names(path: Path) -> list[str] | None:
    """The names of a path that has nothing but names, the last of which alone may be a header; else None."""
    names = [step.name for step in path.steps if isinstance(step, Key)]
    if len(names) < len(path.steps) or (len(names) > 3 and names_a_header(path.steps, 2)):
        return None
    return names


def header(headers: Any, name: str) -> Any:
    """The header called ``name`` in any case, the exact one first; raises AttributeError like any ``.get``."""
    exact = headers.get(name, MISSING)
    if exact is not MISSING:
        return exact
    folded = name.lower()
    for key in headers:
        if isinstance(key, str) and key.lower() == folded:
            return headers.get(key, MISSING)
    return MISSING


def walk(start: Any, steps: Steps, from_item: bool = True) -> Any:
    """What the path finds; of several values the list of them, of one the value itself."""
    values = [start]
    for position, step in enumerate(steps):
        values = _advance(values, step, from_item and names_a_header(steps, position))
        if not values:
            return MISSING
    return values[0] if len(values) == 1 else values


def _advance(values: list[Any], step: Step, is_header: bool) -> list[Any]:
    match step:
        case Key(name=name):
            found = [_get(value, name, is_header) for value in values]
        case Index(position=position):
            found = [_nth(value, position) for value in values]
        case Each():
            found = [inner for value in _once(values) for inner in _inside(value)]
        case Descend(name=name):
            found = [_get(value, name, False) for value in _everything_below(values)]
        case Call(name=name):
            found = [read_document(name, value) for value in values]
    return [value for value in found if value is not MISSING]


def _get(value: Any, name: str, is_header: bool) -> Any:
    try:
        return header(value, name) if is_header else value.get(name, MISSING)
    except AttributeError:
        return MISSING


def _nth(value: Any, position: int) -> Any:
    return value[position] if isinstance(value, list | tuple) and position < len(value) else MISSING


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _once(values: list[Any]) -> list[Any]:
    """Each container once; the list keeps them alive, so an ``id`` stays one object's."""
    return list({id(value): value for value in values}.values())


def _everything_below(values: list[Any]) -> list[Any]:
    """The containers among ``values`` and below them, each once, in no particular order."""
    seen = {id(value): value for value in values}
    waiting = list(seen.values())
    while waiting:
        for inner in _inside(waiting.pop()):
            if isinstance(inner, Mapping | list | tuple) and id(inner) not in seen:
                seen[id(inner)] = inner
                waiting.append(inner)
    return list(seen.values())
