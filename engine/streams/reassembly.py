"""In-order bytes of every stream that somebody wants.

Streams that are in order throughout a batch are dealt with all at once (``inorder``); the others one segment at a time
(``halves``). Out-of-order bytes wait for what is missing, for a while of capture time and within limits (``patience``);
then the gap is told and never filled. When a limit is reached the stream gives up waiting: its bytes are delivered, not
thrown away.

Payload bytes in = delivered + duplicate + held + late + unwanted + dropped. Late came after its gap was told, or after
the stream was closed; dropped, the same where a limit had made the gap; unwanted was in resets, or held when nobody
listened any longer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from engine.capture.batch import Batch
from engine.counters import Counters, Drop
from engine.decode.columns import Columns
from engine.streams.chunk import Chunk
from engine.streams.datagrams import cut_datagrams
from engine.streams.entry import ACK, FIN, RST, SYN
from engine.streams.halves import CLOSED, Draft, Half, State, accept, flush, note_acknowledgement
from engine.streams.inorder import advance, cut_runs, segments_of, test_order
from engine.streams.options import StreamOptions
from engine.streams.patience import Patience
from engine.streams.stream import CLIENT, SERVER, TCP, Stream
from engine.streams.table import Assigned

Cut = tuple[list[int], list[Chunk]]
"""Chunks, and for each the index of its stream in ``Assigned.streams``."""


class Reassembler:
    """Owner of ``Stream.reassembly``."""

    def __init__(self, options: StreamOptions, counters: Counters) -> None:
        self._patience = Patience(options)
        self._counters = counters

    def feed(self, batch: Batch, columns: Columns, assigned: Assigned, wants: Callable[[Stream], bool]) -> list[Chunk]:
        """What this batch brings of each stream that ``wants`` says yes to, stream by stream.

        TCP: runs of in-order bytes. Anything else: a chunk for each datagram that has a payload.
        """
        streams = assigned.streams
        wanted = np.array([self._is_wanted(stream, wants) for stream in streams], np.bool_)
        owners = np.repeat(np.arange(len(streams)), np.diff(assigned.starts, append=assigned.order.size))
        tcp = np.array([stream.protocol == TCP for stream in streams], np.bool_)
        cuts: list[Cut] = []
        at = np.flatnonzero((wanted & tcp)[owners])
        if at.size:
            cuts += self._tcp(batch, columns, assigned, owners, at)
        at = np.flatnonzero((wanted & ~tcp)[owners])
        if at.size:
            cuts.append(cut_datagrams(batch, columns, assigned, owners, at))
            size = int(columns.payload_length[assigned.order[at]].sum())
            self._add(payload=size, delivered=size)
        return self._told(_by_owner(cuts))

    def holds(self, stream: Stream) -> bool:
        """Whether bytes of ``stream`` still wait for others; ``close`` would tell a gap."""
        return stream in self._patience

    def expire(self, capture_ns: int) -> list[Chunk]:
        """What lies behind gaps that have been waited for long enough."""
        chunks: list[Chunk] = []
        for stream in self._patience.take_due(capture_ns):
            draft = Draft(stream)
            self._patience.give_up_due(stream.reassembly, capture_ns, draft)
            self._patience.settle(stream, stream.reassembly)
            chunks += self._finish(draft)
        return self._told(chunks)

    def close(self, stream: Stream) -> list[Chunk]:
        """Everything that is still held of ``stream``, gaps told; what comes for it later is only counted."""
        if stream.protocol != TCP:
            return []
        state: State | None = stream.reassembly or None
        stream.reassembly = CLOSED
        if state is None or (state[0].hold is None and state[1].hold is None):
            return []  # never out of the ordinary, like nearly all: 3 us for each of them
        self._patience.release(stream, state)
        draft = Draft(stream)
        for direction, half in enumerate(state):
            flush(half, direction, stream.end_ns, draft)
        return self._told(self._finish(draft))

    def _is_wanted(self, stream: Stream, wants: Callable[[Stream], bool]) -> bool:
        if wants(stream):
            return True
        if stream.reassembly:
            self._add(unwanted=self._patience.release(stream, stream.reassembly))
            stream.reassembly = None
        return False

    def _tcp(
        self,
        batch: Batch,
        columns: Columns,
        assigned: Assigned,
        owners: npt.NDArray[np.int64],
        at: npt.NDArray[np.int64],
    ) -> list[Cut]:
        """Quick and careful path; ``at`` are the entries of ``assigned.order`` that are TCP and wanted."""
        rows = assigned.order[at]
        segments = segments_of(columns, rows, owners[at], assigned.from_client[at])
        odd = advance(assigned.streams, test_order(columns, segments), self._patience.among(assigned.streams))
        quick = segments.where(~odd[segments.owner]) if odd.any() else segments
        delivered = int(columns.payload_length[quick.rows].sum())
        resets = rows[(columns.flags[rows] & np.uint8(RST) != 0) & ~odd[owners[at]]]
        self._add(
            payload=int(columns.payload_length[rows].sum()),
            delivered=delivered,
            unwanted=int(columns.payload_length[resets].sum()),
        )
        careful = self._carefully(batch, columns, assigned, np.flatnonzero(odd).tolist())
        return [cut_runs(batch, columns, quick, assigned.streams), careful]

    def _carefully(self, batch: Batch, columns: Columns, assigned: Assigned, owners: list[int]) -> Cut:
        tags: list[int] = []
        chunks: list[Chunk] = []
        bounds = [*assigned.starts.tolist(), assigned.order.size]
        for owner in owners:
            stream, entries = assigned.streams[owner], slice(bounds[owner], bounds[owner + 1])
            rows = assigned.order[entries]
            if stream.reassembly is CLOSED:
                self._add(late=int(columns.payload_length[rows].sum()))
                continue
            made = self._walk(batch, columns, stream, rows, assigned.from_client[entries])
            chunks += made
            tags += [owner] * len(made)
        return tags, chunks

    def _walk(
        self,
        batch: Batch,
        columns: Columns,
        stream: Stream,
        rows: npt.NDArray[np.int64],
        from_client: npt.NDArray[np.bool_],
    ) -> list[Chunk]:
        """Every packet of one stream, in capture order."""
        state: State = stream.reassembly
        patience, draft, unwanted = self._patience, Draft(stream), 0
        length = columns.payload_length[rows]
        for direction, flags, sequence, acknowledgement, start, size, span, time_ns in zip(
            np.where(from_client, CLIENT, SERVER).tolist(),
            columns.flags[rows].tolist(),
            columns.sequence[rows].tolist(),
            columns.acknowledgement[rows].tolist(),
            columns.payload_start[rows].tolist(),
            length.tolist(),
            (length + columns.payload_missing[rows]).tolist(),
            columns.timestamp_ns[rows].tolist(),
            strict=True,
        ):
            patience.give_up_due(state, time_ns, draft)
            if flags & RST:
                unwanted += size
                continue
            if span or flags & (SYN | FIN):
                half, data = state[direction], bytes(batch.buffer[start : start + size])
                patience.charge(half, -1)
                accept(half, direction, sequence, flags, data, span, time_ns, draft)
                patience.charge(half, 1)
                patience.keep_limits(half, direction, draft)
            if flags & ACK:
                _heed_acknowledgement(state[1 - direction], flags, acknowledgement, time_ns)
        self._add(unwanted=unwanted)
        patience.settle(stream, state)
        return self._finish(draft)

    def _finish(self, draft: Draft) -> list[Chunk]:
        chunks = draft.finish()
        missing = sum(chunk.missing_bytes for chunk in chunks)
        self._add(delivered=draft.delivered, duplicate=draft.duplicate, late=draft.late, missing=missing)
        if draft.dropped:
            self._counters.drop("reassembly", Drop.REASSEMBLY_LIMIT, draft.dropped)
        return chunks

    def _told(self, chunks: list[Chunk]) -> list[Chunk]:
        self._counters.set("streams_held_bytes", self._patience.held)
        return chunks

    def _add(self, **counts: int) -> None:
        for name, count in counts.items():
            self._counters.add(f"streams_{name}_bytes_total", count)


def _heed_acknowledgement(other: Half, flags: int, acknowledgement: int, time_ns: int) -> None:
    if flags & SYN and other.next < 0:
        other.next = acknowledgement
    note_acknowledgement(other, acknowledgement, time_ns)


def _by_owner(cuts: list[Cut]) -> list[Chunk]:
    """All chunks, in the order of their streams."""
    filled = [cut for cut in cuts if cut[0]]
    if len(filled) == 1:
        return filled[0][1]
    tags = [tag for cut in filled for tag in cut[0]]
    chunks = [chunk for cut in filled for chunk in cut[1]]
    return [chunks[index] for index in sorted(range(len(tags)), key=tags.__getitem__)]
