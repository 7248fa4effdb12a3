"""What a run shows while it goes on, and what is left to say when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class View(Protocol):
    """Who watches the run: a terminal or a log."""

    def progress(self, totals: Mapping[str, int], phase: str) -> None:
        """Totals of all processes; called a few times a second."""

    def tell(self, line: str) -> None:
        """Something the operator should read."""


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    exit_code: int
    totals: Mapping[str, int]
    remaining: int = 0
    note: str = ""
    errors: list[str] = field(default_factory=list)
    scripts_out: dict[str, str] = field(default_factory=dict)
    """Scripts that did not run to the end, and why."""

    def fail(self, message: str, exit_code: int = 1) -> None:
        """An error that the exit code shows; the same one from several workers counts once."""
        if message not in self.errors:
            self.errors.append(message)
        self.exit_code = self.exit_code or exit_code
