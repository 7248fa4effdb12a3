"""Where the packet stages meet: decode, streams, reassembly, dissection. No disk, no clock, no scripts.

``worker`` drives it with disk and scripts around it, ``query`` without either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from engine.capture.batch import Batch
from engine.clock import NS_PER_S
from engine.counters import Counters, Drop
from engine.decode.columns import Columns
from engine.decode.decode import Decoder
from engine.decode.targeting import Targeting
from engine.dissect.enabling import enabled_rows
from engine.dissect.options import DissectOptions
from engine.dissect.raw import CONNECTIONS, RAW
from engine.dissect.table import ProtocolRow
from engine.items.connections import Connections
from engine.items.dissection import Dissection
from engine.items.item import LazyItem
from engine.resolve.resolver import Resolver
from engine.resolve.targets import Targets
from engine.streams.options import StreamOptions
from engine.streams.reassembly import Reassembler
from engine.streams.register import ROW, Records
from engine.streams.sides import Sides
from engine.streams.stored import Stored
from engine.streams.stream import UNHEEDED, Stream
from engine.streams.table import Assigned, Ends, StreamTable

EXPIRY_STEP_NS = NS_PER_S
"""Timeouts are looked at once per second of the capture clock."""
NEVER_NS = (1 << 63) - 1
"""Later than any packet."""
_NONE: Records = np.zeros(0, ROW)

ITEMS_AT_ONCE = 32
"""As many as stay in the processor's cache with all that is built of them: encoding them costs a fifth less."""


class Node(NamedTuple):
    """Who dissected: stands in every item."""

    name: str
    ip: str


class Step(NamedTuple):
    """What became of one batch."""

    columns: Columns
    assigned: Assigned
    payloads: memoryview
    """What ``Columns.payload_start`` counts in."""


