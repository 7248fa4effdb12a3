"""``expired.log``: which streams went when, and by which TTL or limit, so that a miss can say what to raise.

It also remembers the highest segment number when no segment is left. Bounded: beyond 1 MiB the older half goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.clock import NS_PER_S, rfc3339
from engine.errors import PcapExpired
from engine.segments.files import AppendedFile, size_of
from engine.segments.records import Records, read_records
from engine.units import format_bytes, format_duration

EXPIRED = np.dtype(
    [
        ("segment", "<u4"),
        ("reason", "u1"),
        ("zero", "V3"),
        ("first_stream", "<u8"),
        ("last_stream", "<u8"),
        ("expired_ns", "<i8"),
        ("limit", "<i8"),
    ]
)
"""40 bytes: a range of streams that expired with a segment; stream 0 is none."""

PCAP_TTL, PCAP_ERROR_TTL, JSON_TTL, STORAGE_LIMIT = 1, 2, 3, 4
"""Reasons."""
KEYS = {
    PCAP_TTL: "tap.misc.pcapTTL",
    PCAP_ERROR_TTL: "tap.misc.pcapErrorTTL",
    JSON_TTL: "tap.misc.jsonTTL",
    STORAGE_LIMIT: "tap.storageLimit",
}
"""What to raise."""

MAX_BYTES = 1 << 20
MAX_RANGES = 256
"""Per segment and reason; with more, the ranges nearest to each other are joined."""


class Expired(NamedTuple):
    """One segment that went."""

    segment: int
    expired_ns: int
    reasons: Mapping[int, tuple[int, Iterable[int]]]
    """For each reason: the TTL in nanoseconds or the limit in bytes, and the streams it decided about."""

    def rows(self) -> Records:
        """Its records; at least one, which names the segment."""
        rows = [
            (self.segment, reason, b"", first, last, self.expired_ns, limit)
            for reason, (limit, streams) in self.reasons.items()
            for first, last in _ranges(streams)
        ]
        return np.array(rows or [(self.segment, 0, b"", 0, 0, self.expired_ns, 0)], EXPIRED)


def _ranges(streams: Iterable[int]) -> list[tuple[int, int]]:
    ids = np.sort(np.fromiter(streams, np.uint64))
    if not len(ids):
        return []
    gaps = ids[1:] - ids[:-1]
    widest = np.argsort(gaps, kind="stable")[-(MAX_RANGES - 1) :]
    breaks = np.sort(widest[gaps[widest] > 1])
    firsts = ids[np.concatenate(([0], breaks + 1))].tolist()
    lasts = ids[np.concatenate((breaks, [len(ids) - 1]))].tolist()
    return list(zip(firsts, lasts, strict=True))


class ExpiredLog:
    """The writer's side. What cannot be written now waits in memory for the next call."""

    def __init__(self, folder: Path) -> None:
        """Raises ``OSError`` where the folder cannot be written."""
        self._path = folder / "expired.log"
        self._pending = b""
        rows = read_expired(folder)
        self.last_segment = int(rows["segment"].max()) if len(rows) else 0
        """The highest segment number it names; 0 for none."""
        self._file = AppendedFile(self._path, rows.nbytes)

    @property
    def size_bytes(self) -> int:
        """Its size on disk."""
        return self._file.size_bytes

    def add(self, expired: Expired) -> None:
        """Write what went; who misses it finds the reason."""
        self._pending = (self._pending + expired.rows().tobytes())[-MAX_BYTES // EXPIRED.itemsize * EXPIRED.itemsize :]
        self.flush()

    def flush(self) -> None:
        """Try to write what waits."""
        if self._pending:
            self._pending = self._pending[self._file.append(self._pending, EXPIRED.itemsize) :]
        if self._file.size_bytes > MAX_BYTES:
            self._halve()

    def _halve(self) -> None:
        rows = read_records(self._path, EXPIRED)
        hidden = AppendedFile(self._path.with_name(".expired.log"))
        newest = rows[len(rows) // 2 :].tobytes()
        if hidden.append(newest, len(newest)) < len(newest):
            hidden.close()
            return
        hidden.path.replace(self._path)  # not flushed: nothing that was promised stands here
        hidden.path = self._path
        self._file.close()
        self._file = hidden

    def close(self) -> None:
        """Give the descriptor back."""
        self._file.close()


def read_expired(folder: Path) -> Records:
    """All records, oldest first; none where there is no log."""
    if not size_of(folder / "expired.log"):
        return np.empty(0, EXPIRED)
    return read_records(folder / "expired.log", EXPIRED)


def why_expired(rows: Records, stream: int, name: str) -> PcapExpired | None:
    """The newest reason for which ``stream`` went, in words; ``None`` when the log does not know it."""
    hits = np.flatnonzero((rows["first_stream"] <= stream) & (rows["last_stream"] >= stream))
    if not len(hits) or not stream:
        return None
    row = rows[hits[-1]]
    reason, limit = int(row["reason"]), int(row["limit"])
    key = KEYS[reason]
    value = format_bytes(limit) if reason == STORAGE_LIMIT else format_duration(limit / NS_PER_S)
    return PcapExpired(name, rfc3339(int(row["expired_ns"])), f"{key.rsplit('.', 1)[-1]} {value}", key)
