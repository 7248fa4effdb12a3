"""The rows of ``.streams.jsonl.gz``: what a batch holds of each stream (``docs/formats.md``, "Stream row")."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from engine.recording.packets import RECORD_HEADER_BYTES, Packets
from engine.segments.records import STATES, StreamRecord, unpack_stream_records
from engine.streams.stream import PROTOCOL_NAMES, format_address


class StreamRow(msgspec.Struct):
    """One stream of a batch. Packets, bytes and times are those in the batch; the rest is the stream's so far."""

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


def stream_rows(index: Packets, records: dict[int, bytes]) -> Iterator[StreamRow]:
    """A row per described stream, in the order in which they began in the batch.

    Args:
        index: the packets of the batch.
        records: the last record of each stream in the stream log.
    """
    streams, of_packet = np.unique(index["stream"], return_inverse=True)
    packets = np.bincount(of_packet, minlength=len(streams))
    octets = np.zeros(len(streams), np.int64)
    np.add.at(octets, of_packet, index["length"].astype(np.int64) - RECORD_HEADER_BYTES)
    start = np.full(len(streams), np.iinfo(np.int64).max)
    end = np.full(len(streams), np.iinfo(np.int64).min)
    np.minimum.at(start, of_packet, index["timestamp_ns"])
    np.maximum.at(end, of_packet, index["timestamp_ns"])
    there = zip(packets.tolist(), octets.tolist(), start.tolist(), end.tolist(), strict=True)
    counted = dict(zip(streams.tolist(), there, strict=True))
    rows = []
    for stream, data in records.items():
        (record,) = unpack_stream_records(data)
        rows.append(_row(record, *counted.get(stream, (0, 0, record.timestamp_ns, record.timestamp_ns))))
    yield from sorted(rows, key=lambda row: (row.start, row.stream))


def _row(record: StreamRecord, packets: int, octets: int, start: int, end: int) -> StreamRow:
    return StreamRow(
        stream=record.name,
        protocol=PROTOCOL_NAMES.get(record.protocol, str(record.protocol)),
        client=_endpoint(record.client_ip, record.client_port),
        server=_endpoint(record.server_ip, record.server_port),
        packets=packets,
        bytes=octets,
        payload_bytes=record.payload_bytes,
        start=start,
        end=end,
        state=STATES[record.state] if record.state < len(STATES) else str(record.state),
    )


def _endpoint(address: bytes, port: int) -> str:
    text = format_address(address)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
