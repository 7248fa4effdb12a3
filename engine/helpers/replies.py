"""What a successor of ours must know of a host's last call, so that it does not happen twice.

Most calls may run twice. One that may not (append, move, …) notes here what it begins with, and its reply before that
is sent; without a flush, because a page in the kernel survives the death of a process, and with the machine the host is
gone as well. Where a kill left half a record, there is none, and the call had not begun or had just ended.

+-----------+---------+---------+----------+------------------------------------+
| crc32 u32 | len u32 | seq u64 | note i64 | reply as msgpack, or nothing so far |
+-----------+---------+---------+----------+------------------------------------+
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.frames.host import Reply

_CHECK = struct.Struct("<II")
_HEAD = struct.Struct("<Qq")
_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


class _Record(NamedTuple):
    seq: int
    note: int
    reply: Reply | None


class LastCall:
    """``<data>/scripts/<script>/reply-<host>``; exists once there is something to remember."""

    def __init__(self, home: Path, host: int, *, taken_over: bool) -> None:
        self._path = home / f"reply-{host}"
        self._descriptor = -1
        self._before = self._load() if taken_over else None
        self._seq, self._note = 0, 0

    @property
    def reply(self) -> Reply | None:
        """The last reply that a predecessor of ours remembered."""
        return self._before.reply if self._before else None

    def begin(self, seq: int) -> None:
        """This call is served now."""
        self._seq, self._note = seq, 0

    def begun_with(self, note: int) -> int | None:
        """Note what the call begins with; what a predecessor noted that died in this very call, if one did.

        Raises:
            OSError: the disk is full; the call must not begin.
        """
        before = self._before
        if before is not None and before.seq == self._seq and before.reply is None:
            self._note = before.note
            return before.note
        self._note = note
        self._write(b"")
        return None

    def save(self, reply: Reply) -> None:
        """Remember the reply.

        Raises:
            OSError: the disk is full; nothing is remembered.
        """
        self._write(msgspec.msgpack.encode(reply))

    def forget(self) -> None:
        """The host is gone."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._path.unlink(missing_ok=True)

    def _write(self, reply: bytes) -> None:
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        body = _HEAD.pack(self._seq, self._note) + reply
        os.pwrite(self._descriptor, _CHECK.pack(zlib.crc32(body), len(body)) + body, 0)

    def _load(self) -> _Record | None:
        try:
            data = self._path.read_bytes()
            checksum, length = _CHECK.unpack_from(data)
        except (FileNotFoundError, struct.error):
            return None
        body = data[_CHECK.size : _CHECK.size + length]
        if zlib.crc32(body) != checksum or len(body) < _HEAD.size:
            return None
        seq, note = _HEAD.unpack_from(body)
        return _Record(seq, note, _decoder.decode(body[_HEAD.size :]) if len(body) > _HEAD.size else None)
