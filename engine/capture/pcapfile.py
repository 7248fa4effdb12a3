"""A classic pcap file, plain or gzip, or the same on a pipe.

Read in chunks of 2 MB into one buffer: faster than mapping the file (the later stages find it in the cache), bounded in
memory (33 MB instead of 1.1 GB of RSS for 1 GB of bulk traffic), and the same for pipes.
"""

from __future__ import annotations

from engine.capture.batch import PAD_BYTES, RECORD_HEADER_BYTES, Batch
from engine.capture.bytestream import ByteStream
from engine.capture.pcapheader import FILE_HEADER_BYTES, MAX_CAPTURED_BYTES, parse_header
from engine.capture.records import Offsets, captured_length_at, first_damaged, normalise, scan
from engine.errors import CaptureError

CHUNK_BYTES = 2 << 20


class PcapFile:
    """A ``Source``. The record that a chunk cuts is moved to the front of the buffer and completed by the next."""

    can_wait = True
    due_s = 0.0

    def __init__(self, path: str, index: int, *, start: int = 0, stream: ByteStream | None = None) -> None:
        """Go on at offset ``start`` of the uncompressed input (a ``Batch.resume``); 0: at its first packet.

        ``stream`` is ``path`` where somebody has opened it already; it is closed with the source.

        Raises:
            CaptureError: it cannot be opened, is no classic pcap, or has a link type that is not decoded.
        """
        self.name, self.ended, self.warning = path, False, ""
        self._index = index
        self._stream = stream or ByteStream(path)
        try:
            self._open(start)
        except CaptureError:
            self._stream.close()
            raise

    def _open(self, start: int) -> None:
        self._stream.recognise()
        header = bytearray(FILE_HEADER_BYTES)
        got = _read_fully(self._stream, memoryview(header))
        if got < FILE_HEADER_BYTES and self._stream.damage:
            raise CaptureError(self.name, "a capture file", self._stream.damage)
        self._form = parse_header(self.name, bytes(header[:got]))
        self._position = max(start, FILE_HEADER_BYTES)  # offset in the input of the buffer's first byte
        self._stream.skip(self._position - FILE_HEADER_BYTES)
        self._buffer = bytearray(CHUNK_BYTES + RECORD_HEADER_BYTES + MAX_CAPTURED_BYTES + PAD_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = self._used = 0

    def read(self) -> Batch | None:
        """The packets of the next chunk.

        Raises:
            CaptureError: the file cannot be read any more.
        """
        if self.ended or not self._stream.ready():
            return None
        self._fill()
        offsets, self._used = scan(self._buffer, self._filled, self._form.order)
        offsets = self._checked(offsets)
        if not offsets.size:
            return None
        normalise(self._buffer, offsets, self._form.order, self._form.tick_ns)
        resume = self._position + self._used
        return Batch(self._view, offsets, self._used, True, self._form.link_type, self._index, resume)

    def fileno(self) -> int:
        """The descriptor of a pipe; -1 for a file."""
        return self._stream.fileno()

    def lost(self) -> int:
        """A file loses nothing."""
        return 0

    def close(self) -> None:
        """Give the descriptor back; again is harmless."""
        self.ended = True
        self._stream.close()

    def _fill(self) -> None:
        """Move the unread rest to the front and read behind it, from a pipe as long as there is something."""
        rest = self._filled - self._used
        self._view[:rest] = self._view[self._used : self._filled]
        self._position += self._used
        self._filled, self._used = rest, 0
        while self._filled < CHUNK_BYTES and (self._filled == rest or self._stream.ready()):
            got = self._stream.readinto(self._view[self._filled : self._filled + CHUNK_BYTES])
            self._filled += got
            if not got:
                self.ended = True
                return

    def _checked(self, offsets: Offsets) -> Offsets:
        """The records before the first damaged one; ends the source there, or where the input ended inside a record."""
        sound = first_damaged(self._buffer, offsets, self._used, self._form.limit_bytes)
        if sound < offsets.size:
            self._used = int(offsets[sound])
            self._end_with_warning()
        elif self._cut_record_is_absurd() or (self.ended and (self._filled > self._used or self._stream.damage)):
            self._end_with_warning()
        return offsets[:sound]

    def _cut_record_is_absurd(self) -> bool:
        if self._filled - self._used < RECORD_HEADER_BYTES:
            return False
        return captured_length_at(self._buffer, self._used, self._form.order) > self._form.limit_bytes

    def _end_with_warning(self) -> None:
        self.ended = True
        here, rest = self._position + self._used, self._filled - self._used
        self.warning = f"{self.name}: offset {here}: {self._complaint(rest)}; what came before it stands"

    def _complaint(self, rest: int) -> str:
        if self._stream.damage:
            return f"expected the rest of the capture, but {self._stream.damage}"
        if rest < RECORD_HEADER_BYTES:
            return f"expected a record header of {RECORD_HEADER_BYTES} bytes, found {rest} bytes before the end"
        length = captured_length_at(self._buffer, self._used, self._form.order)
        if length > self._form.limit_bytes:
            return f"expected a frame of at most {self._form.limit_bytes} bytes, found a length of {length}"
        if not length:
            return "expected a record header, found zeros"
        return f"expected a frame of {length} bytes, found {rest - RECORD_HEADER_BYTES} before the end"


def _read_fully(stream: ByteStream, room: memoryview) -> int:
    """Fill ``room`` unless the input ends before; bytes read."""
    filled = 0
    while filled < len(room) and (got := stream.readinto(room[filled:])):
        filled += got
    return filled
