"""How long, and with how many bytes, streams may wait for what is missing: one account for all of them."""

from __future__ import annotations

import heapq

from engine.clock import NS_PER_S
from engine.streams.halves import Draft, Half, State, deadline_ns, skip_hole
from engine.streams.options import StreamOptions
from engine.streams.stream import Stream


class Patience:
    """Owner of the limits, of what is held in total, and of the deadlines of streams that wait."""

    def __init__(self, options: StreamOptions) -> None:
        self._wait_ns = int(options.gap_wait_s * NS_PER_S)
        self._stream_limit, self._total_limit = options.stream_hold_bytes, options.total_hold_bytes
        self.held = 0
        """Payload bytes held back."""
        self._cost = 0
        self._waiting: dict[int, Stream] = {}
        self._armed: dict[int, int] = {}
        """The one valid entry of ``_due`` for each waiting stream."""
        self._due: list[tuple[int, int]] = []
        """Heap of (deadline in nanoseconds, stream id)."""

    def __contains__(self, stream: Stream | None) -> bool:
        """Whether ``stream`` waits."""
        return stream is not None and stream.id in self._waiting

    def charge(self, half: Half, sign: int) -> None:
        """Take what ``half`` holds into the account (1) or out of it (-1), around whatever changes it."""
        if half.hold is not None:
            self.held += sign * half.hold.bytes
            self._cost += sign * half.hold.cost

    def give_up_due(self, state: State, time_ns: int, draft: Draft) -> None:
        """Skip the holes that have been waited for until ``time_ns``."""
        for direction, half in enumerate(state):
            while (deadline := deadline_ns(half, self._wait_ns)) is not None and deadline <= time_ns:
                self._skip(half, direction, draft, by_limit=False)

    def keep_limits(self, half: Half, direction: int, draft: Draft) -> None:
        """Skip holes until what ``half`` holds is within the limits."""
        while half.hold is not None and half.hold.islands and self._is_too_much(half.hold.cost):
            self._skip(half, direction, draft, by_limit=True)

    def settle(self, stream: Stream, state: State) -> None:
        """Know whether ``stream`` still waits, and until when."""
        deadlines = [deadline for half in state if (deadline := deadline_ns(half, self._wait_ns)) is not None]
        if not deadlines:
            self._drop(stream)
            return
        self._waiting[stream.id] = stream
        deadline = min(deadlines)
        if deadline < self._armed.get(stream.id, deadline + 1):
            self._armed[stream.id] = deadline
            heapq.heappush(self._due, (deadline, stream.id))

    def release(self, stream: Stream, state: State) -> int:
        """Wait no longer for ``stream``, which is about to be flushed or forgotten; how many bytes it held."""
        before = self.held
        for half in state:
            self.charge(half, -1)
        self._drop(stream)
        return before - self.held

    def take_due(self, capture_ns: int) -> list[Stream]:
        """Streams that may have waited for long enough; each must be settled again."""
        due = []
        while self._due and self._due[0][0] <= capture_ns:
            deadline, stream_id = heapq.heappop(self._due)
            if self._armed.get(stream_id) == deadline:
                del self._armed[stream_id]
                due.append(self._waiting[stream_id])
        return due

    def _drop(self, stream: Stream) -> None:
        self._waiting.pop(stream.id, None)
        self._armed.pop(stream.id, None)

    def _is_too_much(self, cost: int) -> bool:
        return cost > self._stream_limit or self._cost > self._total_limit

    def _skip(self, half: Half, direction: int, draft: Draft, *, by_limit: bool) -> None:
        self.charge(half, -1)
        skip_hole(half, direction, draft, by_limit)
        self.charge(half, 1)
