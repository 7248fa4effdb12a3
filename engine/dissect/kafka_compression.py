"""Compressed records, unpacked as far as a limit: gzip, snappy (raw and in Xerial's blocks), lz4, zstd.

Nothing here grows with what the data says of itself: cramjam writes into a buffer of a given size, zlib and zstd take
the most they may give.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import cramjam

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NAMES = ("none", "gzip", "snappy", "lz4", "zstd")
"""By the low bits of the attributes of a batch."""
_TOO_MUCH = "more than is kept (dissect.maxBody)"
_GZIP_FORM = 31  # zlib's wbits: a window of 32 KiB, gzip header and trailer
_WINDOW_LOG = 27  # 128 MiB, what zstd unpacks unless told otherwise
_XERIAL = b"\x82SNAPPY\0"
_XERIAL_HEAD_BYTES = 16
_LZ4_MAGIC = b"\x04\x22\x4d\x18"
_LZ4_RATIO = 255
"""No LZ4 block is longer than so many times its compressed form."""


class Unpacked(NamedTuple):
    """What was in compressed data."""

    data: bytes
    wrong: str
    """Why this is not all of it, else empty."""


def unpacked(codec: int, data: bytes, limit_bytes: int) -> Unpacked:
    """At most ``limit_bytes`` of what ``data`` holds. Total."""
    unpack = _CODECS.get(codec)
    if unpack is None:
        return Unpacked(b"", f"compression {codec} is not known")
    found = unpack(data, limit_bytes)
    return found._replace(wrong=f"{NAMES[codec]}: {found.wrong}") if found.wrong else found


def _gzip(data: bytes, limit_bytes: int) -> Unpacked:
    inflator = zlib.decompressobj(_GZIP_FORM)
    try:
        plain = inflator.decompress(data, limit_bytes) if limit_bytes else b""
    except zlib.error:
        return Unpacked(b"", "damaged")
    if inflator.eof:
        return Unpacked(plain, "")
    return Unpacked(plain, _TOO_MUCH if len(plain) >= limit_bytes else "it ends early")


def _zstd(data: bytes, limit_bytes: int) -> Unpacked:
    frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
    try:
        plain = frame.decompress(data, limit_bytes)
    except zstd.ZstdError:
        return Unpacked(b"", "damaged")
    if frame.eof:
        return Unpacked(plain, "")
    return Unpacked(plain, _TOO_MUCH if len(plain) >= limit_bytes else "it ends early")


def _snappy(data: bytes, limit_bytes: int) -> Unpacked:
    """Java and Python clients put blocks of 32 KiB behind a header (``SNAPPY``, two versions); others write one."""
    if not data.startswith(_XERIAL):
        return _snappy_block(data, limit_bytes)
    parts: list[bytes] = []
    at, room = _XERIAL_HEAD_BYTES, limit_bytes
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at) if at + 4 <= len(data) else (len(data),)
        at += 4
        if at + size > len(data):
            return Unpacked(b"".join(parts), "it ends early")
        block = _snappy_block(data[at : at + size], room)
        if block.wrong:
            return Unpacked(b"".join(parts), block.wrong)
        parts.append(block.data)
        room -= len(block.data)
        at += size
    return Unpacked(b"".join(parts), "")


def _snappy_block(data: bytes, limit_bytes: int) -> Unpacked:
    try:
        size = cramjam.snappy.decompress_raw_len(data)
        if size > limit_bytes:
            return Unpacked(b"", _TOO_MUCH)
        room = bytearray(size)
        return Unpacked(bytes(room[: cramjam.snappy.decompress_raw_into(data, room)]), "")
    except cramjam.DecompressionError:
        return Unpacked(b"", "damaged")


def _lz4(data: bytes, limit_bytes: int) -> Unpacked:
    """One frame. Its header's checksum is not looked at: brokers before 0.10 took it over the wrong bytes."""
    data = _with_checksum(data)
    size = min(limit_bytes, len(data) * _LZ4_RATIO)
    room = bytearray(size)
    try:
        return Unpacked(bytes(room[: cramjam.lz4.decompress_into(data, room)]), "")
    except cramjam.DecompressionError:
        pass
    room = bytearray(size)
    whole = cramjam.Buffer(room, copy=False)  # tells how many bytes were written before it went wrong
    with suppress(cramjam.DecompressionError):
        cramjam.lz4.decompress_into(data, whole)
    return Unpacked(bytes(room[: whole.tell()]), f"damaged, cut off, or {_TOO_MUCH}")


def _with_checksum(data: bytes) -> bytes:
    """The same with the right checksum in its frame header."""
    if not data.startswith(_LZ4_MAGIC) or len(data) < 7:
        return data
    end = 6 + 8 * (data[4] >> 3 & 1) + 4 * (data[4] & 1)  # content size, dictionary
    return b"".join((data[:end], bytes([_xxh32_of_few(data[4:end]) >> 8 & 255]), data[end + 1 :]))


_P1, _P2, _P3, _P4, _P5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
_MASK = 0xFFFFFFFF


def _xxh32_of_few(data: bytes) -> int:
    """xxHash, 32 bits, of fewer than 16 bytes."""
    value = _P5 + len(data) & _MASK
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        value = value + int.from_bytes(data[at : at + 4], "little") * _P3 & _MASK
        value = (value << 17 | value >> 15) * _P4 & _MASK
    for byte in data[whole:]:
        value = value + byte * _P5 & _MASK
        value = (value << 11 | value >> 21) * _P1 & _MASK
    value = (value ^ value >> 15) * _P2 & _MASK
    value = (value ^ value >> 13) * _P3 & _MASK
    return value ^ value >> 16


_CODECS: dict[int, Callable[[bytes, int], Unpacked]] = {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
