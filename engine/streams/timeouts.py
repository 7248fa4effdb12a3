"""When to look at a stream again: buckets of one second of capture time.

A packet does not move its stream; a stream that is looked at too early goes to the bucket of its real deadline. So a
stream is touched once per timeout, however many packets it has and however many streams there are.
"""

from __future__ import annotations

import heapq

from engine.clock import NS_PER_S
from engine.streams.entry import Entry


class Timeouts:
    """Entries by the second in which they may be forgotten."""

    def __init__(self) -> None:
        self._buckets: dict[int, dict[Entry, None]] = {}
        self._due: list[int] = []

    def watch(self, entry: Entry) -> None:
        """Look at ``entry`` when its deadline, as it is now, has passed; replaces an earlier call."""
        bucket = entry.forgotten_after_ns // NS_PER_S + 1
        if entry.bucket == bucket:
            return
        if entry.bucket >= 0:
            self.forget(entry)
        entries = self._buckets.get(bucket)
        if entries is None:
            entries = self._buckets[bucket] = {}
            heapq.heappush(self._due, bucket)
        entries[entry] = None
        entry.bucket = bucket

    def forget(self, entry: Entry) -> None:
        """Never look at ``entry`` again."""
        del self._buckets[entry.bucket][entry]
        entry.bucket = -1

    def take_due(self, capture_ns: int) -> list[Entry]:
        """Entries whose deadline lies before ``capture_ns``; they are watched no longer."""
        due: list[Entry] = []
        while self._due and self._due[0] * NS_PER_S <= capture_ns:
            for entry in self._buckets.pop(heapq.heappop(self._due)):
                entry.bucket = -1
                if entry.forgotten_after_ns < capture_ns:
                    due.append(entry)
                else:
                    self.watch(entry)
        return due
