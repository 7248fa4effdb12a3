"""Bytes of many rows of an index, read from the file they point into: neighbours with one read."""

from __future__ import annotations

import logging
import os

import numpy as np

from engine.segments.records import Records, read_at

_log = logging.getLogger(__name__)


def read_rows(descriptor: int, rows: Records, what: str) -> bytes | None:
    """What the rows point at, end to end; ``None`` where the file is shorter than its index says (a power cut).

    Args:
        descriptor: of the file.
        rows: anything with ``offset`` and ``length``.
        what: names the file in the log.

    Raises:
        OSError: the disk failed.
    """
    start = rows["offset"].astype(np.int64)
    stop = start + rows["length"]
    if len(rows) and int(stop.max()) > os.fstat(descriptor).st_size:
        _log.error("index_points_beyond_the_end what=%r entries=%d", what, len(rows))
        return None
    breaks = np.flatnonzero(start[1:] != stop[:-1])
    firsts = start[np.concatenate(([0], breaks + 1))[: len(rows)]].tolist()
    stops = stop[np.concatenate((breaks, [len(rows) - 1]))[: len(firsts)]].tolist()
    return b"".join([read_at(descriptor, end - first, first) for first, end in zip(firsts, stops, strict=True)])
