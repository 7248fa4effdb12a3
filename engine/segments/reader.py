"""Segments as other processes see them: they read files, and survive that the worker deletes them meanwhile.

The stream log is kept in memory (a row per stream), extents only of segments that somebody asked about.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import NoSuchStream, StorageError
from engine.naming import stream_name
from engine.segments.expired import read_expired, why_expired
from engine.segments.files import numbered
from engine.segments.itemreader import ItemReader
from engine.segments.member import newest_of_each
from engine.segments.packets import Extent, Stored, copy_packets, measure
from engine.segments.records import (
    EXTENT,
    PCAP_HEADER_BYTES,
    SEEN,
    STREAM_RECORD,
    StreamRecord,
    link_type_of,
    pcap_header,
    unpack_stream_records,
)
from engine.segments.rescue import newest
from engine.segments.tail import GrowingFile, Tail
from engine.segments.watch import NumberedFiles

_MAX_OPEN = 64


class _SegmentGone(Exception):
    """The worker deleted a segment while it was being read."""


@dataclass(slots=True, eq=False)
class _Segment:
    log: GrowingFile
    index: Tail
    link_type: int | None = None
    streams: list[int] = field(default_factory=list)
    """Streams its log names; some of them twice."""


@dataclass(slots=True, eq=False)
class _Known:
    latest: StreamRecord
    start_ns: int
    segments: list[int]
    """Whose logs name the stream, ascending."""


class SegmentReader:
    """Answers from the segments of one data folder. Every look-up takes in first what was added."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "segments"
        self._files = NumberedFiles(self._folder, "pcap")
        self._segments: dict[int, _Segment] = {}
        self._growing: list[int] = []
        self._known: dict[int, _Known] = {}
        self._open: dict[int, int] = {}
        self._data = data
        self.items = ItemReader(data)
        self.refresh()

    def close(self) -> None:
        """Give the descriptors back."""
        for number in list(self._segments):
            self._forget(number)
        self.items.close()

    # ---- following the writer -------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Take in what was added and what has gone; about 6 us where that is nothing.

        Raises:
            StorageError: a stream log is missing whose segment is there.
        """
        if self._files.refresh():
            self._follow(self._files.numbers)
        while missing := self._read_logs():
            self._list_again(missing)

    def _read_logs(self) -> Path | None:
        """Take in what was added to stream logs; the first of them that was deleted since the folder was listed."""
        for number in list(self._growing):
            segment = self._segments[number]
            rows = segment.log.take()
            if len(rows):
                self._learn(number, segment, unpack_stream_records(rows.tobytes()))
            elif segment.log.missing:
                return segment.log.path
            if segment.log.ended:
                self._growing.remove(number)
        return None

    def _follow(self, numbers: list[int]) -> None:
        for number in self._segments.keys() - set(numbers):
            self._forget(number)
        for number in numbers:
            if number not in self._segments:
                log = GrowingFile(numbered(self._folder, number, "streams"), STREAM_RECORD)
                self._segments[number] = _Segment(log, Tail(numbered(self._folder, number, "idx"), EXTENT))
                self._growing.append(number)
        newest = newest_of_each(numbers)
        for number in self._growing:
            if number not in newest:  # a worker never returns to an older segment
                self._segments[number].log.end()
                self._segments[number].index.file.end()

    def _look_again(self) -> None:
        """Take in what has gone, whether the folder seems to have changed or not."""
        self._files.list_again()
        self._follow(self._files.numbers)

    def _list_again(self, missing: Path) -> None:
        self._look_again()
        if int(missing.stem) in self._segments:
            raise StorageError(f"expected {missing} beside the packets of its segment, found no such file")

    def _learn(self, number: int, segment: _Segment, records: list[StreamRecord]) -> None:
        for record in records:
            stream = record.stream
            segment.streams.append(stream)
            known = self._known.get(stream)
            if known is None:
                self._known[stream] = _Known(record, record.timestamp_ns, [number])
                continue
            if record.event != SEEN or record.packets > known.latest.packets:  # not that of a rescued extent
                known.latest = record
            if record.event == SEEN:
                known.start_ns = record.timestamp_ns
            if known.segments[-1] != number:
                known.segments.append(number)

    def _forget(self, number: int) -> None:
        segment = self._segments.pop(number)
        segment.log.close()
        segment.index.file.close()
        if number in self._growing:
            self._growing.remove(number)
        if number in self._open:
            os.close(self._open.pop(number))
        for stream in set(segment.streams):
            known = self._known[stream]
            known.segments.remove(number)
            if not known.segments:
                del self._known[stream]

    def _descriptor(self, number: int) -> int:
        """Of a segment's packets; the oldest of many is closed."""
        if number not in self._open:
            if len(self._open) >= _MAX_OPEN:
                os.close(self._open.pop(next(iter(self._open))))
            try:
                self._open[number] = os.open(numbered(self._folder, number, "pcap"), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                raise _SegmentGone from None
        return self._open[number]

    # ---- streams --------------------------------------------------------------------------------------------------

    def streams(self) -> Iterator[StreamRecord]:
        """The latest record of each stream, by stream; a record holds the sums up to its event."""
        self.refresh()
        return iter([self._known[stream].latest for stream in sorted(self._known)])

    def stream(self, stream_id: int) -> StreamRecord | None:
        """The latest record of a stream."""
        self.refresh()
        known = self._known.get(stream_id)
        return known.latest if known else None

    def start_ns(self, stream_id: int) -> int | None:
        """Timestamp of the stream's first packet."""
        known = self._known.get(stream_id)
        return known.start_ns if known else None

    def extents(self, stream_id: int) -> list[Extent]:
        """Where the stream's packets lie, in the order in which they were captured; empty where it has none.

        Never with a hole: where a segment went before its index was read, those before it have gone as well.

        Raises:
            StorageError: an index or a stream log is missing whose segment is there.
        """
        while True:
            self.refresh()
            try:
                return self._listed_extents(stream_id)
            except FileNotFoundError as error:
                self._list_again(Path(error.filename))

    def _listed_extents(self, stream_id: int) -> list[Extent]:
        known = self._known.get(stream_id)
        if known is None:
            return []
        parts = [(number, self._segments[number].index.rows_of(stream_id)) for number in known.segments]
        listed = [(number, row) for number, rows in parts for row in rows.tolist()]
        if any(row[1] != number for number, row in listed):  # rescued: 15 us that other streams do not pay
            listed = [(number, row) for number, rows in newest(parts) for row in rows.tolist()]
            listed.sort(key=lambda pair: pair[1][1])
        return [Extent(number, row[3], row[2], row[4]) for number, row in listed]

    def stored(self, stream_id: int) -> Stored:
        """Count the packets that are on disk of a stream, while it is open and the stream log does not know yet.

        Raises:
            PcapExpired, NoSuchStream, StorageError: as ``materialise``.
        """
        while True:
            extents = self._extents_or_raise(stream_id)
            try:
                return measure(extents, self._descriptor)
            except _SegmentGone:
                self._look_again()

    def size(self, stream_id: int) -> int:
        """Bytes that the stream's own PCAP would have, as far as it is now, but for its header.

        Raises:
            PcapExpired, NoSuchStream: as ``materialise``.
        """
        return sum(extent.length for extent in self._extents_or_raise(stream_id))

    def materialise(self, stream_id: int, target: Path | int, link_type: int | None = None) -> int:
        """Write the stream's own PCAP: its packets, unchanged, in time order; how many.

        Args:
            stream_id: whose packets.
            target: a path, which is made or replaced, or a descriptor of a file, which is written where it stands.
            link_type: only packets of this one, for a stream that was seen with several.

        Raises:
            PcapExpired: its packets are gone, and the message says why.
            NoSuchStream: nothing is known of it.
            StorageError: a segment is damaged, or the packets have several link types.
            OSError: ``target`` cannot be written.
        """
        if isinstance(target, int):
            return self._materialise_on(target, stream_id, link_type)
        self._extents_or_raise(stream_id)  # before a file is made
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            return self._materialise_on(descriptor, stream_id, link_type)
        except BaseException:
            if target.is_file() and not target.is_symlink():  # and no device, which is not ours to remove
                target.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def _materialise_on(self, descriptor: int, stream_id: int, wanted: int | None) -> int:
        start = os.lseek(descriptor, 0, os.SEEK_CUR)
        while True:
            extents = self._extents_or_raise(stream_id)
            try:
                extents, link_type = self._of_link_type(stream_id, extents, wanted)
                return copy_packets(extents, self._descriptor, descriptor, pcap_header(link_type))
            except _SegmentGone:  # expired, or rescued: then the packets lie in another one now
                os.ftruncate(descriptor, start)
                os.lseek(descriptor, start, os.SEEK_SET)
                self._look_again()

    def _of_link_type(self, stream_id: int, extents: list[Extent], wanted: int | None) -> tuple[list[Extent], int]:
        """The extents that fit into one PCAP, and its link type."""
        types = {number: self._link_type(number) for number in {extent.segment for extent in extents}}
        if wanted is None and len(set(types.values())) > 1:
            name = stream_name(stream_id, self._known[stream_id].latest.protocol)
            raise StorageError(
                f"{name}: expected packets of one link type, got {sorted(set(types.values()))}; ask for one"
            )
        link_type = types[extents[0].segment] if wanted is None else wanted
        return [extent for extent in extents if types[extent.segment] == link_type], link_type

    def _link_type(self, number: int) -> int:
        segment = self._segments[number]
        if segment.link_type is None:
            segment.link_type = link_type_of(os.pread(self._descriptor(number), PCAP_HEADER_BYTES, 0))
        if segment.link_type is None:
            raise StorageError(f"segment {number}: expected a pcap header in {numbered(self._folder, number, 'pcap')}")
        return segment.link_type

    def _extents_or_raise(self, stream_id: int) -> list[Extent]:
        extents = self.extents(stream_id)
        if not extents:
            raise self.why_missing(stream_id)
        return extents

    def why_missing(self, stream_id: int) -> StorageError:
        """Why a stream has no packets: ``PcapExpired`` or ``NoSuchStream``."""
        known = self._known.get(stream_id)
        name = stream_name(stream_id, known.latest.protocol if known else 0)
        return why_expired(read_expired(self._folder), stream_id, name) or NoSuchStream(name)

    # ---- items ----------------------------------------------------------------------------------------------------

    def item(self, stream_id: int, index: int) -> bytes | None:
        """One item as msgpack; ``None`` when it was not stored or has expired."""
        return self.items.item(stream_id, index)

    def items_of(self, stream_id: int) -> list[bytes]:
        """Each item of a stream as msgpack, by index."""
        return self.items.items_of(stream_id)
