"""Compressed captures, unpacked piece by piece: never more than asked for, however small the packed data is.

zlib is used directly because ``gzip.GzipFile`` throws away what it had unpacked when it meets a truncated end.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol

_GZIP_FORM = 31  # zlib's wbits: a window of 32 KiB, gzip header and trailer
MAGIC_BYTES = 4
DAMAGE = (zlib.error,)
"""What ``unpack`` raises where the packed data is not what it should be."""


class Unpacker(Protocol):
    """One member of a compressed file; a file may hold several, one after the other (RFC 1952, 2.2)."""

    form: str
    """For messages."""

    @property
    def hungry(self) -> bool:
        """Nothing more comes out before something goes in."""

    @property
    def ended(self) -> bool:
        """This member is complete."""

    @property
    def rest(self) -> bytes:
        """What was put in and lies behind the end."""

    def unpack(self, packed: bytes, room: int) -> bytes:
        """At most ``room`` bytes; ``packed`` is empty where the unpacker is not hungry.

        Raises:
            one of ``DAMAGE``.
        """


class Gunzip:
    """An ``Unpacker`` of gzip."""

    form = "gzip"

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_FORM)

    @property
    def hungry(self) -> bool:
        """Nothing more comes out before something goes in."""
        return not self._member.unconsumed_tail

    @property
    def ended(self) -> bool:
        """This member is complete."""
        return self._member.eof

    @property
    def rest(self) -> bytes:
        """What lies behind the end."""
        return self._member.unused_data

    def unpack(self, packed: bytes, room: int) -> bytes:
        """At most ``room`` bytes."""
        return self._member.decompress(self._member.unconsumed_tail + packed, room)


def unpacker_of(magic: bytes) -> Callable[[], Unpacker] | None:
    """What unpacks an input that begins like this; ``None``: it is not packed."""
    return Gunzip if magic[:2] == b"\x1f\x8b" else None
