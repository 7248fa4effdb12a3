"""Items as they are written, to somebody in another process who reads along."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from engine.segments.files import numbered
from engine.segments.member import newest_of_each, range_of
from engine.segments.records import ITEM, read_at
from engine.segments.tail import GrowingFile
from engine.segments.watch import NumberedFiles


class _Following:
    """One item segment, held open: what expires before its items were read is read all the same."""

    def __init__(self, folder: Path, number: int) -> None:
        self.index = GrowingFile(numbered(folder, number, "idx"), ITEM)
        self._path = numbered(folder, number, "items")
        self._items = -1

    def open(self) -> None:
        """Raises ``FileNotFoundError``: it went before."""
        if self._items < 0:
            self._items = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def take(self) -> list[bytes]:
        """What was added, as msgpack."""
        rows = self.index.take()
        return [read_at(self._items, length, offset) for _, _, length, offset, _, _ in rows.tolist()]

    def close(self) -> None:
        self.index.close()
        if self._items >= 0:
            os.close(self._items)


class ItemTail:
    """Each item once that is stored from now on, in the order in which each worker stored them."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "items"
        self._files = NumberedFiles(self._folder, "idx")
        self._followed: dict[int, _Following] = {}
        self._done: dict[int, int] = {}
        self.lost = 0
        """Item segments that expired before they were looked at."""
        self._files.refresh()
        for number in newest_of_each(self._files.numbers):
            self._done[range_of(number)] = number - 1
            self._followed[number] = _Following(self._folder, number)
            self._followed[number].index.take()

    def take(self) -> Iterator[bytes]:
        """What was stored since the last call."""
        self._files.refresh()
        for number in self._files.numbers:
            if number not in self._followed and number > self._done.get(range_of(number), -1):
                self._followed[number] = _Following(self._folder, number)
        newest = newest_of_each([*self._files.numbers, *self._followed])
        for number in sorted(self._followed):
            segment = self._followed[number]
            try:
                segment.open()
            except FileNotFoundError:
                if number not in newest:  # the index of the newest is made a moment before its items
                    self.lost += 1
                    self._end(number)
                continue
            if number not in newest:
                segment.index.end()
            yield from segment.take()
            if segment.index.ended:
                self._end(number)

    def _end(self, number: int) -> None:
        self._followed.pop(number).close()
        self._done[range_of(number)] = number

    def close(self) -> None:
        """Give the descriptors back."""
        for segment in self._followed.values():
            segment.close()
        self._followed.clear()
