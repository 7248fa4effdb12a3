"""The last reply of a host, beyond the death of the broker that gave it.

Most calls may run twice. Those that may not (append, move, …) have their reply written here before it is sent, without
a flush: a page in the kernel survives the death of a process, and with the machine the host is gone as well.

+-----------+---------+------------------+
| crc32 u32 | len u32 | reply as msgpack |
+-----------+---------+------------------+
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import msgspec

from engine.frames.host import Reply

_HEADER = struct.Struct("<II")
_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


class LastReply:
    """``<data>/scripts/<script>/reply-<host>``; exists once there is something to remember."""

    def __init__(self, home: Path, host: int) -> None:
        self._path = home / f"reply-{host}"
        self._descriptor = -1

    def save(self, reply: Reply) -> None:
        """Remember this one instead of the one before.

        Raises:
            OSError: the disk is full; nothing is remembered.
        """
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        body = msgspec.msgpack.encode(reply)
        os.pwrite(self._descriptor, _HEADER.pack(zlib.crc32(body), len(body)) + body, 0)

    def load(self) -> Reply | None:
        """What a predecessor remembered; ``None`` where it died while writing."""
        try:
            data = self._path.read_bytes()
            checksum, length = _HEADER.unpack_from(data)
        except (FileNotFoundError, struct.error):
            return None
        body = data[_HEADER.size : _HEADER.size + length]
        return _decoder.decode(body) if zlib.crc32(body) == checksum else None

    def forget(self) -> None:
        """The host is gone."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._path.unlink(missing_ok=True)
