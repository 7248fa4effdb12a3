"""Compressed captures, unpacked piece by piece: never more than asked for, however small the packed data is.

zlib is used directly because ``gzip.GzipFile`` throws away what it had unpacked when it meets a truncated end. zstd is
the standard library's from Python 3.14 on and the same module as a package before: alone among the packages for zstd it
gives back as much as was asked for and keeps the rest.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP_FORM = 31  # zlib's wbits: a window of 32 KiB, gzip header and trailer
_WINDOW_LOG = 27  # 128 MiB, what zstd itself unpacks unless told otherwise
_GZIP, _ZSTD, _SKIPPABLE = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
MAGIC_BYTES = 4
DAMAGE = (zlib.error, zstd.ZstdError)
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


class Unzstd:
    """An ``Unpacker`` of zstd (RFC 8878); a member is one frame, of data or to be skipped."""

    form = "zstd"

    def __init__(self) -> None:
        self._frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})

    @property
    def hungry(self) -> bool:
        """Nothing more comes out before something goes in."""
        return self._frame.needs_input

    @property
    def ended(self) -> bool:
        """This frame is complete."""
        return self._frame.eof

    @property
    def rest(self) -> bytes:
        """What lies behind the end."""
        return self._frame.unused_data

    def unpack(self, packed: bytes, room: int) -> bytes:
        """At most ``room`` bytes."""
        return self._frame.decompress(packed, room)


def unpacker_of(magic: bytes) -> Callable[[], Unpacker] | None:
    """What unpacks an input that begins like this; ``None``: it is not packed."""
    if magic[:2] == _GZIP:
        return Gunzip
    skippable = magic[1:] == _SKIPPABLE and magic[0] >> 4 == 5  # pzstd begins with a frame that only tells a size
    return Unzstd if magic == _ZSTD or skippable else None
