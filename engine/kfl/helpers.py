"""What may be called in a filter, one line per helper: where it stands, what it takes, what it is for."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.kfl.syntax import Call, Literal, Node, Path, Step, children
from engine.kfl.times import SPANS_MS, datetime_ms
from engine.kfl.values import MISSING

LAST, WITHIN, ALONE = "last", "within", "alone"
"""At the end of a path; anywhere in a path but at its head; without a path."""


class Helper(NamedTuple):
    """One helper."""

    place: str
    takes: str
    """``nothing``, ``value`` (any operand), ``number``, ``text``, ``date``, ``path`` or ``paths``."""
    example: str
    meaning: str


HELPERS = {
    "startsWith": Helper(LAST, "value", 'request.path.startsWith("/api")', "the text begins with this"),
    "endsWith": Helper(LAST, "value", 'request.path.endsWith(".js")', "the text ends with this"),
    "contains": Helper(LAST, "value", 'request.path.contains("cart")', "the text has this in it"),
    "json": Helper(WITHIN, "nothing", 'response.content.text.json().id == "7"', "the text as JSON"),
    "xml": Helper(WITHIN, "nothing", 'response.content.text.xml().order.id == "7"', "the text as XML"),
    "record": Helper(ALONE, "text", 'record("incident")', "the item belongs to this recording"),
    "redact": Helper(ALONE, "paths", 'redact("request.headers.Authorization")', "true; hides what is there"),
    "limit": Helper(ALONE, "number", "limit(100)", "true; only so many items are wanted"),
    "datetime": Helper(ALONE, "date", 'timestamp > datetime("10/19/2021, 6:29:02 PM")', "that time, UTC"),
    "now": Helper(ALONE, "nothing", "timestamp < now()", "the current time"),
    **{
        name: Helper(ALONE, "number", f"timestamp > {name}(-1)", f"the current time plus so many {name}")
        for name in SPANS_MS
    },
}

TAKES: dict[str, tuple[int, int, str]] = {
    "nothing": (0, 0, ""),
    "value": (1, 1, "a value"),
    "number": (1, 1, "a number"),
    "text": (1, 1, "a text in quotes"),
    "date": (1, 1, "a time such as 10/19/2021, 6:29:02 PM"),
    "paths": (1, 64, "paths in quotes"),
}
"""What a helper takes -> least and most arguments, and the words for them."""


def constant_arguments(call: Call) -> list[Any]:
    """The arguments of a helper that takes constants; MISSING for one that is none."""
    return [node.value if isinstance(node, Literal) else MISSING for node in call.arguments]


def is_document(step: Step) -> bool:
    """Whether it is ``json()`` or ``xml()``."""
    return isinstance(step, Call) and HELPERS[step.name].place == WITHIN


def lonely_call(node: Node) -> Call | None:
    """The call of ``now()`` and its like."""
    match node:
        case Path(steps=(Call() as call,)):
            return call
        case _:
            return None


def constant_of(call: Call) -> Literal | None:
    """What a helper without a path is worth whatever the item and the time; None if it depends on them."""
    if call.name == "datetime":
        return Literal(datetime_ms(str(constant_arguments(call)[0])), call.at)
    return Literal(True, call.at) if call.name in ("limit", "redact") else None


def offset_ms(call: Call) -> int:
    """What ``now()``, ``minutes(-5)`` and the like add to the current time."""
    return int(constant_arguments(call)[0] * SPANS_MS[call.name]) if call.name in SPANS_MS else 0


def calls_of(node: Node) -> list[Call]:
    """The calls without a path in ``node``, from left to right."""
    found: list[Call] = []
    waiting = [node]
    while waiting:
        node = waiting.pop()
        call = lonely_call(node)
        if call is not None:
            found.append(call)
        waiting.extend(reversed(list(children(node))))
    return found
