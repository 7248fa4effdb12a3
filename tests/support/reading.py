"""Reading a source to its end, as plain values."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from engine.capture.batch import PAD_BYTES, RECORD_HEADER_BYTES, Batch, Source
from tests.support.packets import Packet


def packets_of(batch: Batch) -> list[Packet]:
    """The packets of a batch; checks that it keeps its promises."""
    found = []
    for offset in batch.offsets.tolist():
        seconds, ns, captured, wire = struct.unpack_from("<IIII", batch.buffer, offset)
        start = offset + RECORD_HEADER_BYTES
        assert start + captured <= batch.end
        found.append(Packet(seconds * 1_000_000_000 + ns, bytes(batch.buffer[start : start + captured]), wire))
    if batch.contiguous:
        assert sum(len(packet.frame) + RECORD_HEADER_BYTES for packet in found) == batch.end - batch.offsets[0]
    assert start + captured == batch.end
    assert len(batch.buffer) >= batch.end + PAD_BYTES
    return found


def batches(source: Source) -> Iterator[Batch]:
    """Until the source has ended."""
    while not source.ended:
        batch = source.read()
        if batch is not None:
            yield batch


def read_all(source: Source) -> list[Packet]:
    """Every packet; closes the source."""
    found = [packet for batch in batches(source) for packet in packets_of(batch)]
    source.close()
    return found
