"""The bytes of a file, a named pipe or standard input; gzip is recognised by its magic and unpacked on the way.

zlib is used directly because ``gzip.GzipFile`` throws away what it had unpacked when it meets a truncated end.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import zlib

from engine.errors import CaptureError

_GZIP = b"\x1f\x8b"
_GZIP_FORM = 31  # zlib's wbits: a window of 32 KiB, gzip header and trailer
_PACKED_BYTES = 1 << 18
_SKIP_BYTES = 1 << 20


class ByteStream:
    """Reads forward only, never more than asked; owns its descriptor."""

    def __init__(self, path: str) -> None:
        """``-`` is standard input.

        Raises:
            CaptureError: it cannot be opened.
        """
        self.name = path
        self.damage = ""
        """Why unpacking ended before the end, else empty."""
        try:
            self._descriptor = os.dup(0) if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            hint = "raise the limit of open files (ulimit -n)" if error.errno == errno.EMFILE else ""
            raise CaptureError(path, "a capture file that can be read", error.strerror, hint) from None
        self.regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        """Reading never has to wait."""
        self._ahead = b""  # read from the descriptor, not yet passed on
        self._gunzip: zlib._Decompress | None = None

    def recognise(self) -> None:
        """Look whether the input is gzip; waits for its first two bytes.

        Raises:
            CaptureError: it cannot be read.
        """
        while len(self._ahead) < len(_GZIP) and (more := self._read(len(_GZIP) - len(self._ahead))):
            self._ahead += more
        if self._ahead == _GZIP:
            self._gunzip = zlib.decompressobj(_GZIP_FORM)

    def readinto(self, room: memoryview) -> int:
        """Fill ``room`` from its front; 0 at the end. One system call, or as many as give one byte of gzip.

        Raises:
            CaptureError: the input cannot be read any more.
        """
        if self._gunzip is None and not self._ahead:
            try:
                return os.readv(self._descriptor, [room])
            except OSError as error:
                raise self._unreadable(error) from None
        data = self._unpack(len(room)) if self._gunzip is not None else self._take_ahead(len(room))
        room[: len(data)] = data
        return len(data)

    def ready(self) -> bool:
        """Whether ``readinto`` would return at once."""
        packed_rest = self._gunzip is not None and bool(self._gunzip.unconsumed_tail)
        return self.regular or bool(self._ahead) or packed_rest or bool(select.select([self._descriptor], [], [], 0)[0])

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes, or to the end where there are fewer.

        Raises:
            CaptureError: the input cannot be read any more.
        """
        if self.regular and self._gunzip is None:
            os.lseek(self._descriptor, count - len(self._ahead), os.SEEK_CUR)
            self._ahead = b""
            return
        waste = memoryview(bytearray(min(count, _SKIP_BYTES)))
        while count and (got := self.readinto(waste[:count])):
            count -= got

    def fileno(self) -> int:
        """The descriptor of a pipe; -1 for a file."""
        return -1 if self.regular else self._descriptor

    def close(self) -> None:
        """Give the descriptor back; again is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _unpack(self, room: int) -> bytes:
        assert self._gunzip is not None
        while not self.damage:
            packed = self._next_packed()
            if not packed:
                break
            try:
                data = self._gunzip.decompress(packed, room)
            except zlib.error as error:
                self.damage = f"the gzip data is damaged ({error})"
                break
            if data:
                return data
        return b""

    def _next_packed(self) -> bytes:
        assert self._gunzip is not None
        if self._gunzip.eof:  # a file may hold several gzip members, one after the other (RFC 1952, 2.2)
            packed = (self._gunzip.unused_data or self._read(_PACKED_BYTES)).lstrip(b"\0")  # tapes and disks pad with 0
            if packed:
                self._gunzip = zlib.decompressobj(_GZIP_FORM)
            return packed
        packed = self._gunzip.unconsumed_tail or self._take_ahead(_PACKED_BYTES) or self._read(_PACKED_BYTES)
        if not packed:
            self.damage = "the gzip data ends in the middle"
        return packed

    def _take_ahead(self, count: int) -> bytes:
        taken, self._ahead = self._ahead[:count], self._ahead[count:]
        return taken

    def _read(self, count: int) -> bytes:
        try:
            return os.read(self._descriptor, count)
        except OSError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: OSError) -> CaptureError:
        return CaptureError(self.name, "an input that can be read to its end", error.strerror)
