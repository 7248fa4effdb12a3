"""Datagrams as chunks: everything that is not TCP."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.capture.batch import Batch
from engine.decode.columns import Columns
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER
from engine.streams.table import Assigned


def cut_datagrams(
    batch: Batch,
    columns: Columns,
    assigned: Assigned,
    owners: npt.NDArray[np.int64],
    at: npt.NDArray[np.int64],
) -> tuple[list[int], list[Chunk]]:
    """A chunk for each of the entries ``at`` of ``assigned.order`` that has a payload, and the owner of each."""
    rows = assigned.order[at]
    at = at[(columns.payload_length[rows] + columns.payload_missing[rows]) > 0]
    rows = assigned.order[at]
    start, length = columns.payload_start[rows], columns.payload_length[rows]
    tags, buffer, streams = owners[at].tolist(), batch.buffer, assigned.streams
    return tags, [
        Chunk(streams[owner], direction, bytes(buffer[begin:end]), [0], [time_ns], missing)
        for owner, direction, begin, end, time_ns, missing in zip(
            tags,
            np.where(assigned.from_client[at], CLIENT, SERVER).tolist(),
            start.tolist(),
            (start + length).tolist(),
            columns.timestamp_ns[rows].tolist(),
            columns.payload_missing[rows].tolist(),
            strict=True,
        )
    ]
