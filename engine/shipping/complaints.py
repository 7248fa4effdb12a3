"""What goes wrong with uploads, told once for each kind of error and 10 s, with how often it was seen. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

COMPLAIN_S = 10.0
MAX_KINDS = 16
"""Kinds that are told apart at a time; what is different each time is one."""
_WHERE = re.compile(r"\S*/\S*|[\w+/]{6}==|0x[0-9a-f]+|\d{4,}")
"""Paths and URLs, checksums, addresses in memory, long numbers: where it happened, not what."""


@dataclass(slots=True)
class _Kind:
    text: str
    times: int = 0
    told_s: float = float("-inf")


class Complaints:
    """Of one destination; times are monotonic seconds."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}

    def add(self, error: str) -> None:
        """One more; names of objects make no difference."""
        key = _WHERE.sub("", error)
        if key not in self._kinds and len(self._kinds) >= MAX_KINDS:
            key = ""
        kind = self._kinds.setdefault(key, _Kind(error))
        kind.text = error
        kind.times += 1

    def take(self, now_s: float) -> Iterator[tuple[str, int]]:
        """Text and count of each kind that is due: at once when it is new, then every ``COMPLAIN_S``."""
        for kind in self._kinds.values():
            if kind.times and now_s >= kind.told_s + COMPLAIN_S:
                yield kind.text, kind.times
                kind.times, kind.told_s = 0, now_s

    def finish(self) -> Iterator[tuple[str, int]]:
        """What was not told yet, when all is well again; the next error is new."""
        yield from ((kind.text, kind.times) for kind in self._kinds.values() if kind.times)
        self._kinds.clear()
