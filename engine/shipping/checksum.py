"""CRC32C as Google Cloud Storage writes it: base64 of four bytes, most significant first (RFC 4648, section 4).

Fixed when a file is made and never computed again from what lies on the disk: a file that is damaged afterwards must
not match. google-crc32c does 2 GB/s and more; hashlib has no CRC32C.
"""

from __future__ import annotations

import base64
from typing import BinaryIO, Protocol

import google_crc32c

PIECE_BYTES = 1 << 20


class Readable(Protocol):
    """Anything that gives bytes."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


def extend(crc: int, data: bytes) -> int:
    """The CRC32C of what had ``crc`` with ``data`` behind it; begin with 0."""
    value: int = google_crc32c.extend(crc, data)
    return value


def as_text(crc: int) -> str:
    """``'AAAAAA=='`` for 0."""
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def copy_with_checksum(source: Readable, target: BinaryIO | None) -> tuple[int, str]:
    """Read ``source`` to its end, write it to ``target`` if there is one; bytes and checksum of what was read."""
    size, crc = 0, 0
    while piece := source.read(PIECE_BYTES):
        if target is not None:
            target.write(piece)
        size, crc = size + len(piece), extend(crc, piece)
    return size, as_text(crc)
