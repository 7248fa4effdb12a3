"""Rows of the stream table as the stream log's records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.segments.records import END, ERROR, SEEN, unpack_stream_records
from engine.streamlog import ends_of, seen_by_id
from engine.streams.register import streams_of
from tests.support.columns import RST, Row, batch_of
from tests.support.tabling import Table

START = Row(payload=b"hello")
ROWS = [
    START,
    replace(START, source="fd00::2", target="fd00::1", source_port=80, target_port=50000, protocol=17, flags=0),
    replace(START, timestamp_ns=START.timestamp_ns + 5, flags=RST, payload=b""),
]


def test_records_hold_what_objects_would() -> None:
    rows = Table.rows_of(batch_of(ROWS)[1])
    for record, stream in zip(unpack_stream_records(ends_of(rows).tobytes()), streams_of(rows), strict=True):
        assert (record.stream, record.name, record.timestamp_ns) == (stream.id, stream.name, stream.end_ns)
        assert (record.packets, record.bytes, record.payload_bytes) == (
            stream.packets, stream.bytes, stream.payload_bytes,
        )  # fmt: skip
        assert (record.client_ip, record.client_port) == (stream.client_ip, stream.client_port)
        assert (record.server_ip, record.server_port) == (stream.server_ip, stream.server_port)
        assert (record.protocol, record.event) == (stream.protocol, ERROR if stream.error else END)


def test_what_is_seen_is_found_by_its_id() -> None:
    rows = Table.rows_of(batch_of(ROWS)[1])[::-1]
    records = unpack_stream_records(seen_by_id(rows)(np.array([2, 1, 2], np.uint64)).tobytes())
    assert [(record.stream, record.event) for record in records] == [(2, SEEN), (1, SEEN), (2, SEEN)]
    assert records[1].timestamp_ns == START.timestamp_ns
