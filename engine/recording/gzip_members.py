"""A gzip file of many members (RFC 1952, section 2.2): every tool reads it as one file, and a part of it by range.

No time and no name in the headers, so that the same content is the same bytes. Members of 256 KiB cost 3 % in size.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol

MEMBER_BYTES = 256 * 1024
"""Content of one member, about."""
LEVEL = 4
"""zlib's. By `benchmarks/sealing.py`, 1 is a quarter faster for 3 % more bytes; 6 takes 15 % longer for nothing."""
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


class Digest(Protocol):
    """The checksum that destinations verify."""

    def update(self, data: bytes) -> None:
        """See some more."""

    def text(self) -> str:
        """As it is written in a manifest."""


class SealedFile(NamedTuple):
    """What a manifest says of a file."""

    bytes: int
    crc32c: str
    sha256: str


class HashedFile:
    """A new file that knows its size and checksums when it is closed."""

    def __init__(self, path: Path, new_digest: Callable[[], Digest]) -> None:
        """Raises ``OSError`` where the file cannot be made."""
        self._file = path.open("xb")
        self._sha256, self._digest, self.bytes = hashlib.sha256(), new_digest(), 0

    def write(self, data: bytes) -> int:
        """Append; where ``data`` begins.

        Raises:
            OSError: the disk is full.
        """
        offset = self.bytes
        self._file.write(data)
        self._sha256.update(data)
        self._digest.update(data)
        self.bytes += len(data)
        return offset

    @property
    def sealed(self) -> SealedFile:
        """Of what was written so far."""
        return SealedFile(self.bytes, self._digest.text(), self._sha256.hexdigest())

    def __enter__(self) -> HashedFile:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self._file.close()


def member(content: bytes | memoryview) -> bytes:
    """``content`` as one gzip member, modification time 0."""
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
    return compressor.compress(content) + compressor.flush()


def write_lines(path: Path, lines: Iterable[bytes], new_digest: Callable[[], Digest]) -> SealedFile:
    """A ``.jsonl.gz``: members of whole lines; one empty member where there are none.

    Raises:
        OSError: the disk is full.
    """
    with HashedFile(path, new_digest) as file:
        waiting: list[bytes] = []
        size = 0
        for line in lines:
            waiting += (line, b"\n")
            size += len(line) + 1
            if size >= MEMBER_BYTES:
                file.write(member(b"".join(waiting)))
                waiting, size = [], 0
        if waiting or not file.bytes:
            file.write(member(b"".join(waiting)))
        return file.sealed
