"""How AMQP frames look: their length, their end, where one begins behind a gap, and whether first bytes are AMQP."""

from __future__ import annotations

import re
from bisect import bisect_left

from engine.dissect.amqp_methods import METHODS
from engine.dissect.table import Verdict
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER

DIRECTIONS = (CLIENT, SERVER)
FRAME_END = 0xCE
MAX_FRAME_BYTES = 128 << 20
"""More than any broker takes; usual is 128 KiB."""
_MAGIC = b"AMQP"
_MAGIC_BYTES = 8
PROTOCOL_HEADERS = frozenset((b"AMQP\0\0\x09\1", b"AMQP\1\1\0\x09"))
"""0-9-1, and 0-9, which has the same frames."""
_LONGEST_HEAD = 12
_HEARTBEAT = 8
_WINDOW_BYTES = 256
_HEAD_BYTES = 7


def _alternatives() -> bytes:
    """Heads that are hardly chance: of a known method, of a content header of ``basic``, a heartbeat."""
    keys = b"|".join(re.escape(key.to_bytes(4, "big")) for key in METHODS)
    method = rb"\x01..\0[\0-\x0f]..(?:" + keys + rb")"
    header = rb"\x02..\0[\0-\x0f]..\0\x3c\0\0"
    return b"(?:" + b"|".join((method, header, rb"\x08\0{6}\xce", rb"AMQP[\0-\3].{3}")) + b")"


_BEGINS = re.compile(_alternatives(), re.DOTALL)
_FOLLOWS = re.compile(rb"\xce(?=" + _alternatives() + b")", re.DOTALL)


class Frames:
    """As ``engine.dissect.framed`` asks for them."""

    __slots__ = ()
    head_bytes = _HEAD_BYTES

    def size_of(self, data: bytes, at: int) -> int:
        """Head, length and end."""
        kind = data[at]
        if kind in (1, 2, 3, 8):
            length = data[at + 3] << 24 | data[at + 4] << 16 | data[at + 5] << 8 | data[at + 6]
            return length + _HEAD_BYTES + 1 if length <= MAX_FRAME_BYTES else 0
        return _MAGIC_BYTES if data.startswith(_MAGIC, at) else 0

    def ends_well(self, first: int, last: int) -> bool:
        """All but protocol headers have the same last byte."""
        return last == FRAME_END or first == _MAGIC[0]

    def find(self, chunk: Chunk, at: int) -> tuple[int, bool]:
        """Where a packet begins with a frame, or behind the end of one."""
        data, starts, size = chunk.data, chunk.starts, len(chunk.data)
        place = bisect_left(starts, at)
        for begin in range(at, size, _WINDOW_BYTES):  # or what is found far away would be looked for again and again
            match = _FOLLOWS.search(data, begin, begin + _WINDOW_BYTES + _LONGEST_HEAD)
            end = match.start() + 1 if match else min(size, begin + _WINDOW_BYTES)
            while place < len(starts) and starts[place] < end:
                if _BEGINS.match(data, starts[place]):
                    return starts[place], True
                place += 1
            if match:
                return end, True
        return max(at, size - _LONGEST_HEAD), False


_FRAMES = Frames()


def detect(data: bytes) -> Verdict:
    """A protocol header, or a frame of a known method with the right end; other frames where the port says so too."""
    if data.startswith(_MAGIC) or _MAGIC.startswith(data):
        return Verdict.SURE if len(data) >= _MAGIC_BYTES else Verdict.SHORT
    if data[0] not in (1, 2, 3, 8):
        return Verdict.NO
    if len(data) < _HEAD_BYTES:
        return Verdict.SHORT
    size = _FRAMES.size_of(data, 0)
    if not size or (data[0] == _HEARTBEAT and size != _HEAD_BYTES + 1):
        return Verdict.NO
    if size > len(data):
        return Verdict.SHORT if len(data) < _LONGEST_HEAD or _BEGINS.match(data) else Verdict.NO
    if data[size - 1] != FRAME_END:
        return Verdict.NO
    return Verdict.SURE if _BEGINS.match(data) else Verdict.PLAUSIBLE
