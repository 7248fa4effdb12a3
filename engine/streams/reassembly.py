"""In-order bytes of every stream that somebody wants.

Streams that are in order throughout a batch are dealt with all at once (``inorder``); the others one segment at a time
(``halves``). Out-of-order bytes wait for what is missing, for a while of capture time and within limits; then the gap
is told and never filled. When a limit is reached the stream gives up waiting: its bytes are delivered, not thrown away.

Payload bytes in = delivered + duplicate + held + late + unwanted + dropped (late for a hole that a limit gave up).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from engine.capture.batch import Batch
from engine.clock import NS_PER_S
from engine.counters import Counters, Drop
from engine.decode.columns import Columns
from engine.streams.chunk import Chunk
from engine.streams.entry import ACK, FIN, RST, SYN
from engine.streams.halves import (
    Draft,
    Half,
    State,
    accept,
    deadline_ns,
    flush,
    note_acknowledgement,
    skip_hole,
)
from engine.streams.inorder import Direction, cut_runs, segments_of, test_order
from engine.streams.options import StreamOptions
from engine.streams.stream import CLIENT, SERVER, TCP, Stream
from engine.streams.table import Assigned

_CLOSED = ()
"""``Stream.reassembly`` of a stream that was closed: what comes now is late."""


class Reassembler:
    """Owner of ``Stream.reassembly``."""

    def __init__(self, options: StreamOptions, counters: Counters) -> None:
        self._wait_ns = int(options.gap_wait_s * NS_PER_S)
        self._stream_limit, self._total_limit = options.stream_hold_bytes, options.total_hold_bytes
        self._counters = counters
        self._waiting: dict[int, Stream] = {}
        """Streams that hold bytes back, by id."""
        self._deadlines: list[tuple[int, int]] = []
        """Heap of (nanoseconds, stream id); may hold old entries."""
        self._held = 0
        self._held_cost = 0

    def feed(self, batch: Batch, columns: Columns, assigned: Assigned, wants: Callable[[Stream], bool]) -> list[Chunk]:
        """What this batch brings of each stream that ``wants`` says yes to, stream by stream.

        TCP: runs of in-order bytes. Anything else: a chunk for each datagram that has a payload.
        """
        streams = assigned.streams
        wanted = np.array([self._is_wanted(stream, wants) for stream in streams], np.bool_)
        if not wanted.any():
            return []
        owners = np.repeat(np.arange(len(streams)), np.diff(assigned.starts, append=assigned.order.size))
        tcp = np.array([stream.protocol == TCP for stream in streams], np.bool_)
        at = np.flatnonzero((wanted & tcp)[owners])
        found: list[tuple[list[int], list[Chunk]]] = []
        if at.size:
            found += self._tcp(batch, columns, assigned, owners, at)
        at = np.flatnonzero((wanted & ~tcp)[owners])
        if at.size:
            found.append(self._datagrams(batch, columns, assigned, owners, at))
        self._counters.set("streams_held_bytes", self._held)
        return _by_owner(found)

    def holds(self, stream: Stream) -> bool:
        """Whether bytes of ``stream`` still wait for others; ``close`` would tell a gap."""
        return stream.id in self._waiting

    def expire(self, capture_ns: int) -> list[Chunk]:
        """What lies behind gaps that have been waited for long enough."""
        chunks: list[Chunk] = []
        while self._deadlines and self._deadlines[0][0] <= capture_ns:
            _, stream_id = heapq.heappop(self._deadlines)
            stream = self._waiting.get(stream_id)
            if stream is not None:
                draft = Draft(stream)
                self._give_up_due(stream.reassembly, capture_ns, draft)
                chunks += self._settle(stream, draft)
        self._counters.set("streams_held_bytes", self._held)
        return chunks

    def close(self, stream: Stream) -> list[Chunk]:
        """Everything that is still held of ``stream``, gaps told; what comes for it later is only counted."""
        if stream.protocol != TCP:
            return []
        state: State | None = stream.reassembly or None
        stream.reassembly = _CLOSED
        if state is None:
            return []
        draft = Draft(stream)
        self._charge(state, -1)
        for direction in (CLIENT, SERVER):
            flush(state[direction], direction, stream.end_ns, draft)
        self._waiting.pop(stream.id, None)
        self._counters.set("streams_held_bytes", self._held)
        return self._delivered(draft)

    def _is_wanted(self, stream: Stream, wants: Callable[[Stream], bool]) -> bool:
        if wants(stream):
            return True
        if stream.reassembly:
            self._forget(stream)
        return False

    def _forget(self, stream: Stream) -> None:
        state: State = stream.reassembly
        before = self._held
        self._charge(state, -1)
        self._counters.add("streams_unwanted_bytes_total", before - self._held)
        self._waiting.pop(stream.id, None)
        stream.reassembly = None

    # ---- TCP ------------------------------------------------------------------------------------------------------

    def _tcp(
        self,
        batch: Batch,
        columns: Columns,
        assigned: Assigned,
        owners: npt.NDArray[np.int64],
        at: npt.NDArray[np.int64],
    ) -> list[tuple[list[int], list[Chunk]]]:
        order = assigned.order[at]
        self._counters.add("streams_payload_bytes_total", int(columns.payload_length[order].sum()))
        segments = segments_of(columns, order, owners[at], assigned.from_client[at])
        odd = self._advance(assigned.streams, test_order(columns, segments))
        if not odd.any():
            quick = segments
            slow: tuple[list[int], list[Chunk]] = [], []
        else:
            quick = segments.where(~odd[segments.owner])
            slow = self._one_by_one(batch, columns, assigned, np.flatnonzero(odd))
        used = int(columns.payload_length[quick.rows].sum())
        self._counters.add("streams_delivered_bytes_total", used)
        unused = columns.flags[order] & np.uint8(RST) != 0
        if unused.any():
            unused &= ~odd[owners[at]]
            self._counters.add("streams_unwanted_bytes_total", int(columns.payload_length[order[unused]].sum()))
        return [cut_runs(batch, columns, quick, assigned.streams), slow]

    def _advance(self, streams: list[Stream], found: Direction) -> npt.NDArray[np.bool_]:
        """Move every stream that is in order behind its last segment; answers which streams are not."""
        odd = np.zeros(len(streams), np.bool_)
        moves: list[tuple[int, Half, int, int]] = []
        opened = -1
        for owner, direction, first, behind, flags, in_order in zip(*found, strict=True):
            if streams[owner].reassembly is None:
                streams[owner].reassembly = (Half(), Half())
            if streams[owner].reassembly is _CLOSED:
                odd[owner] = True
                continue
            state: State = streams[owner].reassembly
            half = state[direction]
            if half.next < 0:
                fits = flags & SYN and (
                    not flags & ACK or state[1 - direction].next >= 0 or (opened == owner and direction == SERVER)
                )
            else:
                fits = half.next & 0xFFFFFFFF == first
            if in_order and fits and half.ordinary:
                moves.append((owner, half, first, behind))
                opened = owner
            else:
                odd[owner] = True
        if self._waiting:
            for index, stream in enumerate(streams):
                if stream.id in self._waiting:
                    odd[index] = True
        blocked = odd.tolist()
        for owner, half, first, behind in moves:
            if not blocked[owner]:
                half.next = behind if half.next < 0 else half.next + ((behind - first) & 0xFFFFFFFF)
        return odd

    def _one_by_one(
        self, batch: Batch, columns: Columns, assigned: Assigned, owners: npt.NDArray[np.int64]
    ) -> tuple[list[int], list[Chunk]]:
        tags: list[int] = []
        chunks: list[Chunk] = []
        ends = np.append(assigned.starts[1:], assigned.order.size)
        for owner in owners.tolist():
            begin, end = int(assigned.starts[owner]), int(ends[owner])
            stream = assigned.streams[owner]
            rows = assigned.order[begin:end]
            if stream.reassembly is _CLOSED:
                self._counters.add("streams_late_bytes_total", int(columns.payload_length[rows].sum()))
                continue
            made = self._segments(batch, columns, stream, rows, assigned.from_client[begin:end])
            chunks += made
            tags += [owner] * len(made)
        return tags, chunks

    def _segments(
        self,
        batch: Batch,
        columns: Columns,
        stream: Stream,
        rows: npt.NDArray[np.int64],
        from_client: npt.NDArray[np.bool_],
    ) -> list[Chunk]:
        """Every packet of one stream, in capture order."""
        if stream.reassembly is None:
            stream.reassembly = (Half(), Half())
        state: State = stream.reassembly
        draft = Draft(stream)
        duplicate = late = dropped = unwanted = 0
        length = columns.payload_length[rows]
        for client, flags, sequence, acknowledgement, start, size, span, time_ns in zip(
            from_client.tolist(),
            columns.flags[rows].tolist(),
            columns.sequence[rows].tolist(),
            columns.acknowledgement[rows].tolist(),
            columns.payload_start[rows].tolist(),
            length.tolist(),
            (length + columns.payload_missing[rows]).tolist(),
            columns.timestamp_ns[rows].tolist(),
            strict=True,
        ):
            self._give_up_due(state, time_ns, draft)
            if flags & RST:
                unwanted += size
                continue
            direction = CLIENT if client else SERVER
            if span or flags & (SYN | FIN):
                half = state[direction]
                self._charge_half(half, -1)
                data = bytes(batch.buffer[start : start + size])
                taken = accept(half, direction, sequence, flags, data, span, time_ns, draft)
                self._charge_half(half, 1)
                self._keep_limits(half, direction, draft)
                duplicate += taken.duplicate
                late += taken.late_by_time
                dropped += taken.late_by_limit
            other = state[1 - direction]
            if flags & ACK:
                if flags & SYN and other.next < 0:
                    other.next = acknowledgement
                note_acknowledgement(other, acknowledgement, time_ns)
        self._counters.add("streams_duplicate_bytes_total", duplicate)
        self._counters.add("streams_late_bytes_total", late)
        self._counters.add("streams_unwanted_bytes_total", unwanted)
        if dropped:
            self._counters.drop("reassembly", Drop.REASSEMBLY_LIMIT, dropped)
        return self._settle(stream, draft)

    # ---- gaps and limits --------------------------------------------------------------------------------------------

    def _give_up_due(self, state: State, time_ns: int, draft: Draft) -> None:
        for direction in (CLIENT, SERVER):
            half = state[direction]
            while (deadline := deadline_ns(half, self._wait_ns)) is not None and deadline <= time_ns:
                self._skip(half, direction, draft, by_limit=False)

    def _keep_limits(self, half: Half, direction: int, draft: Draft) -> None:
        hold = half.hold
        while (
            hold is not None
            and hold.islands
            and (hold.cost > self._stream_limit or self._held_cost > self._total_limit)
        ):
            self._skip(half, direction, draft, by_limit=True)

    def _skip(self, half: Half, direction: int, draft: Draft, *, by_limit: bool) -> None:
        self._charge_half(half, -1)
        skip_hole(half, direction, draft, by_limit)
        self._charge_half(half, 1)

    def _charge(self, state: State, sign: int) -> None:
        for half in state:
            self._charge_half(half, sign)

    def _charge_half(self, half: Half, sign: int) -> None:
        if half.hold is not None:
            self._held += sign * half.hold.bytes
            self._held_cost += sign * half.hold.cost

    def _settle(self, stream: Stream, draft: Draft) -> list[Chunk]:
        """Know whether ``stream`` still waits, and until when."""
        deadlines = [
            deadline for half in stream.reassembly if (deadline := deadline_ns(half, self._wait_ns)) is not None
        ]
        if deadlines:
            self._waiting[stream.id] = stream
            heapq.heappush(self._deadlines, (min(deadlines), stream.id))
        else:
            self._waiting.pop(stream.id, None)
        return self._delivered(draft)

    def _delivered(self, draft: Draft) -> list[Chunk]:
        chunks = draft.finish()
        self._counters.add("streams_delivered_bytes_total", draft.delivered)
        self._counters.add("streams_missing_bytes_total", sum(chunk.missing_bytes for chunk in chunks))
        return chunks

    # ---- datagrams --------------------------------------------------------------------------------------------------

    def _datagrams(
        self,
        batch: Batch,
        columns: Columns,
        assigned: Assigned,
        owners: npt.NDArray[np.int64],
        at: npt.NDArray[np.int64],
    ) -> tuple[list[int], list[Chunk]]:
        rows = assigned.order[at]
        at = at[(columns.payload_length[rows] + columns.payload_missing[rows]) > 0]
        rows = assigned.order[at]
        length, start = columns.payload_length[rows], columns.payload_start[rows]
        total = int(length.sum())
        self._counters.add("streams_payload_bytes_total", total)
        self._counters.add("streams_delivered_bytes_total", total)
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


def _by_owner(found: list[tuple[list[int], list[Chunk]]]) -> list[Chunk]:
    """All chunks, in the order of their streams."""
    filled = [(tags, chunks) for tags, chunks in found if chunks]
    if len(filled) == 1:
        return filled[0][1]
    tags = [tag for part, _ in filled for tag in part]
    chunks = [chunk for _, part in filled for chunk in part]
    return [chunks[index] for index in sorted(range(len(tags)), key=tags.__getitem__)]
