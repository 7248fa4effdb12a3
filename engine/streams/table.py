"""Packets to streams: five-tuples, their reuse, their direction, their end.

A batch costs some 200 NumPy calls and no Python loop.
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
from engine.naming import stream_name
from engine.streams.bundle import Bundles, add_up, cut, first_records
from engine.streams.grouping import HASH_WORDS, Groups, group, hash_of, key_of
from engine.streams.index import Index
from engine.streams.marks import FIN_BOTH, LINGER_NS, RST_ANY, UPPER_SHIFT
from engine.streams.options import StreamOptions
from engine.streams.register import ERRORS, ROW, Indices, Records, Register, pick, put
from engine.streams.sides import Sides
from engine.streams.splitting import Known
from engine.streams.stored import Stored
from engine.streams.stream import ENDED_CLOSED, ENDED_IDLE, ENDED_RESET, HALF_OPEN, OPEN, TCP

_NEVER = np.iinfo(np.int64).max
_RESET_ERROR, _HALF_OPEN_ERROR = ERRORS.index("reset"), ERRORS.index("half_open")
SHED_SHARE = 64
"""When there are too many streams, so much more of the limit is shed at once: choosing takes 5 ms of 500,000."""


class Ends(NamedTuple):
    """Streams that ended."""

    records: Records
    """As they are now."""
    rows: Indices
    """Where they still stand, until the table is asked again."""


class Assigned(NamedTuple):
    """Which stream each packet of a batch belongs to. Bundle: the packets of one stream."""

    stream_ids: npt.NDArray[np.uint64]
    """Per row of the columns; 0 where the row is dropped."""
    order: Indices
    """Rows that are not dropped, stream by stream, in capture order within one."""
    starts: Indices
    """Where each bundle begins in ``order``; bundles come in the order of their first packets."""
    rows: Indices
    """Per bundle: its stream's row in the register."""
    records: Records
    """Per bundle: its stream as it is behind this batch, a copy."""
    begun: npt.NDArray[np.bool_]
    """Per bundle: the stream begins with it."""
    from_client: npt.NDArray[np.bool_]
    """Per entry of ``order``."""
    ended: Ends
    """Closed or reset in this batch, displaced by a new stream of the same five-tuple, or shed. Late packets of a
    closed stream still belong to it for a while, so it may come up again in ``rows``, but never in ``ended``."""


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
        self._limit = options.max_streams
        self._counters, self._next_id = counters, next_id
        self._words = random_words() if hash_words is None else hash_words
        self.register = Register()
        self._index = Index(self.register)
        self.sides: Sides | None = None
        """Who counts each side, where somebody wants to know."""
        self._leaving = np.zeros(0, np.int64)
        """Rows that are in no index, and given back when the table is asked again."""
        self._look_ns = _NEVER
        """No stream is due before."""
        self.live = 0
        """Streams that have not ended."""

    def assign(self, columns: Columns, stored: Stored | None = None) -> Assigned:
        """Find or begin the stream of each packet, and bring the streams up to date.

        ``stored``: which streams they were, where they come from segments; these keep their numbers and their clients.
        """
        self._let_go()
        groups = group(columns, np.flatnonzero(columns.drop == 0), self._words)
        found = self._index.find(groups.keys)
        bundles = cut(columns, groups, Known(found, pick(self.register.rows, found)), self._timeout_ns, stored)
        if not bundles.order.size:
            return _nothing(columns, bundles)
        begun = bundles.known < 0
        fresh = np.flatnonzero(begun)
        rows = bundles.known.copy()
        rows[fresh] = self.register.take(fresh.size)
        records = pick(self.register.rows, rows)
        if fresh.size:
            put(records, fresh, self._begin(columns, bundles, groups, fresh, stored))
        closed = self._advance(bundles, records, add_up(columns, bundles, records))
        put(self.register.rows, rows, records)
        if self.sides is not None:
            self.sides.add(columns, bundles, rows, fresh)
        displaced, displacing = self._index_fresh(bundles, found, rows, fresh) if fresh.size else (fresh, fresh)
        ended = self._ends(rows, records, closed, displaced, displacing)
        if fresh.size or ended.rows.size:
            self._watch(pick(records, begun | closed))
        self._count(bundles.order.size, fresh.size, ended.rows.size)
        ids = np.zeros(columns.drop.size, np.uint64)
        ids[bundles.order] = np.repeat(records["id"], bundles.counts)
        from_client = bundles.upper == np.repeat(records["client_upper"], bundles.counts)
        return Assigned(ids, bundles.order, bundles.starts, rows, records, begun, from_client, ended)

    def find(self, protocol: int, one: tuple[bytes, int], other: tuple[bytes, int]) -> tuple[int, str]:
        """Number and name of the newest stream between two ends; 0 and ``""`` where none is remembered."""
        key = key_of(protocol, one, other)
        row = self._index.find_one(key, hash_of(key, self._words))
        number = int(self.register.rows["id"][row]) if row >= 0 else 0
        return number, stream_name(number, protocol) if number else ""

    def expire(self, capture_ns: int) -> Ends:
        """Streams that were idle for longer than their timeout; closed ones that have lingered are forgotten too."""
        self._let_go()
        if capture_ns <= self._look_ns:
            return self._gone(np.zeros(0, np.int64), ENDED_IDLE)
        taken = np.flatnonzero(self.register.rows["id"][: self.register.top])
        deadline = self.register.rows["end_ns"][taken] + self.register.rows["timeout_ns"][taken]
        due = deadline < capture_ns
        self._look_ns = int(deadline[~due].min(initial=_NEVER))
        return self._gone(taken[due], ENDED_IDLE)

    def finish(self) -> Ends:
        """All that are left at the end of input, in the state they are in."""
        self._let_go()
        return self._gone(np.flatnonzero(self.register.rows["id"][: self.register.top]), None)

    def _begin(
        self, columns: Columns, bundles: Bundles, groups: Groups, fresh: Indices, stored: Stored | None
    ) -> Records:
        records = first_records(columns, bundles, groups.keys, fresh, stored)
        if stored is None:
            records["id"] = [self._next_id() for _ in range(fresh.size)]
        records["timeout_ns"] = np.where(records["protocol"] == TCP, self._tcp_timeout_ns, self._other_timeout_ns)
        return records

    def _advance(self, bundles: Bundles, records: Records, before: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
        """The next state of each TCP stream that has not ended; answers which have now."""
        marks = records["marks"]
        going: npt.NDArray[np.bool_] = (records["protocol"] == TCP) & ~records["ended"] & (marks != before)
        if not going.any():
            return going
        server = marks >> np.where(records["client_upper"], 0, UPPER_SHIFT).astype(np.uint16)
        records["state"][going & (records["state"] == HALF_OPEN) & ((server & 0xFF) != 0)] = OPEN
        closed = going & ((marks & FIN_BOTH) == FIN_BOTH)
        reset = going & ((marks & RST_ANY) != 0)
        for index in np.flatnonzero(closed & reset).tolist():
            reset[index] = not bundles.closes_before_reset(index, int(before[index]))
        closed &= ~reset
        _end(records, closed, ENDED_CLOSED)
        _end(records, reset, ENDED_RESET)
        over: npt.NDArray[np.bool_] = closed | reset
        records["timeout_ns"][over] = LINGER_NS
        return over

    def _index_fresh(self, bundles: Bundles, found: Indices, rows: Indices, fresh: Indices) -> tuple[Indices, Indices]:
        """Let five-tuples lead to their newest streams: ``(rows that are displaced, bundles that displace them)``."""
        before, known = bundles.before[fresh], found[bundles.owner[fresh]]
        older = np.where(before >= 0, rows[before], known)
        displaces, newest = older >= 0, bundles.last[fresh]
        self._index.remove(known[newest & (known >= 0)])
        self._index.add(rows[fresh[newest]])
        return older[displaces], fresh[displaces]

    def _ends(
        self,
        rows: Indices,
        records: Records,
        closed: npt.NDArray[np.bool_],
        displaced: Indices,
        displacing: Indices,
    ) -> Ends:
        """What this batch ended, in the order in which it happened."""
        ended, at = rows[closed], np.flatnonzero(closed) * 2 + 1
        if displaced.size:
            old = pick(self.register.rows, displaced)
            open_ = ~old["ended"]
            late = records["start_ns"][displacing] > old["end_ns"] + old["timeout_ns"]
            _end(old, open_ & late, ENDED_IDLE)
            _end(old, open_, None)
            put(self.register.rows, displaced, old)
            self._leaving = displaced
            ended, at = np.concatenate((ended, displaced[open_])), np.concatenate((at, displacing[open_] * 2))
            ended = ended[np.argsort(at)]
        shed = self._shed()
        if shed.size:
            ended = np.concatenate((ended, shed))
        return Ends(pick(self.register.rows, ended), ended)

    def _shed(self) -> Indices:
        """End the streams that were silent for longest, where there are too many; answers those that were not over."""
        register = self.register
        excess = register.used - self._leaving.size - self._limit
        if excess <= 0:
            return np.zeros(0, np.int64)
        taken = register.rows["id"][: register.top] != 0
        taken[self._leaving] = False
        left = np.flatnonzero(taken)
        silence = np.where(register.rows["ended"][left], 0, register.rows["end_ns"][left])
        count = min(excess + self._limit // SHED_SHARE, left.size)
        gone = left[np.argpartition(silence, count - 1)[:count]]
        records = pick(register.rows, gone)
        alive = ~records["ended"]
        _end(records, alive, ENDED_IDLE)
        put(register.rows, gone, records)
        self._index.remove(gone)
        self._leaving = np.concatenate((self._leaving, gone))
        self._counters.add("streams_shed_total", int(alive.sum()))
        over: Indices = gone[alive]
        return over

    def _gone(self, rows: Indices, state: int | None) -> Ends:
        """End ``rows`` and forget them; answers those that had not ended, by their ids."""
        known = self.register.rows
        ended = rows[~known["ended"][rows]]
        ended = ended[np.argsort(known["id"][ended])]
        records = pick(known, ended)
        _end(records, np.ones(ended.size, np.bool_), state)
        put(known, ended, records)
        self._index.remove(rows)
        self._leaving = rows
        self._count(0, 0, ended.size)
        return Ends(records, ended)

    def _let_go(self) -> None:
        if self._leaving.size:
            self.register.give_back(self._leaving)
            self._leaving = self._leaving[:0]

    def _watch(self, records: Records) -> None:
        """Know when the first of some rows is due."""
        if records.size:
            self._look_ns = min(self._look_ns, int((records["end_ns"] + records["timeout_ns"]).min()))

    def _timeout_ns(self, protocol: int) -> int:
        return self._tcp_timeout_ns if protocol == TCP else self._other_timeout_ns

    def _count(self, packets: int, started: int, ended: int) -> None:
        self.live += started - ended
        self._counters.add("streams_packets_total", packets)
        self._counters.add("streams_started_total", started)
        self._counters.add("streams_ended_total", ended)
        self._counters.set("streams_live", self.live)


def _end(records: Records, chosen: npt.NDArray[np.bool_], state: int | None) -> None:
    """End the chosen ones in ``state``; ``None``: in the one they are in."""
    if not chosen.any():
        return
    if state == ENDED_RESET:
        records["error"][chosen] = _RESET_ERROR
    else:
        records["error"][chosen & ~records["ended"] & (records["state"] == HALF_OPEN)] = _HALF_OPEN_ERROR
    if state is not None:
        records["state"][chosen] = state
    records["ended"][chosen] = True


def _nothing(columns: Columns, bundles: Bundles) -> Assigned:
    """Of a batch of which no packet belongs to a stream."""
    none, records = np.zeros(0, np.int64), np.zeros(0, ROW)
    no = np.zeros(0, np.bool_)
    ids = np.zeros(columns.drop.size, np.uint64)
    return Assigned(ids, bundles.order, bundles.starts, none, records, no, no, Ends(records, none))


def random_words() -> npt.NDArray[np.uint64]:
    """A fresh key for the hash."""
    dice = random.SystemRandom()  # what ``secrets`` is made of, without the 2 ms it takes to load OpenSSL
    return np.array([dice.getrandbits(64) | 1 for _ in range(HASH_WORDS)], np.uint64)
