"""How far a replay got, so that the successor of a killed worker goes on there: every packet is stored once.

The note is written behind the packets of each batch. A worker that was killed between the two leaves packets that are
stored and read again: they lie behind the place in the index that the note names, and their bytes are counted.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.capture.batch import Batch
from engine.segments.extents import packets_of
from engine.segments.files import numbered, numbers_in
from engine.segments.member import range_of
from engine.segments.records import EXTENT, read_records

NOTE = struct.Struct("<16sQqqQQ")


class Place(NamedTuple):
    """Where a writer stands."""

    segment: int
    index_bytes: int
    """Of that segment's extents."""


class Resume:
    """The note of one worker; of its own run only.

    ::

        +---------------+------------+------------+-------------+-------------+-----------------+
        | run id, 16 B  | source u64 | offset i64 | file_ns i64 | segment u64 | index bytes u64 |
        +---------------+------------+------------+-------------+-------------+-----------------+
    """

    def __init__(self, path: Path, run_id: str) -> None:
        self._path, self._run = path, run_id[-16:].encode()
        self._fd = -1
        self.source, self.offset, self.file_ns, self._place = self._read()
        """Where to begin: the offset in the source's uncompressed input is ``Batch.resume``."""
        self._again_bytes = 0

    def _read(self) -> tuple[int, int, int, Place | None]:
        try:
            run_id, source, offset, file_ns, *place = NOTE.unpack(self._path.read_bytes())
        except (OSError, struct.error):
            return 0, 0, 0, None
        return (source, offset, file_ns, Place(*place)) if run_id == self._run else (0, 0, 0, None)

    def begin(self, folder: Path, place: Place) -> None:
        """Find out what is stored behind the note, or write the first; call when segments are repaired.

        Args:
            folder: of the segments.
            place: where the first packets go.

        Raises:
            OSError: the disk is full or failing.
        """
        if self._place is not None:
            self._again_bytes = bytes_behind(folder, self._place)
        else:
            self._note(0, 0, 0, place)

    def without_stored(self, batch: Batch, streams: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """``streams``, with 0 for packets of the batch that are stored already: its first ones, if any."""
        if not self._again_bytes:
            return streams
        packets = packets_of(batch, streams, np.zeros(len(streams), np.int64))
        stored = int(np.searchsorted(packets.stop, self._again_bytes, side="right"))
        self._again_bytes -= int(packets.stop[stored - 1]) if stored else 0
        if stored < len(packets.stream):
            self._again_bytes = 0
        rest = streams.copy()
        rest[np.flatnonzero(streams)[:stored]] = 0
        return rest

    def write(self, batch: Batch, place: Place) -> None:
        """This batch is stored, up to ``place``."""
        if batch.resume >= 0:
            self._note(batch.source, batch.resume, batch.file_ns, place)

    def _note(self, source: int, offset: int, file_ns: int, place: Place) -> None:
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.pwrite(self._fd, NOTE.pack(self._run, source, offset, file_ns, *place), 0)


def bytes_behind(folder: Path, place: Place) -> int:
    """Packet bytes, record headers included, that one writer stored behind ``place``; copies do not count."""
    total = 0
    for number in numbers_in(folder, "idx"):
        if number >= place.segment and range_of(number) == range_of(place.segment):
            start = place.index_bytes if number == place.segment else 0
            extents = read_records(numbered(folder, number, "idx"), EXTENT, start)
            total += int(extents["length"][extents["segment"] == number].sum())
    return total


def last_stored_ns(folder: Path, member: int) -> int:
    """Capture time of the last packets that a worker stored; 0 where nothing is left of them."""
    for number in reversed(numbers_in(folder, "idx")):
        if range_of(number) == member:
            extents = read_records(numbered(folder, number, "idx"), EXTENT)
            extents = extents[extents["segment"] == number]
            if len(extents):
                return int(extents["timestamp_ns"].max())
    return 0
