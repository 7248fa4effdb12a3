"""A data folder as a worker leaves it: packets through decode, streams and shelf, without processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.counters import Counters
from engine.decode.decode import Decoder
from engine.segments.folder import StreamIds, open_folder
from engine.segments.member import ALONE, Member
from engine.segments.options import StorageOptions
from engine.segments.shelf import Shelf
from engine.streamlog import seen_by_id
from engine.streams.options import StreamOptions
from engine.streams.register import streams_of
from engine.streams.stream import Stream
from engine.streams.table import StreamTable
from tests.support.packets import Packet, batch_of

EPOCH_NS = 1_700_000_000_000_000_000


def store(
    data: Path, runs: Sequence[Sequence[Sequence[Packet]]], *, segment_s: float = 10.0, member: Member = ALONE
) -> list[Stream]:
    """Store ``runs``: in each a new table begins, as after a crash; it holds batches, each of them a segment's.

    ``segment_s``: how much time passes between batches; below 5 s, batches share segments.
    """
    open_folder(data, "n1", EPOCH_NS)
    streams: list[Stream] = []
    for run in runs:
        shelf, ids = (
            Shelf(data, StorageOptions(window=False), Counters(), 0.0, member),
            StreamIds(data, member),
        )
        table, decoder = StreamTable(StreamOptions(), Counters(), ids.next), Decoder(Counters())
        for number, packets in enumerate(run):
            batch = batch_of(packets)
            columns, _ = decoder.decode(batch)
            assigned = table.assign(columns)
            streams += streams_of(assigned.records[assigned.begun])
            seen = seen_by_id(assigned.records)
            shelf.append(batch, assigned.stream_ids, columns.timestamp_ns, seen, number * segment_s)
        shelf.close()
        ids.close()
    return streams
