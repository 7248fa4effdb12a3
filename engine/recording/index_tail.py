"""The index files of segments and of item segments, read as they grow, and searched again for who was kept late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.segments.files import numbered, numbers_in, size_of
from engine.segments.member import newest_of_each
from engine.segments.records import Records, read_records
from engine.segments.rescue import newest

StreamIds = npt.NDArray[np.uint64]


class IndexTail:
    """All ``N.<ending>`` of one folder. Remembers which streams each names, so that a late search opens few of them."""

    def __init__(self, folder: Path, ending: str, dtype: np.dtype[Any], cursors: dict[str, int]) -> None:
        """``cursors``: bytes read of each file, by its number; belongs to the caller and is moved by ``new``."""
        self._folder, self._ending, self._dtype = folder, ending, dtype
        self._cursors = cursors
        self._streams: dict[int, list[StreamIds]] = {}
        self._complete: set[int] = set()

    def new(self) -> Iterator[tuple[int, Records]]:
        """What was written since the last call, file by file; the cursor of a file moves once its records are taken.

        Of each worker only the file with the highest number is written to: one that was behind it when it was read is
        never looked at again (10 us a file and pass).
        """
        numbers = numbers_in(self._folder, self._ending)
        for number in numbers:
            if number not in self._complete:
                start = min(self._cursors.get(str(number), 0), size_of(self._path(number)))
                records = self._read(number, start, None)
                if len(records):
                    yield number, self._unread(number, records)
                    self._name(number).append(np.unique(records["stream"]))
                self._cursors[str(number)] = start + records.nbytes
        self._complete.update(set(numbers) - newest_of_each(numbers))

    def old(self, streams: StreamIds) -> Iterator[tuple[int, Records]]:
        """What was read before of these streams, file by file."""
        for number in sorted(map(int, self._cursors)):
            if len(streams) and any(np.isin(streams, named).any() for named in self._name(number)):
                records = self._read(number, 0, self._cursors[str(number)])
                yield number, records[np.isin(records["stream"], streams)]

    def _unread(self, _number: int, records: Records) -> Records:
        """Those of new ``records`` of a file that were not read elsewhere before."""
        return records

    def vanished(self) -> bool:
        """Forget files that are gone; whether there were any."""
        present = set(numbers_in(self._folder, self._ending))
        gone = [name for name in self._cursors if int(name) not in present]
        for name in gone:
            del self._cursors[name]
            self._streams.pop(int(name), None)
            self._complete.discard(int(name))
        return bool(gone)

    def named(self) -> StreamIds:
        """Every stream that a file names, as far as it was read."""
        parts = [named for number in map(int, self._cursors) for named in self._name(number)]
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint64)

    def _name(self, number: int) -> list[StreamIds]:
        """The streams of a file, in pieces; read once where a predecessor read the file."""
        if number not in self._streams:
            records = self._read(number, 0, self._cursors.get(str(number), 0))
            self._streams[number] = [np.unique(records["stream"])]
        return self._streams[number]

    def _read(self, number: int, start: int, stop: int | None) -> Records:
        limit = None if stop is None else stop - start
        try:
            return read_records(self._path(number), self._dtype, start, limit)
        except FileNotFoundError:
            return np.empty(0, self._dtype)  # it went while we looked: nobody may keep it any more

    def _path(self, number: int) -> Path:
        return numbered(self._folder, number, self._ending)


class ExtentTail(IndexTail):
    """The extents. Copies that a rescue made were read where they lay first, and are found again by a late search."""

    def old(self, streams: StreamIds) -> Iterator[tuple[int, Records]]:
        """As of any index; of copies only the last."""
        self._adopt()
        yield from newest(list(super().old(streams)))

    def _adopt(self) -> None:
        """Take in files that hold copies alone, whose originals may be gone by now."""
        for number in numbers_in(self._folder, self._ending):
            if str(number) not in self._cursors:
                records = self._read(number, 0, None)
                if len(records) and not len(self._unread(number, records)):
                    self._cursors[str(number)] = records.nbytes

    def _unread(self, _number: int, records: Records) -> Records:
        fresh: Records = records[records["segment"] == _number]
        return fresh
