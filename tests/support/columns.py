"""Columns and batches built row by row, for tests of what comes behind decode."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.capture.batch import PAD_BYTES, Batch
from engine.decode.columns import Columns

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
FRAME_HEADERS_BYTES = 54
MS = 1_000_000
START_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One packet as decode would tell it."""

    source: str = "10.0.0.1"
    source_port: int = 40000
    target: str = "10.0.0.2"
    target_port: int = 80
    flags: int = ACK
    sequence: int = 0
    acknowledgement: int = 0
    payload: bytes = b""
    missing: int = 0
    timestamp_ns: int = START_NS
    protocol: int = 6
    drop: int = 0


def halves(address: str) -> tuple[int, int]:
    """An address as ``Columns`` holds it."""
    parsed = ipaddress.ip_address(address)
    number = int(parsed) if parsed.version == 6 else int(parsed) | 0xFFFF << 32
    return number >> 64, number & (1 << 64) - 1


def batch_of(rows: Sequence[Row]) -> tuple[Batch, Columns]:
    """A batch whose buffer holds the payloads behind empty headers, and its columns."""
    buffer = bytearray()
    starts, offsets = [], []
    for row in rows:
        offsets.append(len(buffer))
        buffer += bytes(16 + FRAME_HEADERS_BYTES)
        starts.append(len(buffer))
        buffer += row.payload
    end = len(buffer)
    buffer += bytes(PAD_BYTES)
    batch = Batch(memoryview(buffer), np.array(offsets, np.int64), end, True, 1, 0, -1)
    return batch, _columns(rows, starts)


def _columns(rows: Sequence[Row], starts: Sequence[int]) -> Columns:
    source = [halves(row.source) for row in rows]
    target = [halves(row.target) for row in rows]
    lengths = np.array([len(row.payload) for row in rows], np.int64)
    missing = np.array([row.missing for row in rows], np.int64)
    return Columns(
        timestamp_ns=np.array([row.timestamp_ns for row in rows], np.int64),
        captured_length=lengths + FRAME_HEADERS_BYTES,
        wire_length=lengths + missing + FRAME_HEADERS_BYTES,
        protocol=np.array([row.protocol for row in rows], np.uint8),
        source_high=np.array([high for high, _ in source], np.uint64),
        source_low=np.array([low for _, low in source], np.uint64),
        target_high=np.array([high for high, _ in target], np.uint64),
        target_low=np.array([low for _, low in target], np.uint64),
        source_port=np.array([row.source_port for row in rows], np.uint16),
        target_port=np.array([row.target_port for row in rows], np.uint16),
        flags=np.array([row.flags for row in rows], np.uint8),
        sequence=np.array([row.sequence & 0xFFFFFFFF for row in rows], np.uint32),
        acknowledgement=np.array([row.acknowledgement & 0xFFFFFFFF for row in rows], np.uint32),
        payload_start=np.array(starts, np.int64),
        payload_length=lengths,
        payload_missing=missing,
        drop=np.array([row.drop for row in rows], np.uint8),
    )
