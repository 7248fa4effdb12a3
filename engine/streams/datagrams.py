"""Datagrams as chunks: everything that is not TCP."""

from __future__ import annotations

import numpy as np

from engine.capture.batch import Batch
from engine.decode.columns import Columns
from engine.streams.chunk import Chunk
from engine.streams.inorder import Cut
from engine.streams.register import Indices, Register
from engine.streams.stream import CLIENT, SERVER
from engine.streams.table import Assigned


def cut_datagrams(
    batch: Batch, columns: Columns, assigned: Assigned, register: Register, owners: Indices, at: Indices
) -> Cut:
    """A chunk for each of the entries ``at`` of ``assigned.order`` that has a payload, and the owner of each."""
    rows = assigned.order[at]
    at = at[(columns.payload_length[rows] + columns.payload_missing[rows]) > 0]
    rows = assigned.order[at]
    start, length = columns.payload_start[rows], columns.payload_length[rows]
    buffer, chunk_of = batch.buffer, Chunk._make
    return owners[at].tolist(), [
        chunk_of((stream, direction, bytes(buffer[begin:end]), [0], [time_ns], missing))
        for stream, direction, begin, end, time_ns, missing in zip(
            register.streams_at(assigned.rows[owners[at]].tolist()),
            np.where(assigned.from_client[at], CLIENT, SERVER).tolist(),
            start.tolist(),
            (start + length).tolist(),
            columns.timestamp_ns[rows].tolist(),
            columns.payload_missing[rows].tolist(),
            strict=True,
        )
    ]
