"""The rows of ``.streams.jsonl.gz``: what a batch holds of each stream (``docs/formats.md``, "Stream row")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from engine.recording.packets import RECORD_HEADER_BYTES, Packets
from engine.segments.records import STATES, StreamRecord, unpack_stream_records
from engine.streams.rows import format_endpoint
from engine.streams.stream import PROTOCOL_NAMES


class StreamRow(msgspec.Struct):
    """One stream of a batch: counts and times are those of its packets in the batch, ``state`` the stream's by then."""

    stream: str
    protocol: str
    client: str
    server: str
    packets: int
    bytes: int
    payload_bytes: int
    start: int
    end: int
    state: str


class Counts(NamedTuple):
    """What a batch holds of a stream."""

    packets: int
    bytes: int
    payload_bytes: int
    first_ns: int
    last_ns: int


def stream_rows(index: Packets, payload_bytes: npt.NDArray[np.int64], records: dict[int, bytes]) -> Iterator[StreamRow]:
    """A row per described stream, in the order in which they began in the batch.

    Args:
        index: the packets of the batch.
        payload_bytes: of each of them.
        records: the last record of each stream in the stream log.
    """
    counted = count(index, payload_bytes)
    rows = []
    for stream, data in records.items():
        (record,) = unpack_stream_records(data)
        none = Counts(0, 0, 0, record.timestamp_ns, record.timestamp_ns)
        rows.append(_row(record, counted.get(stream, none)))
    yield from sorted(rows, key=lambda row: (row.start, row.stream))


def count(index: Packets, payload_bytes: npt.NDArray[np.int64]) -> dict[int, Counts]:
    """What there is of each stream."""
    if not len(index):
        return {}
    order = np.argsort(index["stream"], kind="stable")
    streams, first = np.unique(index["stream"][order], return_index=True)
    times_ns = index["timestamp_ns"][order]
    columns = (
        np.diff(first, append=len(index)),
        np.add.reduceat(index["length"][order].astype(np.int64) - RECORD_HEADER_BYTES, first),
        np.add.reduceat(payload_bytes[order], first),
        np.minimum.reduceat(times_ns, first),
        np.maximum.reduceat(times_ns, first),
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {stream: Counts(*row) for stream, row in zip(streams.tolist(), rows, strict=True)}


def _row(record: StreamRecord, counts: Counts) -> StreamRow:
    return StreamRow(
        record.name,
        PROTOCOL_NAMES.get(record.protocol, str(record.protocol)),
        format_endpoint(record.client_ip, record.client_port),
        format_endpoint(record.server_ip, record.server_port),
        *counts,
        STATES[record.state] if record.state < len(STATES) else str(record.state),
    )
