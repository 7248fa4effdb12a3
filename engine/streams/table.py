"""Packets to streams: five-tuples, their reuse, their direction, their end.

Per batch, NumPy groups and sums; Python touches each stream once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.clock import NS_PER_S
from engine.counters import Counters
from engine.decode.columns import Columns
from engine.streams.bundle import Bundles, Newcomer
from engine.streams.entry import FIN_BOTH, LINGER_NS, RST_ANY, UPPER_SHIFT, Entry
from engine.streams.grouping import HASH_WORDS
from engine.streams.options import StreamOptions
from engine.streams.stored import Stored
from engine.streams.stream import TCP, Stream
from engine.streams.timeouts import Timeouts


class Assigned(NamedTuple):
    """Which stream each packet of a batch belongs to."""

    stream_ids: npt.NDArray[np.uint64]
    """Per row of the columns; 0 where the row is dropped."""
    order: npt.NDArray[np.int64]
    """Rows that are not dropped, stream by stream, in capture order within one."""
    starts: npt.NDArray[np.int64]
    """Where each stream begins in ``order``."""
    streams: list[Stream]
    """The stream of each start; by their first packet in this bundles."""
    from_client: npt.NDArray[np.bool_]
    """Per entry of ``order``."""
    started: list[Stream]
    ended: list[Stream]
    """Closed or reset in this batch, or displaced by a new stream of the same five-tuple. Late packets of a closed
    stream still belong to it for a while, so it may come up again in ``streams``, but never in ``ended``."""


class StreamTable:
    """All streams that may still get packets. One owner."""

    def __init__(
        self,
        options: StreamOptions,
        counters: Counters,
        next_id: Callable[[], int],
        hash_words: npt.NDArray[np.uint64] | None = None,
    ) -> None:
        """``hash_words`` are six odd numbers that key the hash; random unless a test gives them."""
        self._tcp_timeout_ns = int(options.tcp_timeout_s * NS_PER_S)
        self._other_timeout_ns = int(options.udp_timeout_s * NS_PER_S)
        self._counters, self._next_id = counters, next_id
        self._words = random_words() if hash_words is None else hash_words
        self._entries: dict[bytes, Entry] = {}
        self._timeouts = Timeouts()
        self.live = 0
        """Streams that have not ended."""

    def assign(self, columns: Columns, stored: Stored | None = None) -> Assigned:
        """Find or begin the stream of each packet, and bring the streams up to date.

        ``stored``: which streams they were, where they come from segments; these keep their numbers and their clients.
        """
        rows = np.flatnonzero(columns.drop == 0)
        bundles = Bundles(columns, rows, self._words, self._entries, self._timeout_ns, stored)
        started: list[Stream] = []
        ended: list[Stream] = []
        entries = self._update(bundles, started, ended)
        streams = [entry.stream for entry in entries]
        counts = np.diff(bundles.starts, append=rows.size)
        ids = np.zeros(columns.drop.size, np.uint64)
        ids[bundles.order] = np.repeat(np.array([stream.id for stream in streams], np.uint64), counts)
        client_upper = np.repeat(np.array([entry.client_upper for entry in entries], np.bool_), counts)
        self._count(rows.size, len(started), len(ended))
        return Assigned(ids, bundles.order, bundles.starts, streams, bundles.upper == client_upper, started, ended)

    def expire(self, capture_ns: int) -> list[Stream]:
        """Streams that were idle for longer than their timeout; closed ones that have lingered are forgotten too."""
        ended: list[Stream] = []
        for entry in self._timeouts.take_due(capture_ns):
            del self._entries[entry.key]
            if not entry.ended:
                self._end(entry, "idle", ended)
        self._count(0, 0, len(ended))
        return sorted(ended, key=lambda stream: stream.id)

    def finish(self) -> list[Stream]:
        """All that are left at the end of input, in the state they are in."""
        ended: list[Stream] = []
        for entry in self._entries.values():
            if not entry.ended:
                self._end(entry, entry.stream.state, ended)
        self._entries.clear()
        self._timeouts = Timeouts()
        self._count(0, 0, len(ended))
        return sorted(ended, key=lambda stream: stream.id)

    def _update(self, bundles: Bundles, started: list[Stream], ended: list[Stream]) -> list[Entry]:
        entries: list[Entry] = []
        newcomers = bundles.newcomers()
        for index, (known, packets, size, payload, end_ns, marks) in enumerate(
            zip(bundles.known, *bundles.sums(), strict=True)
        ):
            entry = known or self._begin(next(newcomers), ended)
            if known is None:
                started.append(entry.stream)
            entries.append(entry)
            stream = entry.stream
            stream.packets += packets
            stream.bytes += size
            stream.payload_bytes += payload
            if end_ns > stream.end_ns:
                stream.end_ns = end_ns
            if marks | entry.marks != entry.marks:
                if not entry.ended and stream.protocol == TCP:
                    self._advance(entry, entry.marks | marks, bundles, index, ended)
                entry.marks |= marks
        return entries

    def _begin(self, newcomer: Newcomer, ended: list[Stream]) -> Entry:
        key, protocol, start_ns = newcomer.key, newcomer.protocol, newcomer.timestamp_ns
        displaced = self._entries.get(key)
        if displaced is not None:
            self._displace(displaced, start_ns, ended)
        stream = Stream(newcomer.id or self._next_id(), *newcomer[1:7], start_ns)
        bases, exact = (newcomer.lower_base, newcomer.upper_base), newcomer.exact
        if exact and min(bases) < 0 and protocol == TCP:
            stream.state = "half_open"
        entry = Entry(key, stream, newcomer.client_upper, bases, exact, self._timeout_ns(protocol))
        self._entries[key] = entry
        self._timeouts.watch(entry)
        self.live += 1
        return entry

    def _displace(self, entry: Entry, start_ns: int, ended: list[Stream]) -> None:
        """End ``entry`` because another stream of its five-tuple begins at ``start_ns``."""
        self._timeouts.forget(entry)
        if not entry.ended:
            self._end(entry, "idle" if start_ns > entry.forgotten_after_ns else entry.stream.state, ended)

    def _advance(self, entry: Entry, marks: int, bundles: Bundles, index: int, ended: list[Stream]) -> None:
        """The next state of a TCP stream that has not ended; ``marks`` include those of this bundles."""
        stream = entry.stream
        if stream.state == "half_open" and marks >> (0 if entry.client_upper else UPPER_SHIFT) & 0xFF:
            stream.state = "open"
        closed = marks & FIN_BOTH == FIN_BOTH
        if marks & RST_ANY and not (closed and bundles.closes_before_reset(index, entry.marks)):
            stream.error = "reset"
            self._close(entry, "reset", ended)
        elif closed:
            self._close(entry, "closed", ended)

    def _close(self, entry: Entry, state: str, ended: list[Stream]) -> None:
        self._end(entry, state, ended)
        entry.timeout_ns = LINGER_NS
        self._timeouts.watch(entry)

    def _end(self, entry: Entry, state: str, ended: list[Stream]) -> None:
        stream = entry.stream
        if stream.state == "half_open" and state != "reset":
            stream.error = "half_open"
        stream.state = state
        entry.ended = True
        self.live -= 1
        ended.append(stream)

    def _timeout_ns(self, protocol: int) -> int:
        return self._tcp_timeout_ns if protocol == TCP else self._other_timeout_ns

    def _count(self, packets: int, started: int, ended: int) -> None:
        self._counters.add("streams_packets_total", packets)
        self._counters.add("streams_started_total", started)
        self._counters.add("streams_ended_total", ended)
        self._counters.set("streams_live", self.live)


def random_words() -> npt.NDArray[np.uint64]:
    """A fresh key for the hash."""
    dice = random.SystemRandom()  # what ``secrets`` is made of, without the 2 ms it takes to load OpenSSL
    return np.array([dice.getrandbits(64) | 1 for _ in range(HASH_WORDS)], np.uint64)
