"""Files of fixed-size records that grow under a reader, and the records of one stream in them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.segments.records import Records, read_records_at

_MAX_UNSORTED = 4096


class GrowingFile:
    """Hands out each record of a file once. A file that is missing has none."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self.path, self._dtype = path, dtype
        self._descriptor = -1
        self._read_bytes = 0
        self._ending = False
        self.ended = False
        """Nothing will come any more."""
        self.missing = False
        """It was not there when it was last looked for."""

    def end(self) -> None:
        """The writer has gone on to another file: read once more, then never again."""
        self._ending = True

    def take(self) -> Records:
        """The whole records that were added since the last call."""
        if self.ended or not self._opened():
            self.ended |= self._ending
            return np.empty(0, self._dtype)
        rows = read_records_at(self._descriptor, self._dtype, self._read_bytes)
        self._read_bytes += rows.nbytes
        if self._ending:
            self.ended = True
            self.close()
        return rows

    def _opened(self) -> bool:
        if self._descriptor < 0:
            try:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                self.missing = True
                return False
            self.missing = False
        return True

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Tail:
    """The records of a growing file, by stream.

    Rows are sorted when somebody looks, and again when 4096 new ones have come (a merge, since most are sorted already:
    3 ns a row); the rest is scanned. A look-up costs about 8 us however many rows there are.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self.file = GrowingFile(path, dtype)
        self._rows: Records = np.empty(0, dtype)
        self._keys: npt.NDArray[np.uint64] = np.empty(0, np.uint64)
        self._new: Records = np.empty(0, dtype)

    def rows_of(self, stream: int) -> Records:
        """The rows of one stream so far, in file order.

        Raises:
            FileNotFoundError: the file was deleted before it was read.
        """
        added = self.file.take()
        if self.file.missing:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.file.path)
        if len(added):
            self._new = np.concatenate([self._new, added]) if len(self._new) else added
        if len(self._new) > (0 if self.file.ended else _MAX_UNSORTED):
            self._sort()
        first, last = np.searchsorted(self._keys, np.array([stream, stream + 1], np.uint64)).tolist()
        rows = self._rows[first:last]
        return np.concatenate([rows, self._new[self._new["stream"] == stream]]) if len(self._new) else rows

    def _sort(self) -> None:
        keys = np.concatenate([self._keys, self._new["stream"]])
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._rows = np.concatenate([self._rows, self._new])[order]
        self._new = self._new[:0]
