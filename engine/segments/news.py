"""What was added to segments since a cursor: how the recorder reads them, once, in order, without asking anybody.

A cursor says how many bytes of each file were consumed, by segment number, as in ``keep/copied``. A file that has
vanished drops out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.segments.files import numbered, numbers_in
from engine.segments.records import (
    EXTENT,
    ITEM,
    STREAM_RECORD,
    Records,
    StreamRecord,
    read_records,
    unpack_stream_records,
)

MAX_BYTES = 8 << 20
"""The most that one call returns; call again until nothing comes."""

Cursor = dict[str, int]


def new_extents(data: Path, cursor: Mapping[str, int]) -> tuple[Records, Cursor]:
    """Extents behind ``cursor`` and the cursor behind them; at most 8 MiB a call."""
    parts, after = _new_records(data / "segments", "idx", "pcap", EXTENT, cursor)
    return _joined([rows for _, rows in parts], EXTENT), after


def new_stream_records(data: Path, cursor: Mapping[str, int]) -> tuple[list[StreamRecord], Cursor]:
    """The same of the stream log."""
    parts, after = _new_records(data / "segments", "streams", "pcap", STREAM_RECORD, cursor)
    return [record for _, rows in parts for record in unpack_stream_records(rows.tobytes())], after


def new_items(data: Path, cursor: Mapping[str, int]) -> tuple[Records, Cursor]:
    """The same of the item index; ``segment`` says in which ``N.items`` an item lies."""
    parts, after = _new_records(data / "items", "idx", "idx", ITEM, cursor)
    rows = _joined([rows for _, rows in parts], ITEM).copy()
    rows["segment"] = np.repeat([number for number, _ in parts], [len(rows) for _, rows in parts])
    return rows, after


def _joined(parts: list[Records], dtype: np.dtype[Any]) -> Records:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _new_records(
    folder: Path, ending: str, listed: str, dtype: np.dtype[Any], cursor: Mapping[str, int]
) -> tuple[list[tuple[int, Records]], Cursor]:
    """New rows of each file, and the cursor behind them; ``listed`` is the ending that says that a segment is there."""
    parts: list[tuple[int, Records]] = []
    after: Cursor = {}
    room = MAX_BYTES // dtype.itemsize * dtype.itemsize
    for number in numbers_in(folder, listed):
        start = cursor.get(str(number), 0)
        try:
            rows = read_records(numbered(folder, number, ending), dtype, start, room)
        except FileNotFoundError:
            continue
        if len(rows):
            parts.append((number, rows))
        room -= rows.nbytes
        after[str(number)] = start + rows.nbytes
    return parts, after
