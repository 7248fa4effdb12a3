"""What the author of a filter should know though it is no error."""

from __future__ import annotations

from dataclasses import dataclass

from engine.kfl.parsing import mistake


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One remark; ``str`` is what a person reads."""

    reason: str
    line: int
    column: int
    """Both count from 1 and point into the filter's text."""
    caret: str
    """The line of the text, and a caret under the place."""
    hint: str = ""
    """What to write instead."""

    def __str__(self) -> str:
        return f"{self.reason}\n{self.caret}" + (f"\n{self.hint}" if self.hint else "")


def diagnostic(reason: str, text: str, at: int, hint: str = "") -> Diagnostic:
    """The remark about offset ``at`` of ``text``."""
    place = mistake(reason, text, at, hint)
    return Diagnostic(reason, place.line, place.column, place.caret, hint)
