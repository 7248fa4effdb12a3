"""Captures that are still being written: a file that grows, a folder that gets new files. They end when the run does.

Looked at five times a second rather than watched: a network file system tells no watcher what others write.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from engine.capture.batch import Batch
from engine.capture.bytestream import ByteStream
from engine.capture.files import CaptureFile, open_file
from engine.capture.folder import PLACE, captures_in, first_packet_ns
from engine.capture.pcapngblocks import SECTION_BYTES
from engine.errors import CaptureError

LOOK_S = 0.2
_HEADER_BYTES = SECTION_BYTES
"""A file that is shorter cannot be told from another form; no capture with a packet is."""


class Found(NamedTuple):
    """A capture of a folder. One that was renamed is not read again, nor is one that was copied there again."""

    begin_ns: int
    """Time of its first packet: names and inodes are used again."""
    path: str
    inode: int

    @property
    def marks(self) -> set[tuple[int, str | int]]:
        """It is the same file as any that has one of these."""
        return {(self.begin_ns, self.path), (self.begin_ns, self.inode)}


class FollowedFile:
    """A ``Source``. A compressed file does not grow: it is read to its end."""

    can_wait = True

    def __init__(
        self, path: str, index: int, now_s: Callable[[], float], *, start: int = 0, folder: int | None = None
    ) -> None:
        """``now_s`` is a monotonic clock; ``start`` is a ``Batch.resume``; ``folder`` as in ``ByteStream``.

        Raises:
            CaptureError: it cannot be opened, or it begins like no capture.
        """
        self.name, self.due_s = path, 0.0
        self._index, self._now_s, self._start = index, now_s, start
        self._stream = ByteStream(path, growing=True, folder=folder)
        self._file: CaptureFile | None = None
        self._closed = False
        self._open()

    @property
    def ended(self) -> bool:
        """Closed, damaged, or complete."""
        return self._closed or (self._file is not None and self._file.ended)

    def read(self) -> Batch | None:
        """What has been written since.

        Raises:
            CaptureError: it cannot be read any more, is no capture, or became shorter.
        """
        self._open()
        if self._stream.left() < 0 and not self.ended:
            raise CaptureError(self.name, "a file that grows", "one that became shorter", "start again to read it")
        batch = self._file.read() if self._file else None
        self.due_s = 0.0 if batch is not None else self._now_s() + LOOK_S
        return batch

    def finish(self) -> None:
        """Nothing is written any more: ``read`` to the end."""
        self._stream.growing = False

    def fileno(self) -> int:
        """Nothing tells when a file grows."""
        return -1

    def take_warning(self) -> str:
        """Why it ended."""
        return self._file.take_warning() if self._file else ""

    def take_key_logs(self) -> list[bytes]:
        """Those of the file."""
        return self._file.take_key_logs() if self._file else []

    def lost(self) -> int:
        """Files lose nothing."""
        return 0

    def close(self) -> None:
        """Give the descriptor back; again is harmless."""
        self._closed = True
        self._stream.close()

    def _open(self) -> None:
        if self._file is None and not self._closed and self._stream.left() >= _HEADER_BYTES:
            self._file = open_file(self.name, self._index, start=self._start, stream=self._stream)


class FollowedFolder:
    """A ``Source``. The next file begins once it has a packet and nothing is left of the one before.

    Files that were read may be deleted, so ``Batch.resume`` does not count them: ``Batch.file_ns`` says which file it
    is, ``Batch.resume`` the offset in it, plus 2**40 for each that begins at the same time and was read before.
    """

    can_wait = True

    def __init__(
        self, path: str, index: int, now_s: Callable[[], float], *, start: int = 0, start_file_ns: int = 0
    ) -> None:
        """``start`` and ``start_file_ns`` are of a ``Batch``. The folder is opened here, while its reader may.

        Raises:
            CaptureError: it cannot be opened.
        """
        try:
            self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise CaptureError(path, "a folder that can be read", error.strerror) from None
        self.name, self.due_s, self.ended = path, 0.0, False
        self._warnings: deque[str] = deque()
        self._index, self._now_s = index, now_s
        self._file_ns, (self._place, self._offset) = start_file_ns, divmod(start, PLACE)
        self._known: dict[str, Found] = {}
        self._unread: dict[str, str] = {}
        """Path -> why, of what is named like a capture and cannot be read as one: told once, and looked at again."""
        self._file: FollowedFile | None = None
        self._key_logs: list[bytes] = []
        self._taken: set[tuple[int, str | int]] = set()
        waiting = self._waiting()
        same = [file for file in waiting if file.begin_ns == start_file_ns]
        before = [file for file in waiting if file.begin_ns < start_file_ns] + same[: self._place]
        self._taken.update(*(file.marks for file in before))
        if len(same) <= self._place:  # the file that was being read has gone
            self._offset = 0

    def read(self) -> Batch | None:
        """What has been written since to the current file, or the beginning of the next.

        Raises:
            CaptureError: the current file cannot be read any more.
        """
        while not self.ended:
            batch = self._file.read() if self._file else None
            if batch is not None:
                return batch._replace(resume=self._place * PLACE + batch.resume, file_ns=self._file_ns)
            following = self._waiting()
            if not following:
                break
            if self._file is None:
                self._begin(following[0])
            elif self._file.ended:
                self._leave(self._file)
            else:
                self._file.finish()
        self.due_s = self._now_s() + LOOK_S
        return None

    def fileno(self) -> int:
        """Nothing tells when a folder grows."""
        return -1

    def take_warning(self) -> str:
        """Why a file ended before its end, or was passed over, one after the other."""
        return self._warnings.popleft() if self._warnings else ""

    def take_key_logs(self) -> list[bytes]:
        """Those of all files so far."""
        found, self._key_logs = self._key_logs, []
        return found + (self._file.take_key_logs() if self._file else [])

    def lost(self) -> int:
        """Files lose nothing."""
        return 0

    def close(self) -> None:
        """Give the descriptor back; again is harmless."""
        if self._file:
            self._file.close()
        if not self.ended:
            os.close(self._folder)
        self.ended = True

    def _begin(self, found: Found) -> None:
        self._taken |= found.marks
        self._file_ns, self._place = found.begin_ns, self._place if found.begin_ns == self._file_ns else 0
        start, self._offset = self._offset, 0
        self._file = FollowedFile(found.path, self._index, self._now_s, start=start, folder=self._folder)

    def _leave(self, file: FollowedFile) -> None:
        self._warnings += filter(None, [file.take_warning()])
        self._key_logs += file.take_key_logs()
        file.close()
        self._file = None
        self._place += 1

    def _waiting(self) -> list[Found]:
        """Files with packets that were not taken yet, in the order of their first packets."""
        before, files = self._known, map(self._look, captures_in(self.name, self._folder))
        self._known = {file.path: file for file in files if file is not None}
        self._unread = {path: why for path, why in self._unread.items() if path not in self._known}
        fresh = [file for file in self._known.values() if not file.marks & self._taken]
        self._taken.update(*(file.marks for file in self._known.values() if file not in fresh))
        there = self._taken.union(*(file.marks for file in fresh))
        for file in before.values():
            if not file.marks & there:
                self._warnings.append(f"{file.path} went before it was read")
        return sorted(fresh)

    def _look(self, path: str) -> Found | None:
        """None: it has no packet yet, has just gone, or cannot be read: one bad file keeps nobody from the others."""
        name = os.path.basename(path)
        try:
            inode = os.stat(name, dir_fd=self._folder).st_ino
            known = self._known.get(path)
            if known is not None and known.inode == inode:
                return known
            begin_ns = first_packet_ns(path, growing=True, folder=self._folder)
        except FileNotFoundError:
            return None
        except CaptureError as error:
            if name in os.listdir(self._folder) and self._unread.get(path) != str(error):
                self._unread[path] = str(error)
                self._warnings.append(f"{error}; it is passed over as long as it is so")
            return None
        return None if begin_ns is None else Found(begin_ns, path, inode)
