"""The file with secrets of TLS sessions (``tls.keyLog``): read, and followed while clients write to it.

A process opens it while it still may. Later it can read on, and open another file of that name (a log that was rotated)
where its user has the right to.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from engine.dissect.options import TlsOptions
from engine.dissect.tls_keylog import KeyRing
from engine.errors import ConfigError

READ_BYTES = 1 << 20
"""At once; a client writes some hundred bytes for each session."""
NEWEST_BYTES = 64 << 20
"""Of a log that is longer, its end: more sessions than are remembered."""
LOOK_S = 1.0
"""How often it is looked whether another file has the name now."""
_LONGEST_LINE_BYTES = 1024
_KEY = "tls.keyLog"


class KeyLogFile:
    """Adds what is in the file to a ring. It may come into being later, in a folder that is there."""

    def __init__(self, path: Path, ring: KeyRing, *, must_exist: bool = False) -> None:
        """Reads all there is.

        Raises:
            ConfigError: the folder is not there; the file cannot be read, or is none.
        """
        self._path, self._ring = path, ring
        self._fd, self._offset, self._tail = -1, 0, b""
        self._due_s, self._told, self._folder = 0.0, "", -1
        try:
            self._folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if self._open() or must_exist:
                while self._read():
                    pass
        except OSError as error:
            self.close()
            raise ConfigError(f"{_KEY}: {path}", "a file that can be read", error.strerror) from None

    def refresh(self, now_s: float) -> str:
        """Take in what was written since; cheap where nothing was. Returns what the operator should be told.

        ``now_s`` is monotonic.
        """
        try:
            if self._fd >= 0:
                self._read()
            if now_s >= self._due_s:
                self._due_s = now_s + LOOK_S
                self._open()
        except OSError as error:
            return self._tell(f"{_KEY}: {self._path}: {error.strerror}; secrets that were read stay known")
        self._told = ""
        return ""

    def close(self) -> None:
        """Give the descriptors back. What is written is written: the last line need not end."""
        self._ring.add(self._tail)
        for fd in (self._fd, self._folder):
            if fd >= 0:
                os.close(fd)
        self._fd = self._folder = -1

    def _open(self) -> bool:
        """Open the file if it is there and is not the one that is open; whether one is open now."""
        try:
            found = os.stat(self._path.name, dir_fd=self._folder)
        except FileNotFoundError:
            return self._fd >= 0
        if self._fd >= 0 and os.path.samestat(found, os.fstat(self._fd)):
            return True
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "no regular file")
        fd = os.open(self._path.name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self._folder)
        if self._fd >= 0:
            while self._read():
                pass
            os.close(self._fd)
        self._fd, self._tail = fd, b""
        self._offset = max(os.fstat(fd).st_size - NEWEST_BYTES, 0)
        return True

    def _read(self) -> bool:
        """Take the next lines; whether there may be more."""
        if self._fd < 0:
            raise FileNotFoundError(0, "no such file")
        size = os.fstat(self._fd).st_size
        if size < self._offset:  # written anew
            self._offset, self._tail = 0, b""
        if size == self._offset:
            return False
        data = os.pread(self._fd, READ_BYTES, self._offset)
        self._offset += len(data)
        lines, newline, rest = (self._tail + data).rpartition(b"\n")
        self._ring.add(lines + newline)
        self._tail = rest if len(rest) <= _LONGEST_LINE_BYTES else b""
        return bool(data)

    def _tell(self, note: str) -> str:
        if note == self._told:
            return ""
        self._told = note
        return note


def follow(options: TlsOptions, ring: KeyRing) -> KeyLogFile | None:
    """The file that ``options`` name, for a process that runs on; its secrets may be late.

    Raises:
        ConfigError: as ``KeyLogFile``.
    """
    if not options.key_log:
        return None
    ring.growing = True
    return KeyLogFile(Path(options.key_log), ring)


def read_once(options: TlsOptions, ring: KeyRing) -> None:
    """The secrets that are in the file now.

    Raises:
        ConfigError: as ``KeyLogFile``, or there is no such file.
    """
    if options.key_log:
        KeyLogFile(Path(options.key_log), ring, must_exist=True).close()
