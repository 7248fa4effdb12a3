"""Whether anybody wants items: dissection costs most of what a worker does, so it runs on demand."""

from __future__ import annotations

import math
from collections.abc import Iterable

from engine.dissect.options import DissectOptions


class Interest:
    """Who wants items of one worker. Times are monotonic seconds."""

    def __init__(self, options: DissectOptions) -> None:
        self._enabled = options.enabled
        self._stop_after_s = options.stop_after_s or math.inf
        self._others: frozenset[str] = frozenset()
        self._until_s = -math.inf

    def tell(self, others: Iterable[str]) -> None:
        """Who wants items besides scripts and recordings: ``query`` while one is connected."""
        self._others = frozenset(others)

    @property
    def queried(self) -> bool:
        """A query is connected."""
        return self._enabled and "query" in self._others

    def lasts(self, now_s: float, *, scripts: bool, recordings: bool = False) -> bool:
        """Whether to dissect now: somebody wants items, or somebody did less than ``stopAfter`` ago."""
        if not self._enabled:
            return False
        if scripts or recordings or self._others:
            self._until_s = now_s + self._stop_after_s
        return now_s < self._until_s
