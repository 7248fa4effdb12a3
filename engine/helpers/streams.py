"""The streams on disk, for helpers that run in several threads: the reader behind it has one user at a time."""

from __future__ import annotations

import threading

from engine.errors import QuotaExceeded
from engine.naming import stream_name
from engine.segments.reader import SegmentReader


class Streams:
    """What helpers ask of the segments."""

    def __init__(self, reader: SegmentReader) -> None:
        self._reader, self._lock = reader, threading.Lock()

    def materialise(self, stream_id: int, target: int, limit_bytes: int) -> None:
        """Write a stream's own PCAP into an open file, as far as it is now.

        Raises:
            PcapExpired, NoSuchStream: there is none, or none any more.
            QuotaExceeded: it is larger than ``limit_bytes``.
            StorageError, OSError: as the reader says.
        """
        with self._lock:
            size = self._reader.size(stream_id)
            if size > limit_bytes:
                raise QuotaExceeded(f"work folder, stream {stream_id}", limit_bytes, size)
            self._reader.materialise(stream_id, target)

    def expect(self, stream_id: int) -> None:
        """Make sure that something of a stream is there.

        Raises:
            PcapExpired, NoSuchStream: nothing is.
        """
        with self._lock:
            if self._reader.stream(stream_id) is None:
                raise self._reader.why_missing(stream_id)

    def names(self) -> list[str]:
        """The streams of which something is there, by age."""
        with self._lock:
            return [stream_name(record.stream, record.protocol) for record in self._reader.streams()]
