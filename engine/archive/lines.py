"""Lines of a packed file that may be anything: read, unpacked and split piece by piece, checked as they come."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from engine.archive.manifest import File
from engine.archive.store import Store
from engine.errors import CaptureError

AT_ONCE_BYTES = 8 << 20
"""Of a file, in one request."""
MAX_LINE_BYTES = 64 << 20
_FED_BYTES, _UNPACKED_BYTES = 64 << 10, 1 << 20
"""Packed bytes go in by small pieces: what is left over is copied for each member, and there may be thousands."""
_GZIP_FORM = 31  # zlib's wbits: a window of 32 KiB, gzip header and trailer
_MAX_INT = 1 << 63
HIDDEN = "[REDACTED]"
"""May stand for anything: ``redact()``."""
_decoder = msgspec.json.Decoder(dict[str, Any])

Kinds = Mapping[str, type | tuple[type, ...]]
"""Keys that have to be there, and what they may be."""


def pieces(store: Store, name: str, start: int, end: int) -> Iterator[bytes]:
    """Bytes ``start`` to ``end`` of a file.

    Raises:
        CaptureError: it cannot be read, or is shorter.
    """
    for first in range(start, end, AT_ONCE_BYTES):
        last = min(first + AT_ONCE_BYTES, end)
        data = store.read(name, first, last)
        if len(data) != last - first:
            raise CaptureError(store.shown(name), f"{end} bytes, as its manifest says", f"{first + len(data)}")
        yield data


def lines(store: Store, name: str, file: File) -> Iterator[bytes]:
    """The lines of a file of JSON Lines, packed by gzip.

    Raises:
        CaptureError: it cannot be read, is damaged, or is not what its manifest says.
    """
    rest = b""
    try:
        for piece in unpacked(verified(store, name, file)):
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
            if len(rest) > MAX_LINE_BYTES:
                raise CaptureError(store.shown(name), f"lines of at most {MAX_LINE_BYTES} bytes", "a longer one")
    except (EOFError, zlib.error) as error:
        raise CaptureError(store.shown(name), "gzip, whole", f"something damaged ({error})") from error
    if rest:
        yield rest


def verified(store: Store, name: str, file: File) -> Iterator[bytes]:
    """The content of a file, piece by piece.

    Raises:
        CaptureError: it cannot be read, or, at its end, is not what its manifest says.
    """
    digest = hashlib.sha256()
    for data in pieces(store, name, 0, file.bytes):
        digest.update(data)
        yield data
    if file.sha256 and digest.hexdigest() != file.sha256:
        raise CaptureError(store.shown(name), f"the content with SHA-256 {file.sha256}", digest.hexdigest())


def unpacked(packed: Iterator[bytes]) -> Iterator[bytes]:
    """What one gzip member or several, one behind the other, hold.

    Raises:
        EOFError: the last one is not whole.
        zlib.error: it is something else, or damaged.
    """
    member = zlib.decompressobj(_GZIP_FORM)
    for data in packed:
        for first in range(0, len(data), _FED_BYTES):
            part = data[first : first + _FED_BYTES]
            while part:
                if member.eof:
                    member = zlib.decompressobj(_GZIP_FORM)
                yield member.decompress(part, _UNPACKED_BYTES)
                part = member.unused_data if member.eof else member.unconsumed_tail
    while not member.eof:
        if not (left := member.decompress(b"", _UNPACKED_BYTES)):
            raise EOFError("it ends in the middle")
        yield left


def decoded(name: str, line: bytes, kinds: Kinds) -> dict[str, Any]:
    """The object in ``line``.

    Raises:
        CaptureError: it is none, or lacks one of ``kinds``.
    """
    try:
        found = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CaptureError(name, "lines of JSON objects", f"something else ({error})") from None
    return proper(name, found, kinds)


def proper(name: str, found: dict[str, Any], kinds: Kinds) -> dict[str, Any]:
    """``found``, which has what it has to have.

    Raises:
        CaptureError: it lacks one of ``kinds``.
    """
    for key, kind in kinds.items():
        value = found.get(key)
        if value != HIDDEN and not (_fits(value) if kind is int else isinstance(value, kind)):
            raise CaptureError(name, f"lines with a proper {key!r}", repr(value)[:100])
    return found


def _fits(value: object) -> bool:
    return isinstance(value, int) and -_MAX_INT <= value < _MAX_INT
