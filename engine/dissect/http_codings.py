"""Content codings (RFC 9110, 8.4) undone as far as a limit: a kilobyte may stand for a gigabyte.

zstd is the standard library's from Python 3.14 on, and the same module as a package before.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS
_ZSTD = {int(zstd.DecompressionParameter.window_log_max): 23}
"""8 MB, the most that a content coding may ask for (RFC 9659)."""
_BROTLI_STEP_BYTES = 64 << 10

Plain = tuple[bytes, bool]
"""What came out, and whether that is all of it."""
Coding = Callable[[bytes, int], Plain]


class Unfit(Exception):
    """Not even the beginning of the body is in this coding."""


def inflate(body: bytes, limit_bytes: int) -> Plain:
    """Gzip and deflate, with or without a header of zlib; members may follow each other (RFC 1952, 2.2).

    Raises:
        Unfit: neither of them.
    """
    parts: list[bytes] = []
    room = limit_bytes
    while body and room > 0:
        inflator = zlib.decompressobj(_ZLIB_OR_GZIP)
        try:
            part = inflator.decompress(body, room)
        except zlib.error:
            if parts:
                return b"".join(parts), False
            inflator = zlib.decompressobj(_RAW_DEFLATE)  # what some servers call deflate
            try:
                part = inflator.decompress(body, room)
            except zlib.error as error:
                raise Unfit from error
        parts.append(part)
        room -= len(part)
        if not inflator.eof:
            return b"".join(parts), False
        body = inflator.unused_data
    return b"".join(parts), not body


def unbrotli(body: bytes, limit_bytes: int) -> Plain:
    """Brotli (RFC 7932), in pieces, since its library says how much it gives, not how much it may.

    Raises:
        Unfit: it is none.
    """
    decoder = brotli.Decompressor()
    parts: list[bytes] = []
    room, data = limit_bytes, body
    while room > 0:
        try:
            part = decoder.process(data, output_buffer_limit=min(room, _BROTLI_STEP_BYTES))
        except brotli.error as error:
            if parts:
                return b"".join(parts), False
            raise Unfit from error
        parts.append(part[:room])
        room -= len(part)
        data = b""
        if decoder.is_finished() or (not part and decoder.can_accept_more_data()):
            break
    return b"".join(parts), decoder.is_finished() and room >= 0


def unzstd(body: bytes, limit_bytes: int) -> Plain:
    """Zstd (RFC 8878); frames may follow each other.

    Raises:
        Unfit: it is none.
    """
    parts: list[bytes] = []
    room = limit_bytes
    while body and room > 0:
        frame = zstd.ZstdDecompressor(options=_ZSTD)
        try:
            part = frame.decompress(body, room)
        except zstd.ZstdError as error:
            if parts:
                return b"".join(parts), False
            raise Unfit from error
        parts.append(part)
        room -= len(part)
        if not frame.eof:
            return b"".join(parts), False
        body = frame.unused_data
    return b"".join(parts), not body


CODINGS: dict[str, Coding] = {
    "gzip": inflate,
    "x-gzip": inflate,
    "deflate": inflate,
    "br": unbrotli,
    "zstd": unzstd,
}
