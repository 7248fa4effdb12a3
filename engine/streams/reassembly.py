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

import numpy as np

from engine.capture.batch import Batch
from engine.counters import Counters, Drop
from engine.decode.columns import Columns
from engine.streams.chunk import Chunk
from engine.streams.datagrams import cut_datagrams
from engine.streams.halves import Draft, Half, State, accept, flush, note_acknowledgement
from engine.streams.inorder import Cut, Flags, advance, cut_runs, segments_of, test_order
from engine.streams.marks import ACK, FIN, RST, SYN
from engine.streams.options import StreamOptions
from engine.streams.patience import Patience
from engine.streams.register import CLOSED, IRREGULAR, REGULAR, Indices, Register
from engine.streams.stream import CLIENT, SERVER, TCP, Stream
from engine.streams.table import Assigned


class Reassembler:
    """Owner of ``ROW.next``, ``ROW.order`` and ``Stream.reassembly``."""

    def __init__(self, options: StreamOptions, counters: Counters, register: Register) -> None:
        """``register`` is that of the stream table."""
        self._patience = Patience(options)
        self._counters = counters
        self._register = register

    def feed(self, batch: Batch, columns: Columns, assigned: Assigned, wanted: Flags) -> list[Chunk]:
        """What this batch brings of each stream that is ``wanted`` (one per ``assigned.rows``), stream by stream.

        TCP: runs of in-order bytes. Anything else: a chunk for each datagram that has a payload.
        """
        tcp = assigned.records["protocol"] == TCP
        self._let_go(assigned.rows[tcp & ~wanted])
        owners = np.repeat(np.arange(assigned.rows.size), np.diff(assigned.starts, append=assigned.order.size))
        cuts: list[Cut] = []
        at = np.flatnonzero((wanted & tcp)[owners])
        if at.size:
            cuts += self._tcp(batch, columns, assigned, owners, at)
        at = np.flatnonzero((wanted & ~tcp)[owners])
        if at.size:
            cuts.append(cut_datagrams(batch, columns, assigned, self._register, owners, at))
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

    def close_rows(self, rows: Indices) -> None:
        """What comes of these streams later is only counted; one that is irregular must be closed by ``close``."""
        order = self._register.rows["order"][rows]
        self._register.rows["order"][rows[order == REGULAR]] = CLOSED

    def close(self, stream: Stream) -> list[Chunk]:
        """Everything that is still held of ``stream``, gaps told; what comes for it later is only counted."""
        if stream.row >= 0:
            self._register.rows["order"][stream.row] = CLOSED
        state: State | None = stream.reassembly
        if state is None:
            return []
        self._patience.release(stream, state)
        stream.reassembly = None
        draft = Draft(stream)
        for direction, half in enumerate(state):
            flush(half, direction, stream.end_ns, draft)
        return self._told(self._finish(draft))

    def _let_go(self, rows: Indices) -> None:
        """Nobody wants these: forget how far they were, and what was held."""
        known = self._register.rows
        begun = rows[(known["order"][rows] != CLOSED) & (known["next"][rows].max(axis=1, initial=-1) >= 0)]
        irregular = rows[known["order"][rows] == IRREGULAR].tolist()
        known["next"][begun] = -1
        for row in irregular:
            (stream,) = self._register.streams_at([row])
            self._add(unwanted=self._patience.release(stream, stream.reassembly))
            stream.reassembly = None
            known["order"][row], known["next"][row] = REGULAR, -1

    def _tcp(self, batch: Batch, columns: Columns, assigned: Assigned, owners: Indices, at: Indices) -> list[Cut]:
        """Quick and careful path; ``at`` are the entries of ``assigned.order`` that are TCP and wanted."""
        rows = assigned.order[at]
        segments = segments_of(columns, rows, owners[at], assigned.from_client[at])
        odd = self._waiting(assigned.rows)
        advance(self._register, assigned.rows, test_order(columns, segments), odd)
        quick = segments.where(~odd[segments.owner]) if odd.any() else segments
        delivered = int(columns.payload_length[quick.rows].sum())
        resets = rows[(columns.flags[rows] & np.uint8(RST) != 0) & ~odd[owners[at]]]
        self._add(
            payload=int(columns.payload_length[rows].sum()),
            delivered=delivered,
            unwanted=int(columns.payload_length[resets].sum()),
        )
        careful = self._carefully(batch, columns, assigned, np.flatnonzero(odd).tolist())
        return [cut_runs(batch, columns, quick, self._register, assigned.rows), careful]

    def _waiting(self, rows: Indices) -> Flags:
        """Which of ``rows`` have streams that wait for something."""
        waiting: Flags = self._register.rows["order"][rows] == IRREGULAR
        for at in np.flatnonzero(waiting).tolist():
            waiting[at] = self._register.objects[rows[at]] in self._patience
        return waiting

    def _carefully(self, batch: Batch, columns: Columns, assigned: Assigned, owners: list[int]) -> Cut:
        tags: list[int] = []
        chunks: list[Chunk] = []
        bounds = [*assigned.starts.tolist(), assigned.order.size] if owners else []
        for owner in owners:
            entries = slice(bounds[owner], bounds[owner + 1])
            rows, row = assigned.order[entries], int(assigned.rows[owner])
            if self._register.rows["order"][row] == CLOSED:
                self._add(late=int(columns.payload_length[rows].sum()))
                continue
            made = self._walk(batch, columns, row, rows, assigned.from_client[entries])
            chunks += made
            tags += [owner] * len(made)
        return tags, chunks

    def _walk(self, batch: Batch, columns: Columns, row: int, rows: Indices, from_client: Flags) -> list[Chunk]:
        """Every packet of the stream in ``row``, in capture order."""
        (stream,) = self._register.streams_at([row])
        state = self._opened(stream)
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
        self._shut(stream, state)
        return self._finish(draft)

    def _opened(self, stream: Stream) -> State:
        """The stream's halves, made from its row where it was regular."""
        if stream.reassembly is None:
            client, server = Half(), Half()
            client.next, server.next = self._register.rows["next"][stream.row].tolist()
            stream.reassembly = (client, server)
            self._register.rows["order"][stream.row] = IRREGULAR
        state: State = stream.reassembly
        return state

    def _shut(self, stream: Stream, state: State) -> None:
        """Let the row say all again where nothing out of the ordinary is left to remember."""
        if state[0].hold is None and state[1].hold is None:
            self._register.rows["order"][stream.row] = REGULAR
            self._register.rows["next"][stream.row] = state[0].next, state[1].next
            stream.reassembly = None

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
