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


class Crc32c:
    """The checksum of the bytes it has seen."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        """See some more."""
        self._value = google_crc32c.extend(self._value, data)

    def text(self) -> str:
        """``'AAAAAA=='`` for no bytes."""
        return base64.b64encode(self._value.to_bytes(4, "big")).decode()


def copy_with_checksum(source: Readable, target: BinaryIO | None) -> tuple[int, str]:
    """Read ``source`` to its end, write it to ``target`` if there is one; bytes and checksum of what was read."""
    size, checksum = 0, Crc32c()
    while piece := source.read(PIECE_BYTES):
        if target is not None:
            target.write(piece)
        size += len(piece)
        checksum.update(piece)
    return size, checksum.text()
