"""What a recording would have got of traffic that is there: the dry run of a filter. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.clock import NS_PER_S

HOUR_NS = 3600 * NS_PER_S


class Share(NamedTuple):
    """Some of the traffic."""

    streams: int = 0
    packets: int = 0
    bytes: int = 0
    """Of captured frames."""
    items: int = 0


class Result(NamedTuple):
    """Of an estimate."""

    window_s: float
    """How much traffic was looked at."""
    seen: Share
    """All of it; its items are those that were looked at."""
    kept: Share
    """What the recording would hold."""
    matched: int
    """Items that the filter matched: of ``kept.items``, the others lie in the same streams."""
    by_protocol: dict[str, Share]
    """Of what would be kept, by the protocol of the first item that matched; ``(no items)``: everything is kept."""
    per_hour: Share
    """``kept``, if it went on like this."""


class Estimate:
    """Fed with packets and items in any order; keeps 20 bytes a packet."""

    def __init__(self, *, everything: bool, from_start: bool, limit: int | None = None) -> None:
        """``everything``: no filter, every stream is kept; ``limit``: so many matches count."""
        self._everything, self._from_start, self._left = everything, from_start, limit
        self._packets: list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
        self._from_ns: dict[int, int] = {}
        self._protocol: dict[int, str] = {}
        self._items: list[tuple[int, int]] = []
        self._matched = 0

    def packets(
        self, streams: npt.NDArray[np.uint64], times_ns: npt.NDArray[np.int64], captured: npt.NDArray[np.int64]
    ) -> None:
        """Packets, row by row; those of stream 0 belong to none."""
        there = streams != 0
        self._packets.append((streams[there], times_ns[there], captured[there]))

    def item(self, stream: int, timestamp_ns: int, protocol: str, *, matched: bool) -> None:
        """An item, and whether the filter matched it."""
        self._items.append((stream, timestamp_ns))
        if not matched or self._left == 0:
            return
        self._left = None if self._left is None else self._left - 1
        self._matched += 1
        self._protocol.setdefault(stream, protocol)
        from_ns = 0 if self._from_start else timestamp_ns
        self._from_ns[stream] = min(from_ns, self._from_ns.get(stream, from_ns))

    def result(self) -> Result:
        """Everything, counted."""
        none = (np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
        columns = zip(*(self._packets or [none]), strict=True)
        streams, times_ns, captured = (np.concatenate(part) for part in columns)
        if self._everything:
            self._from_ns = dict.fromkeys(np.unique(streams).tolist(), 0)
        wanted = np.array(sorted(self._from_ns), np.uint64)
        from_ns = np.array([self._from_ns[stream] for stream in wanted.tolist()], np.int64)
        at = np.minimum(np.searchsorted(wanted, streams), max(len(wanted) - 1, 0))
        kept = (wanted[at] == streams) & (times_ns >= from_ns[at]) if len(wanted) else np.zeros(len(streams), np.bool_)
        items = [stream for stream, at_ns in self._items if at_ns >= self._from_ns.get(stream, at_ns + 1)]
        window_ns = int(times_ns.max() - times_ns.min()) if len(times_ns) else 0
        seen = Share(len(np.unique(streams)), len(streams), int(captured.sum()), len(self._items))
        whole = Share(len(wanted), int(kept.sum()), int(captured[kept].sum()), len(items))
        return Result(
            window_ns / NS_PER_S,
            seen,
            whole,
            self._matched,
            self._by_protocol(streams[kept], captured[kept], items),
            _scaled(whole, HOUR_NS / window_ns if window_ns else 0.0),
        )

    def _by_protocol(
        self, streams: npt.NDArray[np.uint64], captured: npt.NDArray[np.int64], items: list[int]
    ) -> dict[str, Share]:
        ids, rows = np.unique(streams, return_inverse=True)
        packets, octets = np.bincount(rows, minlength=len(ids)), np.bincount(rows, captured, len(ids))
        found: dict[str, list[int]] = {}
        for stream, count, size in zip(ids.tolist(), packets.tolist(), octets.tolist(), strict=True):
            share = found.setdefault(self._protocol.get(stream, "(no items)"), [0, 0, 0, 0])
            share[0] += 1
            share[1] += count
            share[2] += int(size)
        for stream in items:
            if (name := self._protocol.get(stream, "(no items)")) in found:
                found[name][3] += 1
        return {name: Share(*share) for name, share in sorted(found.items(), key=lambda one: -one[1][2])}


def _scaled(share: Share, factor: float) -> Share:
    return Share(*(round(count * factor) for count in share))
