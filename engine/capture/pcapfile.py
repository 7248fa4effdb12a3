"""A classic pcap file, plain or compressed, or the same on a pipe."""

from __future__ import annotations

from engine.capture.batch import RECORD_HEADER_BYTES, Batch
from engine.capture.bytestream import ByteStream
from engine.capture.pcapheader import FILE_HEADER_BYTES, MAX_CAPTURED_BYTES, parse_header
from engine.capture.records import Offsets, captured_length_at, first_damaged, normalise, scan
from engine.capture.window import Window
from engine.errors import CaptureError


class PcapFile:
    """A ``Source``. ``open_file`` makes it, or its sibling for pcapng."""

    can_wait = True
    due_s = 0.0

    def __init__(self, stream: ByteStream, index: int, *, start: int = 0) -> None:
        """Go on at offset ``start`` of the uncompressed input (a ``Batch.resume``); 0: at its first packet.

        ``stream`` was recognised; it is closed with the source.

        Raises:
            CaptureError: this is no classic pcap, or it has a link type that is not decoded.
        """
        self.name, self.ended, self.warning = stream.name, False, ""
        self._warned = False
        self._index, self._stream = index, stream
        header = bytearray(FILE_HEADER_BYTES)
        got = read_fully(stream, memoryview(header))
        if got < FILE_HEADER_BYTES and stream.damage:
            raise CaptureError(self.name, "a capture file", stream.damage)
        self._form = parse_header(self.name, bytes(header[:got]))
        position = max(start, FILE_HEADER_BYTES)
        stream.skip(position - FILE_HEADER_BYTES)
        self._window = Window(stream, position, RECORD_HEADER_BYTES + MAX_CAPTURED_BYTES)

    def read(self) -> Batch | None:
        """The packets of the next chunk.

        Raises:
            CaptureError: the file cannot be read any more.
        """
        if self.ended or not self._stream.ready():
            return None
        window = self._window
        window.fill()
        self.ended = window.ended
        offsets, window.used = scan(window.buffer, window.used, window.filled, self._form.order)
        offsets = self._checked(offsets)
        if not offsets.size:
            return None
        normalise(window.buffer, offsets, self._form.order, self._form.tick_ns)
        return Batch(window.view, offsets, window.used, True, self._form.link_type, self._index, window.position)

    def fileno(self) -> int:
        """The descriptor of a pipe; -1 for a file."""
        return self._stream.fileno()

    def take_warning(self) -> str:
        """Why the input ended before its end; once."""
        if not self.ended or self._warned:
            return ""
        self._warned = True
        return self.warning

    def take_key_logs(self) -> list[bytes]:
        """This form has none."""
        return []

    def lost(self) -> int:
        """A file loses nothing."""
        return 0

    def close(self) -> None:
        """Give the descriptor back; again is harmless."""
        self.ended = True
        self._stream.close()

    def _checked(self, offsets: Offsets) -> Offsets:
        """The records before the first damaged one; ends the source there, or where the input ended inside a record."""
        window = self._window
        sound = first_damaged(window.buffer, offsets, window.used, self._form.limit_bytes)
        if sound < offsets.size:
            window.used = int(offsets[sound])
            self._end_with_warning()
        elif self._cut_record_is_absurd() or (self.ended and (window.rest or self._stream.damage)):
            self._end_with_warning()
        return offsets[:sound]

    def _cut_record_is_absurd(self) -> bool:
        if self._window.rest < RECORD_HEADER_BYTES:
            return False
        return captured_length_at(self._window.buffer, self._window.used, self._form.order) > self._form.limit_bytes

    def _end_with_warning(self) -> None:
        self.ended = True
        self.warning = f"{self.name}: offset {self._window.position}: {self._complaint()}; what came before it stands"

    def _complaint(self) -> str:
        rest = self._window.rest
        if self._stream.damage:
            return f"expected the rest of the capture, but {self._stream.damage}"
        if rest < RECORD_HEADER_BYTES:
            return f"expected a record header of {RECORD_HEADER_BYTES} bytes, found {rest} bytes before the end"
        length = captured_length_at(self._window.buffer, self._window.used, self._form.order)
        if length > self._form.limit_bytes:
            return f"expected a frame of at most {self._form.limit_bytes} bytes, found a length of {length}"
        if not length:
            return "expected a record header, found zeros"
        return f"expected a frame of {length} bytes, found {rest - RECORD_HEADER_BYTES} before the end"


def read_fully(stream: ByteStream, room: memoryview) -> int:
    """Fill ``room`` unless the input ends before; bytes read."""
    filled = 0
    while filled < len(room) and (got := stream.readinto(room[filled:])):
        filled += got
    return filled
