"""Which protocols there are, which are wanted, and which one a stream speaks."""

from __future__ import annotations

from collections.abc import Sequence

from engine.counters import Counters
from engine.dissect.table import ProtocolRow, Verdict, recognise
from engine.items.conversation import Conversation
from engine.streams.chunk import Chunk


class Recognition:
    """The rows of one worker."""

    __slots__ = ("_counters", "_numbered", "_numbers", "_rows", "protocols")

    def __init__(self, rows: Sequence[ProtocolRow], counters: Counters) -> None:
        self._counters = counters
        self._numbered = list(rows)
        """By ``Stream.dissector``, which begins with 1."""
        self._numbers = {id(row): number for number, row in enumerate(self._numbered, 1)}
        self._rows: dict[int, list[ProtocolRow]] = {}
        for row in rows:
            self._rows.setdefault(row.transport, []).append(row)
        self.protocols: frozenset[str] | None = None
        """The ``protocol.name`` of the items that somebody wants; None: of all. Others are not dissected."""

    def is_dissected(self, transport: int) -> bool:
        """Whether any protocol is known that it carries."""
        return transport in self._rows

    def number_of(self, row: ProtocolRow) -> int:
        """What ``Stream.dissector`` is for it."""
        return self._numbers[id(row)]

    def numbered(self, number: int) -> ProtocolRow:
        """The row with this number."""
        return self._numbered[number - 1]

    def names(self, spoken: int) -> list[str]:
        """Of the dissectors with these numbers, as bits; each once, as ``protocol.abbr`` has them mostly."""
        numbered = enumerate(self._numbered, 1)
        return list(dict.fromkeys(row.name.upper() for number, row in numbered if spoken >> (number & 63) & 1))

    def look(self, conversation: Conversation, chunk: Chunk) -> tuple[ProtocolRow | Verdict, bytes]:
        """``(the protocol, or whether more may tell, the bytes that say so)``: what its direction has sent so far."""
        data, held, stream = chunk.data, conversation.held, chunk.stream
        if held:
            data = b"".join([each.data for each in held if each.direction == chunk.direction] + [data])
        rows, ports = self._rows[stream.protocol], (stream.server_port, stream.client_port)
        found = recognise(rows, data, ports, self._count_by_port)
        if found is Verdict.NO and held:  # of something else, a switch perhaps: what comes now stands for itself
            conversation.held, conversation.held_bytes, data = None, 0, chunk.data
            found = recognise(rows, data, ports, self._count_by_port)
        return found, data

    def _count_by_port(self, row: ProtocolRow) -> None:
        self._counters.add(f"dissect_streams_by_port_total{{protocol={row.name}}}")

    def wants(self, row: ProtocolRow, data: bytes) -> bool:
        """Whether items that somebody wants may come, or be explained, of a stream that begins with ``data``."""
        wanted = self.protocols
        if wanted is None or row.name in wanted or row.carries or row.link is not None:
            return True
        return row.leads(data, wanted)

    def wanted_successor(self, row: ProtocolRow) -> ProtocolRow | None:
        """Our own row for that of a successor, which may have other ports; None: it is not enabled, or not wanted."""
        ours = next((each for each in self._numbered if each.open is row.open), None)
        return ours if ours is not None and self.wants(ours, b"") else None
