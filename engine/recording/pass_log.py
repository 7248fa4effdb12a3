"""The commit log of the recorder, ``outbox/open/passes.log``: one record a pass, and a pass without one never was.

One log for all open batches, because a pass moves cursors and fills several batches at once: after a kill, either all
of it counts or nothing. (A log per batch would need to agree with the others about each pass.)

```
+---------+-----------+---------------+-----
| len u32 | crc32 u32 | Pass, msgpack | …      crc32 of the msgpack (zlib)
+---------+-----------+---------------+-----
```
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import msgspec

from engine.recording.batch_state import Pass

_HEADER = struct.Struct("<II")
COMPACT_BYTES = 4 << 20
"""Growth after which the log is written again as one record."""


class PassLog:
    """Appends, and writes itself anew when it has grown; owned by the recorder."""

    def __init__(self, path: Path) -> None:
        """Open or create; what is behind the last whole record is cut off. ``passes`` reads what is there.

        Raises:
            OSError: it cannot be opened.
        """
        self._path = path
        self.existed = path.exists()
        """Whether there was one before."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.passes: list[Pass] = []
        """What was committed, oldest first; given away by ``take``."""
        self._end = self._read()
        self._compacted = 0
        os.ftruncate(self._descriptor, self._end)

    def take(self) -> list[Pass]:
        """What was committed before; once."""
        passes, self.passes = self.passes, []
        return passes

    @property
    def grown(self) -> bool:
        """Worth writing anew."""
        return self._end - 2 * self._compacted > COMPACT_BYTES

    def append(self, entry: Pass) -> None:
        """Commit one pass.

        Raises:
            OSError: not committed; the log is as it was.
        """
        record = _record(entry)
        try:
            _write(self._descriptor, record)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(record)

    def compact(self, whole: Pass) -> None:
        """Replace everything by one record that says the same.

        Raises:
            OSError: not replaced; the log is as it was.
        """
        record = _record(whole)
        hidden = self._path.with_name(f".{self._path.name}")
        descriptor = os.open(hidden, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, record)
            os.fsync(descriptor)  # else a power cut could leave an empty file under the name of a full one
            hidden.replace(self._path)
        except OSError:
            os.close(descriptor)
            raise
        os.close(self._descriptor)
        self._descriptor, self._end, self._compacted = descriptor, len(record), len(record)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def _read(self) -> int:
        self.passes, end = passes_in(self._path.read_bytes())
        return end


def passes_in(data: bytes) -> tuple[list[Pass], int]:
    """The whole records at the beginning of a log, and where the first that is not whole begins."""
    passes: list[Pass] = []
    at = 0
    while at + _HEADER.size <= len(data):
        length, checksum = _HEADER.unpack_from(data, at)
        body = data[at + _HEADER.size : at + _HEADER.size + length]
        if not length or len(body) < length or zlib.crc32(body) != checksum:
            break
        passes.append(msgspec.msgpack.decode(body, type=Pass))
        at += _HEADER.size + length
    return passes, at


def _record(entry: Pass) -> bytes:
    body = msgspec.msgpack.encode(entry)
    return _HEADER.pack(len(body), zlib.crc32(body)) + body


def _write(descriptor: int, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += os.write(descriptor, data[written:])
