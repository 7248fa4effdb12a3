"""What ``onItemQueried`` returned, on its way to whoever asked: the broker passes it on and looks at none of it."""

from __future__ import annotations

from collections.abc import Callable

from engine.frames.control import Shown
from engine.helpers.calls import helper


class Query:
    """One host's answers."""

    def __init__(self, host: int, script: str, tell: Callable[[Shown], None]) -> None:
        """``tell``: sends a message to the supervisor."""
        self._host, self._script, self._tell = host, script, tell

    @helper("query.show")
    def show(self, number: int, part: bytes, last: bool) -> None:
        """A part of the answers to query ``number``."""
        self._tell(Shown(number, self._script, self._host, part, last))
