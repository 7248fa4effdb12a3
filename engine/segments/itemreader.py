"""Items as other processes see them: found by stream and index, read from the files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from engine.segments.files import numbered
from engine.segments.member import newest_of_each
from engine.segments.records import ITEM, read_at
from engine.segments.tail import Tail
from engine.segments.watch import NumberedFiles


class ItemReader:
    """Answers from the item segments of one data folder."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "items"
        self._files = NumberedFiles(self._folder, "idx")
        self._tails: dict[int, Tail] = {}

    def close(self) -> None:
        """Give the descriptors back."""
        for tail in self._tails.values():
            tail.file.close()
        self._tails.clear()

    def refresh(self) -> None:
        """Take in which files came and went."""
        if not self._files.refresh():
            return
        numbers = self._files.numbers
        for number in self._tails.keys() - set(numbers):
            self._tails.pop(number).file.close()
        newest = newest_of_each(numbers)
        for number in numbers:
            if number not in self._tails:
                self._tails[number] = Tail(numbered(self._folder, number, "idx"), ITEM)
            if number not in newest:
                self._tails[number].file.end()

    def item(self, stream_id: int, index: int) -> bytes | None:
        """One item as msgpack; ``None`` when it was not stored or has expired."""
        return next((blob for found, blob in self._newest_first(stream_id) if found == index), None)

    def items_of(self, stream_id: int) -> list[bytes]:
        """Each item of a stream as msgpack, by index; one that was stored twice counts once."""
        items: dict[int, bytes] = {}
        for index, blob in self._newest_first(stream_id):
            items.setdefault(index, blob)
        return [items[index] for index in sorted(items)]

    def _newest_first(self, stream_id: int) -> Iterator[tuple[int, bytes]]:
        self.refresh()
        for number in sorted(self._tails, reverse=True):
            try:
                rows = self._tails[number].rows_of(stream_id)[::-1]
            except FileNotFoundError:  # deleted since the folder was listed
                continue
            for row in rows:
                blob = self.read(number, int(row["offset"]), int(row["length"]))
                if blob is not None:
                    yield int(row["index"]), blob

    def read(self, number: int, offset: int, length: int) -> bytes | None:
        """An item where the index says it lies; ``None`` when its segment is gone."""
        try:
            descriptor = os.open(numbered(self._folder, number, "items"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            blob = read_at(descriptor, length, offset)
        finally:
            os.close(descriptor)
        return blob if len(blob) == length else None
