"""The shelf: packets of all streams, appended to segments, found by extents, gone after their time.

One file per stream would cost 13 to 115 us a stream and melts ext4; a segment costs about 2 us. The worker owns the
shelf. Others read the files (``engine.segments.reader``); nobody asks the worker.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping, Set
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.capture.batch import Batch
from engine.clock import NS_PER_S
from engine.counters import Counters, Drop
from engine.errors import StorageError
from engine.segments.copied import Copied, Heard
from engine.segments.expired import PCAP_ERROR_TTL, PCAP_TTL, STORAGE_LIMIT, Expired, ExpiredLog
from engine.segments.expiry import Holds
from engine.segments.extents import Packets, extents_of, gather, packets_of
from engine.segments.member import ALONE, Member
from engine.segments.options import StorageOptions
from engine.segments.records import (
    ERROR,
    PCAP_HEADER_BYTES,
    STREAM_RECORD,
    Records,
)
from engine.segments.recovery import highest_number, recover
from engine.segments.rescue import Rescued, rescue
from engine.segments.resume import Place
from engine.segments.segment import Segment, SegmentWriter

MAX_SEGMENT_BYTES = 16 << 20
SEGMENTS_IN_BUDGET = 32
RESERVE_SHARE = 16
"""One part in so many of the budget is for streams that have begun."""
SEGMENT_AGE_S = 5.0
MAX_PROBED_BYTES = 64 << 20
"""More than this nobody reads at once."""
RETRY_S = 0.5
"""How long a disk that refused a write is left alone."""
COMPLAIN_S = 10.0
MAX_UNLOGGED_BYTES = 8 << 20
"""Ends and errors that wait in memory while the disk takes nothing (100,000 of them)."""

log = logging.getLogger(__name__)


class Shelf:
    """Stores packets and lets them expire. One owner; times are monotonic seconds."""

    def __init__(
        self, data: Path, options: StorageOptions, counters: Counters, now_s: float, member: Member = ALONE
    ) -> None:
        """Open ``data/segments`` with what an earlier process left there; ``member``: whose numbers are ours.

        Raises:
            StorageError: the folder is missing or read-only.
        """
        self._folder = data / "segments"
        self._options, self._member = options, member
        self._counters = counters
        self._holds = Holds(options.pcap_ttl_s, options.pcap_error_ttl_s)
        self._segment_bytes = min(MAX_SEGMENT_BYTES, options.storage_limit_bytes // SEGMENTS_IN_BUDGET)
        self._reserve_bytes = options.storage_limit_bytes // RESERVE_SHARE
        self._writer: SegmentWriter | None = None
        self._link_type = 1
        self._now_s = now_s
        self._extra_bytes = 0
        self._unlogged = bytearray()
        self._heard = Heard()
        self._retry_s = now_s
        self._full = False
        self._held_since_s = math.inf
        self._complain_s = now_s
        self._refused = 0
        try:
            highest = highest_number(self._folder, member)
            self._expired = ExpiredLog(self._folder, member)
            self._segments = self._open_found(now_s)
        except OSError as error:
            raise StorageError(f"{self._folder}: expected a folder to write packets to, got {error}") from error
        self._next = max(highest, self._expired.last_segment) + 1
        self._closed_bytes = sum(segment.size_bytes for segment in self._segments)

    def _open_found(self, now_s: float) -> list[Segment]:
        found = recover(self._folder, now_s, self._member)
        for segment, _ in found:
            self._holds.read(segment.streams, now_s)
            segment.due_s = now_s + self._options.pcap_ttl_s
        for stream in frozenset[int]().union(*(errors for _, errors in found)):
            self._holds.error(stream)
        return [segment for segment, _ in found]

    @property
    def size_bytes(self) -> int:
        """Of all segments and the log of what expired."""
        current = self._writer.size_bytes if self._writer else 0
        return self._closed_bytes + current + self._expired.size_bytes

    @property
    def place(self) -> Place:
        """Where the next packets go, or would go."""
        writer = self._writer
        return Place(writer.number, writer.index_bytes) if writer else Place(self._next, 0)

    def has_room(self, size_bytes: int, now_s: float) -> bool:
        """Whether a batch of this size would be stored: a source that can wait, waits until it would.

        Index and stream log are counted at their worst (four times the packets). An empty shelf always has room:
        waiting would not help. A disk that is full or read-only has none: what was read could only be thrown away.
        """
        if now_s < self._retry_s:
            return False
        if not self._disk_takes(min(2 * size_bytes, MAX_PROBED_BYTES)):
            self._retry_s = now_s + RETRY_S
            self._complain("disk source=waits", now_s, 0)
            return False
        return 4 * size_bytes <= self._room_bytes() - self._reserve_bytes or not (self._segments or self._writer)

    def _disk_takes(self, size_bytes: int) -> bool:
        """By its own words, which some network file systems do not have."""
        disk = os.statvfs(self._folder)
        if disk.f_flag & os.ST_RDONLY:
            return False
        return not disk.f_blocks or disk.f_bavail * disk.f_frsize >= size_bytes

    def _room_bytes(self) -> int:
        return self._options.storage_limit_bytes - self._extra_bytes - self.size_bytes

    # ---- storing --------------------------------------------------------------------------------------------------

    def append(
        self,
        batch: Batch,
        stream_ids: npt.NDArray[np.uint64],
        timestamp_ns: npt.NDArray[np.int64],
        describe: Callable[[npt.NDArray[np.uint64]], Records],
        now_s: float,
    ) -> int:
        """Store the packets of a batch before anybody is told of them; returns how many found no room.

        Never raises for want of space: what is not stored is counted as ``Drop.STORAGE_FULL``.

        Args:
            batch: packets in capture order.
            stream_ids: one per packet; 0: belongs to no stream and is not stored.
            timestamp_ns: one per packet.
            describe: the ``seen`` records of some streams; asked for each once per segment.
            now_s: monotonic.
        """
        self._now_s, self._link_type = now_s, batch.link_type
        packets = packets_of(batch, stream_ids, timestamp_ns)
        offered = len(packets.stream)
        self._counters.add("segments_offered_total", offered)
        if self._room_bytes() < self._reserve_bytes:
            packets = self._without_new(packets, now_s)
        count, first, stored_all = len(packets.stream), 0, 0
        while first < count:
            last = self._last_that_fits(packets, first, now_s)
            part = packets.part(first, last)
            stored = self._store(batch.buffer, part, describe, now_s)
            self._counters.add("segments_stored_total", stored)
            stored_all += stored
            if stored < last - first:
                self._refuse(last - first - stored, now_s)
            first = last
        return offered - stored_all

    def _without_new(self, packets: Packets, now_s: float) -> Packets:
        """The last room belongs to streams of which packets are stored: one whole is worth more than two halves."""
        new = [stream for stream in np.unique(packets.stream).tolist() if not self._holds.knows(stream)]
        if not new:
            return packets
        old = ~np.isin(packets.stream, np.array(new, np.uint64))
        self._full = True
        self._refuse(len(old) - int(old.sum()), now_s)
        return packets.where(old)

    def _last_that_fits(self, packets: Packets, first: int, now_s: float) -> int:
        """Where the part of the batch ends that goes into the current segment; may begin a new one."""
        writer = self._writer
        if writer and (writer.link_type != self._link_type or now_s - writer.opened_s >= SEGMENT_AGE_S):
            self._rotate()
            writer = None
        used = writer.packet_bytes if writer else PCAP_HEADER_BYTES
        before = int(packets.stop[first] - packets.length[first])
        last = int(np.searchsorted(packets.stop, before + self._segment_bytes - used, side="right"))
        if last == first and used > PCAP_HEADER_BYTES:
            self._rotate()
            return self._last_that_fits(packets, first, now_s)
        return max(last, first + 1)

    def _store(
        self, buffer: memoryview, packets: Packets, describe: Callable[[npt.NDArray[np.uint64]], Records], now_s: float
    ) -> int:
        """How many of the packets are stored, from the first on."""
        if now_s < self._retry_s:
            return 0
        number, offset = (
            (self._writer.number, self._writer.packet_bytes) if self._writer else (self._next, PCAP_HEADER_BYTES)
        )
        extents, first = extents_of(packets, number, offset)
        streams = dict.fromkeys(extents["stream"].tolist())
        known = self._writer.streams if self._writer else frozenset()
        seen = [stream for stream in streams if stream not in known]
        wanted = int(packets.length.sum()) + extents.nbytes + len(seen) * STREAM_RECORD.itemsize
        wanted += 0 if self._writer else PCAP_HEADER_BYTES
        self._full = wanted > self._room_bytes()
        if self._full or not (writer := self._open_writer(now_s)):
            return 0
        records = describe(np.array(seen, np.uint64)).tobytes() if seen else b""
        stored = writer.append(gather(buffer, packets), extents, seen, records, now_s)
        if stored < len(extents):
            self._broken(writer.error, now_s)
            streams = dict.fromkeys(extents["stream"][:stored].tolist())
        self._holds.read(streams, now_s)
        return int(first[stored]) if stored < len(extents) else len(packets.stream)

    def _open_writer(self, now_s: float) -> SegmentWriter | None:
        if self._writer is None:
            try:
                number = self._member.checked(self._next)
                self._writer = SegmentWriter(self._folder, number, self._link_type, now_s)
            except OSError as error:
                self._broken(error, now_s)
                return None
            self._next += 1
        return self._writer

    def _rotate(self) -> None:
        if self._writer is not None:
            segment = self._writer.close(self._options.pcap_ttl_s)
            self._writer = None
            self._segments.append(segment)
            self._closed_bytes += segment.size_bytes

    def _broken(self, error: OSError | None, now_s: float) -> None:
        """The disk refused a write: say so and leave it alone for a moment."""
        self._retry_s = now_s + RETRY_S
        self._complain(f"disk error={error}", now_s, 0)

    def _refuse(self, packets: int, now_s: float) -> None:
        self._counters.drop("segments", Drop.STORAGE_FULL, packets)
        self._complain("storage_limit" if self._full else "disk", now_s, packets)

    def _complain(self, reason: str, now_s: float, packets: int) -> None:
        """One warning per 10 s, with the packets refused since the last."""
        self._refused += packets
        if now_s < self._complain_s:
            return
        log.warning(
            "storage_full reason=%s packets_refused=%d size_bytes=%d limit_bytes=%d; "
            "raise tap.storageLimit or free disk space",
            reason,
            self._refused,
            self.size_bytes + self._extra_bytes,
            self._options.storage_limit_bytes,
        )
        self._complain_s, self._refused = now_s + COMPLAIN_S, 0

    # ---- streams --------------------------------------------------------------------------------------------------

    def log(self, records: Records) -> None:
        """Append ``END`` or ``ERROR`` of streams to the stream log. What the disk refuses is written later."""
        if not records.size:
            return
        for stream in records["stream"][records["event"] == ERROR].tolist():
            self._holds.error(stream)
        self._unlogged += records.tobytes()
        excess = (len(self._unlogged) - MAX_UNLOGGED_BYTES + STREAM_RECORD.itemsize - 1) // STREAM_RECORD.itemsize
        if excess > 0:
            del self._unlogged[: excess * STREAM_RECORD.itemsize]
            self._counters.drop("stream_log", Drop.STORAGE_FULL, excess)
        self._log_waiting(self._now_s)

    def _log_waiting(self, now_s: float) -> None:
        if not self._unlogged or now_s < self._retry_s or not (writer := self._open_writer(now_s)):
            return
        taken = writer.log(bytes(self._unlogged), now_s)
        if taken < len(self._unlogged):
            self._broken(writer.error, now_s)
        del self._unlogged[:taken]

    def lease(self, stream_id: int) -> None:
        """Keep the stream's packets until ``release``; counted."""
        self._holds.lease(stream_id)

    def release(self, stream_id: int) -> None:
        """Give one lease back; with the last one the TTL begins again.

        Raises:
            KeyError: the stream has no lease.
        """
        self._holds.release(stream_id)

    def hold(self, since_s: float | None) -> None:
        """Widen the window to all that is written from ``since_s`` on, until ``None``; again changes nothing."""
        self._held_since_s = math.inf if since_s is None else min(since_s, self._held_since_s)

    # ---- expiry ---------------------------------------------------------------------------------------------------

    def expire(
        self,
        now_s: float,
        copied: Copied | None,
        keep_bytes: Mapping[str, int],
        *,
        wall_ns: int,
        extra_bytes: int = 0,
    ) -> None:
        """Delete the segments that nobody needs any more; call some times a second.

        A segment goes when each of its streams is past its TTL and outside the window, none is leased, and the recorder
        has copied it and read what was wished until its TTL was over. When little of the budget is left, the window no
        longer counts; if that is not enough, packets go that are themselves older than the TTL, though their stream
        goes on; then leased packets are copied out of segments that could go without them.

        Args:
            now_s: monotonic.
            copied: how far the recorder has read; ``None``: nothing ever keeps.
            keep_bytes: sizes of the keep journals now.
            wall_ns: wall time, for the log of what expired.
            extra_bytes: item segments and work folders, which share the storage limit.
        """
        self._now_s, self._extra_bytes = now_s, extra_bytes
        if self._writer and now_s - self._writer.opened_s >= SEGMENT_AGE_S:
            self._rotate()
        self._holds.settle(now_s)
        self._expired.flush()
        self._log_waiting(now_s)
        by_s = now_s if copied is None else self._heard.until_s(copied, keep_bytes, now_s)
        self._expire_segments(now_s, by_s, copied, wall_ns)
        self._counters.set("segments_bytes", self.size_bytes)
        self._counters.set("segments_leases", len(self._holds.leases))

    def _expire_segments(self, now_s: float, by_s: float, copied: Copied | None, wall_ns: int) -> None:
        """First what is past every TTL; under pressure also what is in the window, then the past of long streams.

        ``by_s``: when a TTL has to have been over, so that nobody can have asked for the stream unheard.
        """
        free = [
            segment
            for segment in self._segments
            if segment.due_s <= by_s and self._unheld(segment, copied) and self._past_ttl(segment, by_s)
        ]
        for segment in free:
            if self._outside_window(segment, now_s) or self._pressed():
                self._remove(segment, wall_ns, now_s)
        if self._pressed():
            self._shorten(now_s, by_s, copied, wall_ns)
        if self._pressed():
            self._rescue(now_s, by_s, copied, wall_ns)

    def _outside_window(self, segment: Segment, now_s: float) -> bool:
        options = self._options
        if segment.written_s >= self._held_since_s:
            return False
        old = segment.written_s + options.window_s <= now_s
        return old or not options.window or self.size_bytes > options.window_bytes

    def _shorten(self, now_s: float, by_s: float, copied: Copied | None, wall_ns: int) -> None:
        """Oldest first, delete segments whose packets are past the TTL although their streams go on.

        Otherwise one long stream would hold every segment since its start, until nothing could be stored.
        """
        for segment in list(self._segments):
            due_s = self._holds.packets_due_s(segment.streams, segment.written_s)
            if due_s <= by_s and self._unheld(segment, copied):
                self._remove(segment, wall_ns, now_s)
                if not self._pressed():
                    return

    def _rescue(self, now_s: float, by_s: float, copied: Copied | None, wall_ns: int) -> None:
        """Oldest first, copy what is leased out of segments that nothing else holds, and delete those."""
        leased = self._holds.leases.keys()
        held = [
            segment
            for segment in self._segments
            if self._is_copied(segment, copied)
            and self._holds.leased(segment.streams)
            and self._holds.packets_due_s(segment.streams, segment.written_s) <= by_s
        ]
        room_bytes = min(self._segment_bytes, self._room_bytes())
        if not held or room_bytes <= 0:
            return
        self._rotate()  # the new segment has the highest number: nobody may write to another one then
        try:
            number = self._member.checked(self._next)
            made = rescue(self._folder, number, held, leased, room_bytes, now_s, self._member)
        except OSError as error:
            self._broken(error, now_s)
            return
        if made:
            self._next += 1
            self._put_in_place(made, wall_ns, now_s)

    def _put_in_place(self, made: Rescued, wall_ns: int, now_s: float) -> None:
        self._segments.append(made.segment)
        self._closed_bytes += made.segment.size_bytes
        self._counters.add("segments_rescued_total", len(made.emptied))
        for segment in made.emptied:
            self._remove(segment, wall_ns, now_s, made.segment.streams)

    @staticmethod
    def _is_copied(segment: Segment, copied: Copied | None) -> bool:
        return copied is None or copied.has_segment(segment.number, segment.index_bytes)

    def _unheld(self, segment: Segment, copied: Copied | None) -> bool:
        """The recorder has copied it, and no stream in it is leased."""
        return self._is_copied(segment, copied) and not self._holds.leased(segment.streams)

    def _past_ttl(self, segment: Segment, now_s: float) -> bool:
        segment.due_s = max(segment.written_s + self._options.pcap_ttl_s, self._holds.due_s(segment.streams))
        return segment.due_s <= now_s

    def _pressed(self) -> bool:
        """Little is left of the budget: an eighth is kept free for what comes before the next call."""
        limit = self._options.storage_limit_bytes
        return self.size_bytes + self._extra_bytes > limit - limit // 8

    def _remove(self, segment: Segment, wall_ns: int, now_s: float, rescued: Set[int] = frozenset()) -> None:
        segment.streams -= rescued
        young = self._holds.young(segment.streams, now_s)
        if not segment.announced:  # before the files go, so that who misses them finds the reason
            self._expired.add(self._obituary(segment, young, wall_ns))
            segment.announced = True
        try:
            segment.remove(self._folder)
        except OSError as error:
            self._broken(error, now_s)
            return
        self._segments.remove(segment)
        self._closed_bytes -= segment.size_bytes
        self._holds.forget(segment.streams - young)
        self._counters.add("segments_expired_total")
        if young:
            self._counters.add("segments_shortened_streams_total", len(young))
            self._complain("storage_limit long_streams=shortened", now_s, 0)

    def _obituary(self, segment: Segment, young: set[int], wall_ns: int) -> Expired:
        errors = (segment.streams & self._holds.errors) - young
        ended = segment.streams - errors - young
        reasons = {
            PCAP_TTL: (int(self._holds.ttl_s * NS_PER_S), ended),
            PCAP_ERROR_TTL: (int(self._holds.error_ttl_s * NS_PER_S), errors),
            STORAGE_LIMIT: (self._options.storage_limit_bytes, young),
        }
        return Expired(segment.number, wall_ns, reasons)

    def close(self) -> None:
        """Close the files; everything stays where it is."""
        self._log_waiting(self._retry_s)
        self._rotate()
        self._expired.close()
