"""Items on disk: the bytes that went to the scripts, once, for ``jsonTTL``."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from engine.clock import NS_PER_S
from engine.counters import Counters, Drop
from engine.errors import StorageError
from engine.segments.copied import Copied, Heard
from engine.segments.expired import JSON_TTL, Expired, ExpiredLog
from engine.segments.files import AppendedFile, numbered, numbers_in, remove_all, size_of
from engine.segments.member import ALONE, Member
from engine.segments.options import StorageOptions
from engine.segments.records import ITEM, Records, read_records

MAX_SEGMENT_BYTES = 16 << 20
SEGMENTS_IN_BUDGET = 32
SEGMENT_AGE_S = 5.0
COMPLAIN_S = 10.0
ENDINGS = ("items", "idx")
"""In the order in which they are deleted; they are made in the opposite order."""

Entry = tuple[int, int, int, bytes]
"""Stream, index within the stream, time of the request in nanoseconds, the item as msgpack."""

log = logging.getLogger(__name__)


class _ItemSegment:
    """One pair of files. ``size_bytes`` counts both."""

    def __init__(self, folder: Path, number: int, now_s: float, sizes: tuple[int, int] = (0, 0)) -> None:
        self.number, self.opened_s, self.written_s = number, now_s, now_s
        self.index = AppendedFile(numbered(folder, number, "idx"), sizes[1])
        try:
            self.items = AppendedFile(numbered(folder, number, "items"), sizes[0])
        except OSError:
            self.close_index()
            raise

    def close_index(self) -> None:
        self.index.close()
        self.index.path.unlink(missing_ok=True)

    @property
    def size_bytes(self) -> int:
        return self.items.size_bytes + self.index.size_bytes

    def append(self, entries: Sequence[Entry], now_s: float) -> int:
        """Items, then their index; how many are stored."""
        self.written_s = now_s
        data = b"".join([entry[3] for entry in entries])
        rows = _rows(entries, self.items.size_bytes)
        if self.items.append(data, len(data)) < len(data):
            return 0
        stored = self.index.append(rows.tobytes(), ITEM.itemsize) // ITEM.itemsize
        if stored < len(rows):
            self.items.cut(int(rows["offset"][stored]))
        return stored

    def close(self) -> None:
        self.items.close()
        self.index.close()


def _rows(entries: Sequence[Entry], offset: int) -> Records:
    lengths = np.fromiter((len(entry[3]) for entry in entries), np.int64, len(entries))
    rows = np.zeros(len(entries), ITEM)
    rows["stream"] = [entry[0] for entry in entries]
    rows["index"] = [entry[1] for entry in entries]
    rows["timestamp_ns"] = [entry[2] for entry in entries]
    rows["length"] = lengths
    rows["offset"] = np.cumsum(lengths) - lengths + offset
    return rows


class ItemShelf:
    """Stores items and lets them expire. One owner; times are monotonic seconds."""

    def __init__(self, data: Path, options: StorageOptions, counters: Counters, member: Member = ALONE) -> None:
        """Open ``data/items`` with what an earlier process left there; it counts as written at the first ``expire``.

        ``member``: whose numbers are ours.

        Raises:
            StorageError: the folder is missing or read-only.
        """
        self._folder = data / "items"
        self._ttl_s = options.json_ttl_s
        self._counters = counters
        self._limit_bytes = options.storage_limit_bytes
        self._segment_bytes = min(MAX_SEGMENT_BYTES, options.storage_limit_bytes // SEGMENTS_IN_BUDGET)
        self._writer: _ItemSegment | None = None
        self._extra_bytes = 0
        self._heard = Heard()
        self._complain_s = -math.inf
        self._refused = 0
        self._error: OSError | None = None
        try:
            self._expired = ExpiredLog(self._folder, member)
            found = [number for ending in ENDINGS for number in numbers_in(self._folder, ending)]
            self._closed = deque(self._recover(number) for number in sorted(set(filter(member.owns, found))))
        except OSError as error:
            raise StorageError(f"{self._folder}: expected a folder to write items to, got {error}") from error
        self._member = member
        self._next = max(self._expired.last_segment, member.highest(found)) + 1

    def _recover(self, number: int) -> _ItemSegment:
        """Cut to whole items that the index names."""
        path = numbered(self._folder, number, "idx")
        rows = read_records(path, ITEM) if path.exists() else np.empty(0, ITEM)
        good = rows["offset"] + rows["length"] <= size_of(numbered(self._folder, number, "items"))
        rows = rows if good.all() else rows[: int(np.argmin(good))]
        end = int(rows["offset"][-1]) + int(rows["length"][-1]) if len(rows) else 0
        segment = _ItemSegment(self._folder, number, math.inf, (end, rows.nbytes))
        segment.close()
        return segment

    @property
    def size_bytes(self) -> int:
        """Of all item segments: belongs to ``extra_bytes`` of the shelf."""
        segments = [*self._closed, self._writer] if self._writer else self._closed
        return sum(segment.size_bytes for segment in segments) + self._expired.size_bytes

    def append(self, entries: Sequence[Entry], now_s: float) -> int:
        """Store items; returns how many found no room, which are counted as ``Drop.STORAGE_FULL`` and never raise."""
        if not entries:
            return 0
        self._counters.add("item_segments_offered_total", len(entries))
        stored = self._append(entries, now_s)
        self._counters.add("item_segments_stored_total", stored)
        if stored < len(entries):
            self._counters.drop("item_segments", Drop.STORAGE_FULL, len(entries) - stored)
            self._complain(len(entries) - stored, now_s)
        return len(entries) - stored

    def _append(self, entries: Sequence[Entry], now_s: float) -> int:
        wanted = sum(len(entry[3]) for entry in entries) + ITEM.itemsize * len(entries)
        if wanted + self.size_bytes + self._extra_bytes > self._limit_bytes:
            self._error = None
            return 0
        writer = self._writer
        if writer and (writer.items.size_bytes >= self._segment_bytes or now_s - writer.opened_s >= SEGMENT_AGE_S):
            self._rotate()
        try:
            number = self._member.checked(self._next)
            writer = self._writer = self._writer or _ItemSegment(self._folder, number, now_s)
        except OSError as error:
            self._error = error
            return 0
        self._next = writer.number + 1
        stored = writer.append(entries, now_s)
        self._error = writer.items.error or writer.index.error
        return stored

    def _rotate(self) -> None:
        if self._writer:
            self._writer.close()
            self._closed.append(self._writer)
            self._writer = None

    def _complain(self, items: int, now_s: float) -> None:
        self._refused += items
        if now_s >= self._complain_s:
            log.warning(
                "item_storage_full reason=%s items_refused=%d; raise tap.storageLimit or free disk space",
                self._error or "storage_limit",
                self._refused,
            )
            self._complain_s, self._refused = now_s + COMPLAIN_S, 0

    def expire(
        self,
        now_s: float,
        copied: Copied | None = None,
        keep_bytes: Mapping[str, int] | None = None,
        *,
        wall_ns: int,
        extra_bytes: int = 0,
    ) -> None:
        """Delete item segments that are past ``jsonTTL`` and copied; arguments as of ``Shelf.expire``.

        ``extra_bytes``: segments and work folders, which share the storage limit.
        """
        self._extra_bytes = extra_bytes
        if self._writer and now_s - self._writer.opened_s >= SEGMENT_AGE_S:
            self._rotate()
        self._expired.flush()
        by_s = now_s if copied is None else self._heard.until_s(copied, keep_bytes or {}, now_s)
        for segment in list(self._closed):
            segment.written_s = min(segment.written_s, now_s)  # one that was found is stamped now
            past = segment.written_s + self._ttl_s <= by_s
            if past and (copied is None or copied.has_items(segment.number, segment.index.size_bytes)):
                self._remove(segment, wall_ns, now_s)
        self._counters.set("item_segments_bytes", self.size_bytes)

    def _remove(self, segment: _ItemSegment, wall_ns: int, now_s: float) -> None:
        try:
            streams = np.unique(read_records(segment.index.path, ITEM)["stream"]).tolist()
            self._expired.add(Expired(segment.number, wall_ns, {JSON_TTL: (int(self._ttl_s * NS_PER_S), streams)}))
            remove_all(numbered(self._folder, segment.number, ending) for ending in ENDINGS)
        except OSError as error:
            log.warning("item_segment_not_removed segment=%d error=%s", segment.number, error)
            segment.written_s = now_s - self._ttl_s + COMPLAIN_S  # again in 10 s
            return
        self._closed.remove(segment)
        self._counters.add("item_segments_expired_total")

    def close(self) -> None:
        """Close the files; everything stays where it is."""
        self._rotate()
        self._expired.close()
