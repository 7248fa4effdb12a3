"""Names of segment files, and a file that grows by whole records or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


def numbered(folder: Path, number: int, ending: str) -> Path:
    """``folder/00000012.idx``."""
    return folder / f"{number:08d}.{ending}"


def numbers_in(folder: Path, ending: str) -> list[int]:
    """Numbers of the files with this ending, ascending; none where the folder is missing."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    stems = (name.removesuffix(f".{ending}") for name in names if name.endswith(f".{ending}"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where it is missing."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def remove_all(paths: Iterable[Path]) -> None:
    """Unlink in the given order; what is gone already is fine.

    Raises:
        OSError: a file could not be removed (a read-only disk); those behind it were not tried.
    """
    for path in paths:
        path.unlink(missing_ok=True)


class AppendedFile:
    """A file with one writer. Never raises when the disk is full or read-only: ``append`` says how much it took.

    Writes name their offset, so that what a failed write left behind is overwritten by the next one.
    """

    def __init__(self, path: Path, size_bytes: int = 0) -> None:
        """Open ``path`` and cut it to ``size_bytes``.

        Raises:
            OSError: it cannot be opened or cut.
        """
        self.path = path
        self.size_bytes = size_bytes
        """What counts; bytes behind it are leftovers of a failed write."""
        self.error: OSError | None = None
        """Why the last ``append`` took less than it was given."""
        self._leftover = False
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(self._descriptor, size_bytes)
        except OSError:
            os.close(self._descriptor)
            raise

    def append(self, data: bytes | memoryview, record_bytes: int) -> int:
        """Write ``data``; the bytes taken, a multiple of ``record_bytes``, less than all only with ``error`` set."""
        done, total = 0, len(data)
        try:
            if self._leftover:
                os.ftruncate(self._descriptor, self.size_bytes)
                self._leftover = False
            done = os.pwrite(self._descriptor, data, self.size_bytes)
            while done < total:
                done += os.pwrite(self._descriptor, data[done:], self.size_bytes + done)
        except OSError as error:
            self.error = error
            done -= done % record_bytes
            self.cut(self.size_bytes + done)
            return done
        self.size_bytes += done
        return done

    def cut(self, size_bytes: int) -> None:
        """Forget what lies behind ``size_bytes``."""
        self.size_bytes, self._leftover = size_bytes, True
        with contextlib.suppress(OSError):  # then the next append tries again before it writes
            os.ftruncate(self._descriptor, size_bytes)
            self._leftover = False

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
