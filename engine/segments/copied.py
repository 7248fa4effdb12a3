"""``keep/copied``: how far the recorder has read; what lies behind it must not be deleted."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from engine.errors import StorageError


class Copied(msgspec.Struct, frozen=True):
    """All entries up to these offsets are copied."""

    journals: dict[str, int] = {}
    """Bytes read of each keep journal, by file name."""
    segments: dict[str, int] = {}
    """Bytes read of ``segments/N.idx``, by N."""
    items: dict[str, int] = {}
    """Bytes read of ``items/N.idx``, by N."""
    at_ns: int = 0
    """Wall time of the pass."""

    def knows(self, keep_bytes: Mapping[str, int]) -> bool:
        """No keep entry was written that the recorder has not read; ``keep_bytes``: sizes of the journals now."""
        return all(self.journals.get(name, 0) >= size for name, size in keep_bytes.items())

    def has_segment(self, number: int, index_bytes: int) -> bool:
        """All ``index_bytes`` of the extents of segment ``number`` are read."""
        return self.segments.get(str(number), 0) >= index_bytes

    def has_items(self, number: int, index_bytes: int) -> bool:
        """The same for an item segment."""
        return self.items.get(str(number), 0) >= index_bytes

    @staticmethod
    def read(data: Path) -> Copied:
        """What the recorder of this data folder has copied; nothing, where it has not said so yet.

        Raises:
            StorageError: the file holds something else.
        """
        path = data / "keep" / "copied"
        try:
            return msgspec.msgpack.decode(path.read_bytes(), type=Copied)
        except FileNotFoundError:
            return Copied()
        except msgspec.MsgspecError as error:
            raise StorageError(f"{path}: expected what the recorder wrote, got {error}; remove it") from error


class Heard:
    """Up to when the recorder has read every wish, though others are written all the time.

    Whoever wants a stream says so before its TTL is over. So what was past its TTL when the journals had some sizes may
    go as soon as the recorder has read so much of them, whatever was written since.
    """

    def __init__(self) -> None:
        self._until_s = self._asked_s = -math.inf
        self._asked_bytes: dict[str, int] = {}

    def until_s(self, copied: Copied, keep_bytes: Mapping[str, int], now_s: float) -> float:
        """All that was wished until then was read; ``keep_bytes``: sizes of the journals, taken after ``copied``."""
        there = {name: min(size, keep_bytes.get(name, 0)) for name, size in self._asked_bytes.items()}
        if copied.knows(keep_bytes):
            self._until_s = now_s
        elif copied.knows(there):  # a journal that is gone was read to its end
            self._until_s = self._asked_s
        else:
            return self._until_s
        self._asked_bytes, self._asked_s = dict(keep_bytes), now_s
        return self._until_s


def write_copied(data: Path, copied: Copied) -> None:
    """Publish it, whole and durable.

    Raises:
        OSError: not written; what was there before stands.
    """
    folder = data / "keep"
    hidden = folder / ".copied"
    with hidden.open("wb") as file:
        file.write(msgspec.msgpack.encode(copied))
        file.flush()
        os.fsync(file.fileno())
    hidden.replace(folder / "copied")
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def keep_sizes(data: Path) -> dict[str, int]:
    """Current sizes of the keep journals, by file name."""
    try:
        entries = [entry for entry in os.scandir(data / "keep") if entry.name.endswith(".log")]
    except FileNotFoundError:
        return {}
    return {entry.name: entry.stat().st_size for entry in entries}
