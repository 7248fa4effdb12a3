"""The record layer of TLS: one direction of a stream cut into records, and how a stream of them is recognised.

::

    record | type u8 | version u16 | length u16 | fragment … |        (RFC 8446, 5.1)
    SSLv2  | 0x8000 + length u16   | 1 u8 | version u16 | …           (RFC 5246, E.2: a ClientHello alone)

Where bytes are missing inside a record, the next one begins where this one would have ended; else a header is looked
for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from engine.dissect.table import Verdict
from engine.streams.chunk import Chunk

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = 20, 21, 22, 23, 24
SSLV2_HELLO = 0x80
"""Stands for the type of the only SSLv2 record that is of interest."""
HEADER_BYTES = 5
MAX_FRAGMENT_BYTES = (1 << 14) + 2048
"""Of TLS 1.2 and before; TLS 1.3 allows 256 instead of 2048 more than the plaintext."""
_HANDSHAKES = frozenset((0, 1, 2, 3, 4, 5, 8, 11, 12, 13, 14, 15, 16, 20, 21, 22, 24, 25, 254))
_HEADER = re.compile(rb"[\x14-\x18]\x03[\x00-\x04]")


class Record(NamedTuple):
    """One record, where it lies in what was captured."""

    kind: int
    version: int
    chunk: Chunk
    start: int
    """Of its header in ``chunk.data``."""
    end: int
    damaged: bool
    """Bytes of it are missing: ``end - start`` is not its length."""
    size_bytes: int
    """Header included, gaps included."""
    skipped_bytes: int
    """Bytes before it of which nobody knows how many records they were."""

    @property
    def fragment(self) -> bytes:
        """Its content."""
        return self.chunk.data[self.start + HEADER_BYTES : self.end]

    @property
    def start_ns(self) -> int:
        """When its first byte was captured."""
        return self.chunk.time_ns_at(self.start)

    @property
    def end_ns(self) -> int:
        """The same of its last byte."""
        return self.chunk.time_ns_at(self.end - 1)

    def alone(self) -> Record:
        """The same, without what lies around it in its chunk."""
        behind = self.chunk.behind(self.start)
        size = self.end - self.start
        count = sum(start < size for start in behind.starts)
        data = behind.data[:size]
        chunk = Chunk(behind.stream, behind.direction, data, behind.starts[:count], behind.times_ns[:count], 0)
        return self._replace(chunk=chunk, start=0, end=size)


class Records:
    """One direction of a stream."""

    __slots__ = ("_held", "_held_bytes", "_lacking", "_need", "_skipped_bytes", "fault", "hunting")

    def __init__(self) -> None:
        self.fault = False
        """What came is no record."""
        self.hunting = False
        """A header is looked for."""
        self._skipped_bytes = 0
        self._held: list[Chunk] = []
        self._held_bytes = 0
        self._need = HEADER_BYTES
        """Bytes without which it makes no sense to look."""
        self._lacking = 0
        """Bytes of the record that has begun which were never seen."""

    @property
    def held_bytes(self) -> int:
        """Of a record that is arriving."""
        return self._held_bytes

    def miss(self, missing_bytes: int) -> None:
        """Bytes were never seen, behind all that was taken."""
        record = self._held_bytes >= HEADER_BYTES and not self.hunting
        left = self._need - self._held_bytes if record else 0
        if missing_bytes <= left:
            self._need -= missing_bytes
            self._lacking += missing_bytes
        else:
            self._skipped_bytes += missing_bytes + self._held_bytes
            self._held, self._held_bytes, self._need, self._lacking = [], 0, HEADER_BYTES, 0
            self.hunting = True

    def take(self, chunk: Chunk) -> Iterator[Record]:
        """Records that end in ``chunk``."""
        self._held.append(chunk)
        self._held_bytes += len(chunk.data)
        if self._held_bytes < self._need:
            return
        if len(self._held) > 1:
            chunk = _joined(self._held)
        yield from self._cut(chunk)

    def flush(self) -> Iterator[Record]:
        """What ``miss`` completed: a record whose last bytes are those that are missing."""
        if self._lacking and self._held_bytes >= self._need:
            yield from self._cut(_joined(self._held))

    def begun(self) -> Record | None:
        """As much as there is of a handshake record that is not whole; its size is what there is."""
        if self.hunting or self._held_bytes <= HEADER_BYTES or self._held[0].data[:1] != bytes([HANDSHAKE]):
            return None
        chunk = _joined(self._held)
        size = len(chunk.data)
        return Record(HANDSHAKE, 0, chunk, 0, size, True, size, 0)

    def _cut(self, chunk: Chunk) -> Iterator[Record]:
        data, pos, size = chunk.data, 0, len(chunk.data)
        self._need = HEADER_BYTES
        while pos + HEADER_BYTES <= size:
            if self.hunting and (pos := self._hunt(data, pos)) + HEADER_BYTES > size:
                break
            kind, version, length = data[pos], data[pos + 1] << 8 | data[pos + 2], data[pos + 3] << 8 | data[pos + 4]
            if kind & 0x80 and data[pos + 2] == 1:
                kind, version, length = SSLV2_HELLO, 2, ((kind & 0x7F) << 8 | data[pos + 1]) + 2 - HEADER_BYTES
            elif not CHANGE_CIPHER_SPEC <= kind <= HEARTBEAT or version >> 8 != 3 or length > MAX_FRAGMENT_BYTES:
                self.fault = True
                break
            end = pos + HEADER_BYTES + length - self._lacking
            if end > size:
                self._need = end - pos
                break
            damaged, skipped_bytes = self._lacking > 0, self._skipped_bytes
            self._skipped_bytes = self._lacking = 0
            yield Record(kind, version, chunk, pos, end, damaged, HEADER_BYTES + length, skipped_bytes)
            pos = end
        rest = chunk.behind(pos) if pos < size else None
        self._held, self._held_bytes = ([rest], size - pos) if rest else ([], 0)

    def _hunt(self, data: bytes, pos: int) -> int:
        """Where the next header is that another one follows, as far as that can be seen."""
        size = len(data)
        while (found := _HEADER.search(data, pos)) is not None:
            start = found.start()
            if start + HEADER_BYTES > size:
                break
            end = start + HEADER_BYTES + (data[start + 3] << 8 | data[start + 4])
            if end - start <= MAX_FRAGMENT_BYTES + HEADER_BYTES and _may_be_header(data[end : end + 3]):
                self._skipped_bytes += start - pos
                self.hunting = False
                return start
            pos, self._skipped_bytes = start + 1, self._skipped_bytes + start + 1 - pos
        keep = max(pos, size - HEADER_BYTES + 1)
        self._skipped_bytes += keep - pos
        return keep


def _may_be_header(data: bytes) -> bool:
    """Whether these (up to three) bytes may begin a header."""
    return bool(_HEADER.match(data.ljust(3, b"\x03")) if data[:1] else True)


def _joined(chunks: list[Chunk]) -> Chunk:
    starts: list[int] = []
    times_ns: list[int] = []
    base = 0
    for chunk in chunks:
        starts += [start + base for start in chunk.starts]
        times_ns += chunk.times_ns
        base += len(chunk.data)
    first = chunks[0]
    return Chunk(first.stream, first.direction, b"".join([each.data for each in chunks]), starts, times_ns, 0)


# -- recognition -------------------------------------------------------------------------------------------------------


def detect(data: bytes) -> Verdict:
    """A hello, or a row of records; one that is longer than ``data`` and holds no hello could be chance."""
    if not data:
        return Verdict.SHORT
    if data[0] & 0x80:
        return _detect_sslv2(data)
    if not CHANGE_CIPHER_SPEC <= data[0] <= HEARTBEAT or (len(data) > 1 and data[1] != 3):
        return Verdict.NO
    if len(data) < HEADER_BYTES + 1:
        return Verdict.SHORT if len(data) < 3 or data[2] <= 4 else Verdict.NO
    length = data[3] << 8 | data[4]
    if data[2] > 4 or not 0 < length <= MAX_FRAGMENT_BYTES:
        return Verdict.NO
    if data[0] == HANDSHAKE and data[5] in (1, 2):
        return _detect_hello(data)
    return _detect_records(data)


def _detect_hello(data: bytes) -> Verdict:
    """``data`` begins with a handshake record whose message is called a hello."""
    if len(data) < 11:
        return Verdict.SHORT
    return Verdict.SURE if data[6] < 2 and data[9] in (3, 0x7F) else Verdict.NO


def _detect_records(data: bytes) -> Verdict:
    """By the headers of the first two records."""
    kind, end = data[0], HEADER_BYTES + (data[3] << 8 | data[4])
    fits = {CHANGE_CIPHER_SPEC: end == 6 and data[5] == 1, ALERT: end == 7 or end > 20}.get(kind, True)
    if not fits:
        return Verdict.NO
    if len(data) < end:
        return Verdict.PLAUSIBLE
    return Verdict.SURE if len(data) == end or _may_be_header(data[end : end + 3]) else Verdict.NO


def _detect_sslv2(data: bytes) -> Verdict:
    if len(data) > 2 and data[2] != 1:
        return Verdict.NO
    if len(data) < 11:
        return Verdict.SHORT if len(data) < 4 or data[3] in (0, 3) else Verdict.NO
    suites, session_id, challenge = (data[at] << 8 | data[at + 1] for at in (5, 7, 9))
    length = (data[0] & 0x7F) << 8 | data[1]
    fits = length == 9 + suites + session_id + challenge and not suites % 3 and session_id in (0, 16)
    return Verdict.SURE if fits and suites and 16 <= challenge <= 32 and data[3] in (0, 3) else Verdict.NO
