"""One segment: what the shelf remembers of it, and the three files while it is being written."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.segments.files import AppendedFile, numbered, remove_all
from engine.segments.records import EXTENT, PCAP_HEADER_BYTES, STREAM_RECORD, Records, pcap_header

ENDINGS = ("pcap", "idx", "streams")
"""In the order in which they are deleted; they are made in the opposite order."""


@dataclass(slots=True, eq=False)
class Segment:
    """What is known of a segment whose files are closed."""

    number: int
    link_type: int
    written_s: float
    """Monotonic time of the last write to it."""
    size_bytes: int = 0
    """Of its files."""
    index_bytes: int = 0
    """Of its extents."""
    streams: set[int] = field(default_factory=set)
    """Streams with packets in it."""
    due_s: float = 0.0
    """It cannot expire before."""
    announced: bool = False
    """The log of what expired names it."""

    def remove(self, folder: Path) -> None:
        """Delete the files.

        Raises:
            OSError: the disk is read-only; call again later.
        """
        remove_all(numbered(folder, self.number, ending) for ending in ENDINGS)


class SegmentWriter:
    """The segment that is being written. Readers never see an extent whose packets or ``seen`` record are not there."""

    def __init__(self, folder: Path, number: int, link_type: int, now_s: float) -> None:
        """Make the files, the pcap last.

        Raises:
            OSError: they could not be made; nothing of them is left, as far as the disk allows.
        """
        self.number = number
        self.link_type = link_type
        self.opened_s = self.written_s = now_s
        self.streams: set[int] = set()
        """Streams with a ``seen`` record in it."""
        self.error: OSError | None = None
        """Why the last append took less than it was given."""
        made: list[AppendedFile] = []
        try:
            made.extend(AppendedFile(numbered(folder, number, ending)) for ending in reversed(ENDINGS))
            self._log, self._index, self._packets = made
            self._packets.append(pcap_header(link_type), PCAP_HEADER_BYTES)
            if self._packets.error:
                raise self._packets.error
        except OSError:
            for file in reversed(made):
                file.close()
                with contextlib.suppress(OSError):  # then the next segment, which has this number, cuts it to nothing
                    file.path.unlink(missing_ok=True)
            raise

    @property
    def packet_bytes(self) -> int:
        """Of the pcap file, header included."""
        return self._packets.size_bytes

    @property
    def index_bytes(self) -> int:
        """Of its extents."""
        return self._index.size_bytes

    @property
    def size_bytes(self) -> int:
        """Of the three files."""
        return self._packets.size_bytes + self._index.size_bytes + self._log.size_bytes

    def append(
        self,
        data: bytes | memoryview,
        extents: Records,
        seen: Sequence[int],
        seen_records: bytes,
        now_s: float,
    ) -> int:
        """Packets, then ``seen`` records, then extents; the number of extents that are stored.

        Less than all only with ``error`` set. What is visible stays true: whole records that were written are kept, and
        packets behind the last extent are cut off.
        """
        base = self._packets.size_bytes
        if self._take(self._packets, data, len(data)) < len(data):
            return 0
        logged = self._take(self._log, seen_records, STREAM_RECORD.itemsize) // STREAM_RECORD.itemsize
        self.streams.update(seen[:logged])
        stored = 0
        if logged == len(seen):
            stored = self._take(self._index, extents.tobytes(), EXTENT.itemsize) // EXTENT.itemsize
        if stored < len(extents):
            self._packets.cut(int(extents["offset"][stored]))
            assert self._packets.size_bytes >= base
        self.written_s = now_s
        return stored

    def log(self, records: bytes, now_s: float) -> int:
        """Append to the stream log; the bytes taken, less than all only with ``error`` set."""
        self.written_s = now_s
        return self._take(self._log, records, STREAM_RECORD.itemsize)

    def _take(self, file: AppendedFile, data: bytes | memoryview, record_bytes: int) -> int:
        taken = file.append(data, record_bytes)
        self.error = file.error if taken < len(data) else self.error
        return taken

    def close(self, ttl_s: float) -> Segment:
        """Close the files; what is left to remember."""
        for file in (self._packets, self._index, self._log):
            file.close()
        return Segment(
            self.number,
            self.link_type,
            self.written_s,
            self.size_bytes,
            self._index.size_bytes,
            self.streams,
            self.written_s + ttl_s,
        )
