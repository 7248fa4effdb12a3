"""Connections as items: one when it opens, one in each interval in which it had packets, one when it is over.

They are made from rows of the stream table; a stream has no object for them while nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.clock import rfc3339
from engine.dissect.message import Message, Problem
from engine.dissect.table import ProtocolRow
from engine.items.dataitem import DataItem
from engine.items.item import LazyItem, Place
from engine.streams.register import Indices, Records
from engine.streams.sides import Counted, Sides
from engine.streams.stream import CLIENT, Stream

OPEN, IN_PROGRESS, OVER = "open", "in_progress", "closed"
"""``data.state``, Kubeshark's words."""
_ERRORS = {
    "reset": Problem("connection", "the connection was reset"),
    "half_open": Problem("connection", "the handshake was not answered"),
}


@dataclass(slots=True)
class ConnectionData:
    """What is known of a connection at one time."""

    stream: Stream
    state: str
    counts: tuple[int, int, int, int]
    """Packets and bytes of the client, then of the server."""
    protocols: list[str]

    @property
    def duration_ns(self) -> int:
        """From the first packet to the last one so far."""
        return max(self.stream.end_ns - self.stream.start_ns, 0)

    @property
    def response_bytes(self) -> int:
        """All frames of the server."""
        return self.counts[3]

    def problem(self) -> Problem | None:
        """Nothing is missing."""
        return None

    def section(self) -> dict[str, Any]:
        """``data`` of the item."""
        client_packets, client_bytes, server_packets, server_bytes = self.counts
        return {
            "state": self.state,
            "reason": self.reason(),
            "clientPackets": client_packets,
            "clientBytes": client_bytes,
            "serverPackets": server_packets,
            "serverBytes": server_bytes,
            "payloadBytes": self.stream.payload_bytes,
            "durationNs": self.duration_ns,
            "endTime": rfc3339(self.stream.end_ns),
            "l7": self.protocols,
        }

    def reason(self) -> str:
        """Why it is over: ``closed``, ``reset``, ``idle``, ``half_open``; ``open`` where the capture ended first."""
        return self.stream.state if self.state == OVER else ""


class Connections:
    """Makes the items of one worker; ``rows`` are those of the enabled kinds, by IP protocol."""

    def __init__(
        self,
        rows: Mapping[int, ProtocolRow],
        place: Place,
        sides: Sides,
        interval_s: float,
        names: Callable[[int], list[str]],
    ) -> None:
        """``names``: of the protocols that ``Counted.spoken`` tells as bits."""
        self._rows, self._place, self._sides, self._names = rows, place, sides, names
        self._interval_s = int(interval_s)

    def opened(self, rows: Indices, records: Records) -> list[LazyItem]:
        """Of streams that have just begun."""
        return [self._item(OPEN, each) for each in self._sides.told(rows, records)]

    def over(self, rows: Indices, records: Records) -> list[LazyItem]:
        """Of streams that have ended, or that the capture leaves."""
        return [self._item(OVER, each) for each in self._sides.told(rows, records)]

    def in_progress(self, capture_ns: int) -> list[LazyItem]:
        """Of streams that go on and had packets within the interval."""
        if not self._interval_s:
            return []
        going = self._sides.going(capture_ns, self._interval_s)
        return [self._item(IN_PROGRESS, each) for each in self._sides.told(*going)]

    def _item(self, state: str, counted: Counted) -> LazyItem:
        stream, index, counts, spoken = counted
        data = ConnectionData(stream, state, counts, self._names(spoken))
        message = Message(True, CLIENT, None, stream.start_ns, stream.end_ns, counts[1], data, alone=True)
        error = _ERRORS.get(stream.state) if state == OVER else None
        return DataItem(stream, index, self._rows[stream.protocol], self._place, message, data, error)