class Pipeline:
    """One worker's packet stages. Feed a batch to ``packets``, then, if anybody listens, to ``items``."""

    def __init__(
        self,
        streams: StreamOptions,
        dissect: DissectOptions,
        rows: Sequence[ProtocolRow],
        resolver: Resolver,
        node: Node,
        counters: Counters,
        next_id: Callable[[], int],
        targets: Targets | None = None,
    ) -> None:
        """``rows``: all there are. ``targets``: what the capture filters ask for, where there are any."""
        rows = enabled_rows(rows, dissect)
        self.counters = counters
        self.capture_ns = 0
        """The capture clock: the largest timestamp seen."""
        self._decoder = Decoder(counters)
        self._targeting = Targeting(targets) if targets else None
        self._table = StreamTable(streams, counters, next_id)
        self._reassembler = Reassembler(streams, counters, self._table.register)
        self._dissected = np.zeros(256, np.bool_)
        """By IP protocol number: somebody may want its payload."""
        self._dissected[[row.transport for row in rows]] = True
        self._raw = np.zeros(256, np.bool_)
        """The same: its payload is an item itself, whatever dissectors think of it."""
        self._raw[[number for number, row in RAW.items() if row.dissector in dissect.dissectors]] = True
        self._dissection = Dissection(rows, dissect, resolver, node.name, node.ip, counters, self._table.find)
        self._connections = self._connections_of(dissect)
        self._connections_wanted = True
        self._telling: Connections | None = None
        """Who tells of connections, while somebody wants items."""
        self._expired_ns = 0
        self._closing: list[Stream] = []
        """Streams that ended while bytes of theirs wait for what is missing before them."""

    def closing(self) -> list[Stream]:
        """Streams that ended and may still bring items."""
        return self._closing

    def want(self, protocols: frozenset[str] | None) -> None:
        """Dissect only streams of these protocols; None: all of them."""
        self._connections_wanted = protocols is None or not protocols.isdisjoint(("tcp", "udp"))
        tells = self._connections is not None and self._connections_wanted
        self._dissection.want(None if tells else protocols)  # what connections speak is found out by dissection alone

    def packets(self, batch: Batch, stored: Callable[[Columns], Stored] | None = None) -> Step:
        """Decode a batch and give each packet its stream; ``stored`` names them where they come from segments."""
        columns, payloads = self._decoder.decode(batch)
        if self._targeting is not None:
            self._targeting.mark(columns)
        self._count(columns)
        self.capture_ns = max(self.capture_ns, int(columns.timestamp_ns.max(initial=0)))
        assigned = self._table.assign(columns, stored(columns) if stored else None)
        return Step(columns, assigned, payloads)

    def _count(self, columns: Columns) -> None:
        self.counters.add("capture_packets_total", len(columns.drop))
        self.counters.add("capture_bytes_total", int(columns.captured_length.sum()))
        if columns.drop.any():
            for code, count in enumerate(np.bincount(columns.drop)):
                if code and count:
                    self.counters.drop("decode", Drop(code), int(count))

    def items(self, batch: Batch, step: Step) -> Iterator[list[LazyItem]]:
        """The exchanges that this batch finished, some at a time; to be taken to the end."""
        items: list[LazyItem] = []
        feed = self._dissection.feed
        batch = batch._replace(buffer=step.payloads)
        streams = step.assigned.records
        wanted = self._dissected[streams["protocol"]] & (streams["dissector"] != UNHEEDED)
        wanted |= self._raw[streams["protocol"]]
        connections = self._telling = self._connections if self._connections_wanted else None
        if connections is not None:
            begun = step.assigned.begun
            items += connections.opened(step.assigned.rows[begun], streams[begun])
        chunks = self._reassembler.feed(batch, step.columns, step.assigned, wanted)
        for chunk in chunks:
            items += feed(chunk)
            if len(items) >= ITEMS_AT_ONCE:
                yield self._counted(items)
                items = []
        self._put_away(chunk.stream for chunk in chunks)
        ended = step.assigned.ended
        self._end(ended, items)
        if connections is not None:
            items += connections.over(ended.rows, ended.records)
        yield self._counted(items)

    def skip(self, batch: Batch, step: Step) -> None:
        """Nobody wants items of this batch: no payload of it is touched, streams are let go of where they are."""
        self._telling = None
        nothing = np.zeros(step.assigned.rows.size, np.bool_)
        self._reassembler.feed(batch, step.columns, step.assigned, nothing)
        self._end(step.assigned.ended, [])
        self.counters.add("dissect_skipped_packets_total", len(step.assigned.order))

    def pause(self) -> list[LazyItem]:
        """Nobody wants items any more: those of half exchanges, after which ``skip`` may be called."""
        items: list[LazyItem] = []
        for chunk in self._reassembler.expire(NEVER_NS):
            items += self._dissection.feed(chunk)
        self._end(Ends(_NONE, np.zeros(0, np.int64)), items)
        return self._counted(items + self._dissection.pause())

    def expire(self) -> tuple[Records, list[LazyItem]]:
        """``(streams that timed out, the items that brought)``: cheap to call after every batch."""
        if self.capture_ns - self._expired_ns < EXPIRY_STEP_NS:
            return _NONE, []
        self._expired_ns = self.capture_ns
        items: list[LazyItem] = []
        for chunk in self._reassembler.expire(self.capture_ns):
            items += self._dissection.feed(chunk)
        ended = self._table.expire(self.capture_ns)
        self._end(ended, items)
        if self._telling is not None:
            items += self._telling.over(ended.rows, ended.records)
            items += self._telling.in_progress(self.capture_ns)
        given_up = self._dissection.expire(self.capture_ns)
        self._put_away(item.stream for item in given_up)
        return ended.records, self._counted(items + given_up)

    def finish(self) -> tuple[Records, list[LazyItem]]:
        """The end of input: what is still open, and the items of its half exchanges."""
        left = self._table.finish()
        items: list[LazyItem] = []
        for stream in [*self._closing, *self._table.register.ended(left.rows, left.records)]:
            self._close(stream, items)
        self._closing = []
        items += self._dissection.finish()
        if self._telling is not None:
            items += self._telling.over(left.rows, left.records)
        return left.records, self._counted(items)

    def _connections_of(self, options: DissectOptions) -> Connections | None:
        """Who makes items of connections; None, and nothing is counted, where they are not enabled."""
        rows = {number: row for number, row in CONNECTIONS.items() if row.dissector in options.dissectors}
        if not rows:
            return None
        dissection = self._dissection
        sides = self._table.sides = Sides(self._table.register, rows)
        dissection.spoke = sides.spoke
        return Connections(rows, dissection.place, sides, options.connection_interval_s, dissection.names)

    def _put_away(self, streams: Iterable[Stream]) -> None:
        """Keep no objects of streams of which dissection remembers nothing but where it was."""
        put_away = self._dissection.put_away
        self._table.register.put_away([stream for stream in dict.fromkeys(streams) if put_away(stream)])

    def _end(self, ended: Ends, items: list[LazyItem]) -> None:
        """Close streams that ended, but not while a late packet may still fill a gap of theirs."""
        streams = [*self._closing, *self._table.register.ended(ended.rows, ended.records)]
        waited = np.array([stream.row for stream in self._closing if stream.row >= 0], np.int64)
        self._reassembler.close_rows(np.concatenate((ended.rows, waited)))
        holds = self._reassembler.holds
        self._closing = [stream for stream in streams if holds(stream)]
        over = [stream for stream in streams if not holds(stream)]
        for stream in over:
            self._close(stream, items)
        self._put_away(over)

    def _close(self, stream: Stream, items: list[LazyItem]) -> None:
        if stream.reassembly is not None:  # else its row is closed, with those of all others: 0.8 us a stream
            for chunk in self._reassembler.close(stream):
                items += self._dissection.feed(chunk)
        items += self._dissection.ended(stream)

    def _counted(self, items: list[LazyItem]) -> list[LazyItem]:
        if items:
            self.counters.add("items_total", len(items))
        return items
