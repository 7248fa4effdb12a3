"""Which streams may go: their TTL, measured from when their last packet was read, and their leases. Pure.

A stream costs one entry of a dictionary; a segment is looked at again only when the youngest of its streams could have
expired, so that a pass costs nothing for segments that are in use (0.1 us per stream and TTL instead of per pass).
"""

from __future__ import annotations

from collections.abc import Iterable, Set

_NEVER = float("-inf")


class Holds:
    """What keeps streams from expiring. Times are monotonic seconds."""

    def __init__(self, ttl_s: float, error_ttl_s: float) -> None:
        self.ttl_s = ttl_s
        self.error_ttl_s = max(error_ttl_s, ttl_s)
        self.errors: set[int] = set()
        """Streams that had an error."""
        self.leases: dict[int, int] = {}
        """How many leases a stream has."""
        self._read_s: dict[int, float] = {}
        self._released: set[int] = set()

    def read(self, streams: Iterable[int], now_s: float) -> None:
        """Packets of these streams were read."""
        self._read_s.update(dict.fromkeys(streams, now_s))

    def knows(self, stream: int) -> bool:
        """There are packets of it."""
        return stream in self._read_s

    def error(self, stream: int) -> None:
        """The stream counts as one with an error, as long as there are packets of it."""
        if stream in self._read_s:
            self.errors.add(stream)

    def lease(self, stream: int) -> None:
        """Keep ``stream`` until ``release``; counted."""
        self.leases[stream] = self.leases.get(stream, 0) + 1

    def release(self, stream: int) -> None:
        """Give one lease back; with the last one the TTL begins again."""
        left = self.leases[stream] - 1
        if left:
            self.leases[stream] = left
        else:
            del self.leases[stream]
            self._released.add(stream)

    def settle(self, now_s: float) -> None:
        """Begin the TTL of streams that were released since the last call."""
        self._read_s.update(dict.fromkeys(self._released & self._read_s.keys(), now_s))
        self._released.clear()

    def leased(self, streams: Set[int]) -> bool:
        """One of these has a lease."""
        return not self.leases.keys().isdisjoint(streams)

    def due_s(self, streams: Set[int]) -> float:
        """When the last of these streams is past its TTL, if nothing more of them is read."""
        read_s = self._read_s
        due = max((read_s.get(stream, _NEVER) for stream in streams), default=_NEVER) + self.ttl_s
        wrong = [read_s.get(stream, _NEVER) + self.error_ttl_s for stream in self.errors & streams]
        return max(due, *wrong) if wrong else due

    def packets_due_s(self, streams: Set[int], written_s: float) -> float:
        """When packets of these streams are past their TTL that were read at ``written_s``, whatever came later."""
        return written_s + (self.ttl_s if self.errors.isdisjoint(streams) else self.error_ttl_s)

    def young(self, streams: Set[int], now_s: float) -> set[int]:
        """Those that are not past their TTL."""
        read_s = self._read_s
        young = {stream for stream in streams if read_s.get(stream, _NEVER) + self.ttl_s > now_s}
        return young | {
            stream for stream in self.errors & streams if read_s.get(stream, _NEVER) + self.error_ttl_s > now_s
        }

    def forget(self, streams: Set[int]) -> None:
        """Packets of these are gone and no TTL runs: in other segments they count as expired."""
        for stream in streams:
            self._read_s.pop(stream, None)
        self.errors -= streams
