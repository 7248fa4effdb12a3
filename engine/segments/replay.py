"""Segments read again from another process, oldest first: each packet with the stream it was stored under.

The worker goes on deleting meanwhile. Some segments are held open ahead of the reading, so that what goes first is read
all the same; what was gone before is named, and a stream that lay in it has a gap.
"""

from __future__ import annotations

import contextlib
import heapq
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.capture.batch import PAD_BYTES, Batch
from engine.capture.records import scan
from engine.clock import NS_PER_S
from engine.decode.columns import Columns
from engine.errors import StorageError
from engine.segments.files import numbered, numbers_in
from engine.segments.member import range_of
from engine.segments.records import (
    EXTENT,
    PCAP_HEADER_BYTES,
    SEEN,
    STREAM_RECORD,
    Records,
    StreamRecord,
    link_type_of,
    read_at,
    read_records,
    read_records_at,
    unpack_stream_records,
)

AHEAD = 64
"""Segments held open, three descriptors each; 1 GiB of packets at most."""
BATCH_BYTES = 2 << 20

Ids = npt.NDArray[np.uint64]


class Packets(NamedTuple):
    """Some packets of one segment."""

    batch: Batch
    stream_ids: Ids
    """One for each."""
    worker: int
    """Who wrote them: streams of two workers have nothing to do with each other, nor have their clocks."""


class _Place(NamedTuple):
    """Where packets lie: file ``number`` holds some that were first written to segment ``origin``."""

    origin: int
    number: int
    first_ns: int
    """Timestamp of the first of them."""


class _Open(NamedTuple):
    """A segment whose files stay readable, whatever becomes of them."""

    place: _Place
    packets: int
    extents: int
    log: int

    def close(self) -> None:
        for descriptor in (self.packets, self.extents, self.log):
            os.close(descriptor)


