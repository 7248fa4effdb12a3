"""``expired.log``: which streams went when, and by which TTL or limit, so that a miss can say what to raise.

Each worker has one. It also remembers the highest segment number when no segment is left. Bounded: beyond 1 MiB the
older half goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.clock import NS_PER_S, rfc3339
from engine.errors import PcapExpired
from engine.segments.files import AppendedFile, size_of
from engine.segments.member import ALONE, Member, newest_of_each
from engine.segments.records import Records, read_records
from engine.units import format_bytes, format_duration

EXPIRED = np.dtype(
    [
        ("segment", "<u4"),
        ("reason", "u1"),
        ("step", "u1"),
        ("zero", "V2"),
        ("first_stream", "<u8"),
        ("last_stream", "<u8"),
        ("expired_ns", "<i8"),
        ("limit", "<i8"),
    ]
)
"""40 bytes: a range of streams that expired with a segment, every ``step``-th of them; stream 0 is none."""

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
MAX_STEP = 255


class Expired(NamedTuple):
    """One segment that went."""

    segment: int
    expired_ns: int
    reasons: Mapping[int, tuple[int, Iterable[int]]]
    """For each reason: the TTL in nanoseconds or the limit in bytes, and the streams it decided about."""

    def rows(self) -> Records:
        """Its records; at least one, which names the segment."""
        rows = [
            (self.segment, reason, step, b"", first, last, self.expired_ns, limit)
            for reason, (limit, streams) in self.reasons.items()
            for first, last, step in _ranges(streams)
        ]
        return np.array(rows or [(self.segment, 0, 1, b"", 0, 0, self.expired_ns, 0)], EXPIRED)


def _ranges(streams: Iterable[int]) -> list[tuple[int, int, int]]:
    """``(first, last, step)``: the ids of one of several workers are as many apart as there are workers."""
    ids = np.sort(np.fromiter(streams, np.uint64))
    if not len(ids):
        return []
    gaps = ids[1:] - ids[:-1]
    apart = int(np.gcd.reduce(gaps)) if len(gaps) else 1
    step = apart if 0 < apart <= MAX_STEP else 1
    widest = np.argsort(gaps, kind="stable")[-(MAX_RANGES - 1) :]
    breaks = np.sort(widest[gaps[widest] > step])
    firsts = ids[np.concatenate(([0], breaks + 1))].tolist()
    lasts = ids[np.concatenate((breaks, [len(ids) - 1]))].tolist()
    return [(first, last, step) for first, last in zip(firsts, lasts, strict=True)]


class ExpiredLog:
    """The writer's side. What cannot be written now waits in memory for the next call."""

    def __init__(self, folder: Path, member: Member = ALONE) -> None:
        """Raises ``OSError`` where the folder cannot be written."""
        self._path = folder / member.named("expired", ".log")
        self._pending = b""
        self.last_segment = member.highest(read_expired(folder)["segment"].tolist())
        """The highest segment number of this worker that any log names; the one before its first for none."""
        rows = read_records(self._path, EXPIRED) if size_of(self._path) else np.empty(0, EXPIRED)
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
        hidden = AppendedFile(self._path.with_name(f".{self._path.name}"))
        newest = _newer_half(rows).tobytes()
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


def _newer_half(rows: Records) -> Records:
    """Also of the older half what names the highest segment of a range: numbers go on behind it."""
    half = len(rows) // 2
    highest = np.isin(rows["segment"], sorted(newest_of_each(rows["segment"].tolist())))
    return rows[(np.arange(len(rows)) >= half) | highest]


def read_expired(folder: Path) -> Records:
    """All records of all workers, oldest first; none where there is no log."""
    logs = [path for path in sorted(folder.glob("expired*.log")) if size_of(path)]
    if not logs:
        return np.empty(0, EXPIRED)
    rows = np.concatenate([read_records(path, EXPIRED) for path in logs])
    return rows if len(logs) == 1 else rows[np.argsort(rows["expired_ns"], kind="stable")]


def why_expired(rows: Records, stream: int, name: str) -> PcapExpired | None:
    """The newest reason for which ``stream`` went, in words; ``None`` when the log does not know it."""
    covers = (rows["first_stream"] <= stream) & (rows["last_stream"] >= stream)
    hits = np.flatnonzero(covers & ((stream - rows["first_stream"]) % np.maximum(rows["step"], 1) == 0))
    if not len(hits) or not stream:
        return None
    row = rows[hits[-1]]
    reason, limit = int(row["reason"]), int(row["limit"])
    key = KEYS[reason]
    value = format_bytes(limit) if reason == STORAGE_LIMIT else format_duration(limit / NS_PER_S)
    return PcapExpired(name, rfc3339(int(row["expired_ns"])), f"{key.rsplit('.', 1)[-1]} {value}", key)
