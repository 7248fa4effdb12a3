"""Bodies of HTTP messages: content coding undone, text where it is text."""

from __future__ import annotations

import base64
import zlib
from typing import NamedTuple

_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS


class Content(NamedTuple):
    """A body without its content coding."""

    data: bytes
    comment: str
    """What was not undone or not kept, else empty."""


def decoded(body: bytes, codings: str, whole: bool, limit_bytes: int) -> Content:
    """Undo ``Content-Encoding`` (RFC 9110, 8.4), last coding first, as far as ``limit_bytes``."""
    if not codings or not body:
        return Content(body, "")
    for coding in reversed([coding.strip().lower() for coding in codings.split(",")]):
        if coding in ("", "identity"):
            continue
        if coding not in ("gzip", "x-gzip", "deflate"):
            return Content(body, f"content coding {coding[:32]!r} is not undone")
        try:
            plain, complete = _inflate(body, limit_bytes)
        except zlib.error:
            return Content(body, f"content coding {coding!r} does not fit the body")
        if not complete and whole:
            comment = f"decoded to more than {limit_bytes} bytes" if len(plain) >= limit_bytes else "cut short"
            return Content(plain, comment)
        body = plain
    return Content(body, "")


def text_of(data: bytes, whole: bool = True) -> tuple[str, str]:
    """``(text, encoding)`` as HAR has it: UTF-8 as it is, everything else in base64."""
    try:
        return data.decode(), ""
    except UnicodeDecodeError as error:
        if not whole and error.start and len(data) - error.start < 4:  # cut inside a character
            return data[: error.start].decode(), ""
        return base64.b64encode(data).decode("ascii"), "base64"


def _inflate(body: bytes, limit_bytes: int) -> tuple[bytes, bool]:
    """At most ``limit_bytes`` of plain data, and whether that is all of it.

    Raises:
        zlib.error: not even the beginning fits.
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
            part = inflator.decompress(body, room)
        parts.append(part)
        room -= len(part)
        if not inflator.eof:
            return b"".join(parts), False
        body = inflator.unused_data  # gzip members may follow each other (RFC 1952, 2.2)
    return b"".join(parts), not body
