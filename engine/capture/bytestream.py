"""The bytes of a file, a named pipe or standard input; what is compressed is unpacked on the way."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Callable

from engine.capture.unpacking import DAMAGE, MAGIC_BYTES, Unpacker, unpacker_of
from engine.errors import CaptureError

_PACKED_BYTES = 1 << 18
_SKIP_BYTES = 1 << 20
_LOOK_BYTES = 1 << 16


class ByteStream:
    """Reads forward only, never more than asked; owns its descriptor."""

    def __init__(self, path: str, *, growing: bool = False, folder: int | None = None, name: str = "") -> None:
        """``-`` is standard input; a file that is ``growing`` is not ready where it ends for now.

        ``folder`` is a descriptor of the folder that ``path`` lies in, for who may no longer go the whole way;
        ``name`` is what messages call it, where that is not its path.

        Raises:
            CaptureError: it cannot be opened.
        """
        self.name = name or path
        self.damage = ""
        """Why unpacking ended before the end, else empty."""
        try:
            if path == "-":
                self._descriptor = os.dup(0)
            else:
                place = path if folder is None else os.path.basename(path)
                self._descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            hint = "raise the limit of open files (ulimit -n)" if error.errno == errno.EMFILE else ""
            raise CaptureError(path, "a capture file that can be read", error.strerror, hint) from None
        self.regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        """Reading never has to wait."""
        self.growing = growing
        self._ahead = b""  # read from the descriptor, not yet unpacked
        self._front = b""  # unpacked, looked at, not yet passed on
        self._new_unpacker: Callable[[], Unpacker] | None = None
        self._unpacker: Unpacker | None = None

    def recognise(self) -> bytes:
        """The first four bytes, unpacked, which stay there; waits for them. Fewer where the input is shorter.

        Raises:
            CaptureError: it cannot be read.
        """
        while len(self._ahead) < MAGIC_BYTES and (more := self._read(MAGIC_BYTES - len(self._ahead))):
            self._ahead += more
        self._new_unpacker = unpacker_of(self._ahead)
        self._unpacker = self._new_unpacker() if self._new_unpacker else None
        room = memoryview(bytearray(MAGIC_BYTES))
        front = b""
        while len(front) < MAGIC_BYTES and (got := self.readinto(room[len(front) :])):
            front = bytes(room[: len(front) + got])
        self._front = front
        return front

    @property
    def packed(self) -> bool:
        """Whether the input is compressed; known once it was recognised."""
        return self._unpacker is not None

    def readinto(self, room: memoryview) -> int:
        """Fill ``room`` from its front; 0 at the end. One system call, or as many as give one byte of packed data.

        Raises:
            CaptureError: the input cannot be read any more.
        """
        if self._front:
            data, self._front = self._front[: len(room)], self._front[len(room) :]
        elif self._unpacker is not None:
            data = self._unpack(len(room))
        elif self._ahead:
            data = self._take_ahead(len(room))
        else:
            try:
                return os.readv(self._descriptor, [room])
            except OSError as error:
                raise self._unreadable(error) from None
        room[: len(data)] = data
        return len(data)

    def ready(self) -> bool:
        """Whether ``readinto`` would return at once."""
        if self._unpacker is not None and not (self._front or self._unpacker.ended or self._unpacker.hungry):
            self._front = self._put_in(b"", _LOOK_BYTES)
        if self._front or self._ahead or self.damage:
            return True
        if self.regular:
            return not self.growing or self.packed or self.left() > 0
        return bool(select.select([self._descriptor], [], [], 0)[0])

    def left(self) -> int:
        """Bytes of a file that were not read yet, as they lie there; negative: it became shorter."""
        if not self.regular or self._descriptor < 0:
            return 0
        return os.fstat(self._descriptor).st_size - os.lseek(self._descriptor, 0, os.SEEK_CUR)

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes, or to the end where there are fewer.

        Raises:
            CaptureError: the input cannot be read any more.
        """
        if self.regular and self._unpacker is None:
            os.lseek(self._descriptor, count - len(self._front) - len(self._ahead), os.SEEK_CUR)
            self._front = self._ahead = b""
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
        assert self._unpacker is not None
        while not self.damage:
            packed = self._next_packed()
            if packed is None:
                break
            if data := self._put_in(packed, room):
                return data
        return b""

    def _put_in(self, packed: bytes, room: int) -> bytes:
        assert self._unpacker is not None
        try:
            return self._unpacker.unpack(packed, room)
        except DAMAGE as error:
            self.damage = f"the {self._unpacker.form} data is damaged ({error})"
            return b""

    def _next_packed(self) -> bytes | None:
        """What goes into the unpacker now, maybe nothing; ``None`` at the end."""
        assert self._unpacker is not None
        assert self._new_unpacker is not None
        if self._unpacker.ended:
            packed = (self._unpacker.rest or self._read(_PACKED_BYTES)).lstrip(b"\0")  # tapes and disks pad with 0
            self._unpacker = self._new_unpacker() if packed else self._unpacker
            return packed or None
        if not self._unpacker.hungry:
            return b""
        packed = self._take_ahead(_PACKED_BYTES) or self._read(_PACKED_BYTES)
        if not packed:
            self.damage = f"the {self._unpacker.form} data ends in the middle"
        return packed or None

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