class Replay:
    """One pass over what a data folder holds now."""

    def __init__(self, data: Path, last_ns: int | None = None) -> None:
        """``last_ns``: of the packets before that much, up to the newest, only those of streams that went on later."""
        self._folder = data / "segments"
        self._clients: dict[int, tuple[int, int, int]] = {}
        self.gone: list[int] = []
        """Numbers of segments that expired before they could be read."""
        self._lanes = self._find_places()
        self.since_ns = 0
        """Where the wanted time begins."""
        self._wanted: Ids | None = None
        self._rescued: dict[int, set[int]] = {}
        """By segment that was rescued to several files: streams whose packets have come."""
        if last_ns is not None:
            self.since_ns = self.newest_ns() - last_ns
            self._wanted = self._streams_since(self.since_ns)

    def packets(self) -> Iterator[Packets]:
        """Everything, in the order in which it was captured; a batch is valid until the next one is asked for.

        Several workers' segments come by their first packets; in time order are only those of one.

        Raises:
            StorageError: a segment is damaged.
        """
        merged = heapq.merge(*self._lanes, key=lambda place: place.first_ns)
        waiting, ahead = deque(merged), deque[_Open]()
        try:
            while waiting or ahead:
                while waiting and len(ahead) < AHEAD:
                    self._open(waiting.popleft(), ahead)
                if ahead:
                    segment = ahead.popleft()
                    try:
                        yield from self._read(segment)
                    finally:
                        segment.close()
        finally:
            for segment in ahead:
                segment.close()

    def from_client(self, columns: Columns, stream_ids: Ids) -> npt.NDArray[np.bool_]:
        """Per packet, whether the client sent it that the stream log names."""
        streams, owner = np.unique(stream_ids, return_inverse=True)
        known = np.array([self._clients[stream] for stream in streams.tolist()], np.uint64).reshape(-1, 3)
        high, low, port = known[owner.reshape(-1)].T
        sent: npt.NDArray[np.bool_] = columns.source_high == high
        sent &= columns.source_low == low
        sent &= columns.source_port == port
        return sent

    # ---- files ----------------------------------------------------------------------------------------------------

    def _find_places(self) -> list[list[_Place]]:
        """By worker: each segment once, in the order of capture; its own file, else those it was rescued to."""
        holders: dict[int, list[_Place]] = {}
        for number, extents in self._indexes(numbers_in(self._folder, "pcap")):
            for origin in np.unique(extents["segment"]).tolist():
                first_ns = int(extents["timestamp_ns"][extents["segment"] == origin].min())
                holders.setdefault(origin, []).append(_Place(origin, number, first_ns))
        lanes: dict[int, list[_Place]] = {}
        for origin, found in sorted(holders.items()):
            own = [place for place in found if place.number == origin]
            lanes.setdefault(range_of(origin), []).extend(own or reversed(found))
        return list(lanes.values())

    def _indexes(self, numbers: Iterable[int]) -> Iterator[tuple[int, Records]]:
        """The extents of segments; of those that go meanwhile, none."""
        for number in numbers:
            with contextlib.suppress(FileNotFoundError):
                yield number, read_records(numbered(self._folder, number, "idx"), EXTENT)

    def _open(self, place: _Place, ahead: deque[_Open]) -> None:
        opened: list[int] = []
        try:
            for ending in ("pcap", "idx", "streams"):
                opened.append(os.open(numbered(self._folder, place.number, ending), os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            for descriptor in opened:
                os.close(descriptor)
            self.gone.append(place.origin)
            return
        ahead.append(_Open(place, *opened))

    def _read(self, segment: _Open) -> Iterator[Packets]:
        extents = read_records_at(segment.extents, EXTENT)  # first: what it names is in the other two
        log = read_records_at(segment.log, STREAM_RECORD)
        self._learn(unpack_stream_records(log.tobytes()))
        origin, number, _ = segment.place
        extents = extents[extents["segment"] == origin]
        if number != origin:  # a stream that was rescued twice counts as it lies in the highest file, which came first
            told = self._rescued.setdefault(origin, set())
            streams = set(extents["stream"].tolist()) - told
            extents = extents[np.isin(extents["stream"], np.array(sorted(streams), np.uint64))]
            told |= streams
        if self._wanted is not None:
            extents = extents[np.isin(extents["stream"], self._wanted)]
        if not len(extents):
            return
        self._check(number, extents)
        end = int(extents["offset"][-1]) + int(extents["length"][-1])
        data = bytearray(read_at(segment.packets, end, 0))
        link_type = link_type_of(bytes(data[:PCAP_HEADER_BYTES]))
        if len(data) < end or link_type is None:
            raise StorageError(
                f"{numbered(self._folder, number, 'pcap')}: expected a pcap of {end} bytes, got {len(data)}"
            )
        offsets = _offsets(data, extents)
        owner = np.searchsorted(extents["offset"], offsets.astype(np.uint64), side="right") - 1
        stream_ids = extents["stream"][owner]
        data += bytes(PAD_BYTES)
        for first, last in _cuts(offsets):
            stop = int(offsets[last]) if last < len(offsets) else end
            batch = Batch(memoryview(data), offsets[first:last], stop, False, link_type, 0, -1)
            yield Packets(batch, stream_ids[first:last], range_of(origin))

    def _learn(self, records: list[StreamRecord]) -> None:
        for record in records:
            if record.event == SEEN:
                high, low = (int.from_bytes(record.client_ip[at : at + 8]) for at in (0, 8))
                self._clients[record.stream] = high, low, record.client_port

    def _check(self, number: int, extents: Records) -> None:
        for stream in np.unique(extents["stream"]).tolist():
            if stream not in self._clients:
                log = numbered(self._folder, number, "streams")
                raise StorageError(f"{log}: expected a record of stream {stream}, which the index names, got none")

    # ---- time -----------------------------------------------------------------------------------------------------

    def newest_ns(self) -> int:
        """Timestamp of the newest packet, from the newest segment of each worker; 0 where there is none."""
        return max((self._newest_of(lane) for lane in self._lanes), default=0)

    def _newest_of(self, lane: list[_Place]) -> int:
        for origin, number, _ in reversed(lane):
            try:
                extents = read_records(numbered(self._folder, number, "idx"), EXTENT)
                data = bytearray(numbered(self._folder, number, "pcap").read_bytes())
            except FileNotFoundError:
                continue
            offsets = _offsets(data, extents[extents["segment"] == origin])
            times = np.frombuffer(data, np.uint8)[offsets[:, None] + np.arange(8)].view("<u4").astype(np.int64)
            return int((times[:, 0] * NS_PER_S + times[:, 1]).max())
        return 0

    def _streams_since(self, since_ns: int) -> Ids:
        """Streams with a packet from ``since_ns`` on: an extent is over by the time its worker's next one begins."""
        found: list[Ids] = [np.empty(0, np.uint64)]
        for lane in self._lanes:
            last = np.empty(0, EXTENT)
            for _, added in self._indexes(place.number for place in lane):
                extents = np.concatenate((last, added))
                begins = extents["timestamp_ns"]
                reaches = np.maximum(begins[:-1], begins[1:]) >= since_ns
                found.append(np.unique(extents["stream"][:-1][reaches]))
                last = extents[-1:]
            found.append(last["stream"])
        return np.unique(np.concatenate(found))


def _offsets(data: bytearray, extents: Records) -> npt.NDArray[np.int64]:
    """Where each record of ``extents`` begins; neighbours are gone through together."""
    begins = extents["offset"].astype(np.int64)
    ends = begins + extents["length"]
    first = np.flatnonzero(np.append(True, begins[1:] != ends[:-1]))
    runs = zip(begins[first].tolist(), ends[np.append(first[1:], len(begins)) - 1].tolist(), strict=True)
    return np.concatenate([scan(data, begin, end, "<")[0] for begin, end in runs])


def _cuts(offsets: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """``(first, last)`` of pieces of about ``BATCH_BYTES``; the last index is not included."""
    first = 0
    while first < len(offsets):
        last = int(np.searchsorted(offsets, offsets[first] + BATCH_BYTES, side="left"))
        last = max(last, first + 1)
        yield first, last
        first = last
