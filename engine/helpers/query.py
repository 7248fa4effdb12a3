"""What ``onItemQueried`` returned, on its way to whoever asked: the broker passes it on and looks at none of it."""

from __future__ import annotations

from collections.abc import Callable

from engine.frames.control import Shown
from engine.helpers.bucket import TokenBucket
from engine.helpers.calls import CallRefused, helper

PARTS_PER_S = 1000
"""Of at most 64 KiB each; whatever ``scripting.calls`` allows, the supervisor has other things to do."""


class Query:
    """One host's answers."""

    def __init__(self, host: int, script: str, tell: Callable[[Shown], None], now_s: Callable[[], float]) -> None:
        """``tell``: sends a message to the supervisor."""
        self._host, self._script, self._tell, self._now_s = host, script, tell, now_s
        self._bucket = TokenBucket(PARTS_PER_S)

    @helper("query.show")
    def show(self, number: int, part: bytes, last: bool) -> None:
        """A part of the answers to query ``number``."""
        if not self._bucket.take(self._now_s()):
            raise CallRefused("onItemQueried", f"more than {PARTS_PER_S} parts of answers a second; shown as stored")
        self._tell(Shown(number, self._script, self._host, part, last))
