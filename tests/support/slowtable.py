"""The stream table as one would write it without thinking of speed: one packet at a time, a list per five-tuple."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.streams.marks import LINGER_NS, REORDER_BYTES
from tests.support.columns import ACK, FIN, RST, SYN, Row

Endpoint = tuple[str, int]


@dataclass(eq=False)
class SlowStream:
    """One stream and all its packets."""

    id: int
    client: Endpoint
    rows: list[Row] = field(default_factory=list)
    state: str = "open"
    error: str = ""

    @property
    def ended(self) -> bool:
        return self.state in {"closed", "reset"}

    @property
    def end_ns(self) -> int:
        return max(row.timestamp_ns for row in self.rows)

    def flags_of(self, sender: Endpoint) -> list[int]:
        return [row.flags for row in self.rows if sender_of(row) == sender]


def sender_of(row: Row) -> Endpoint:
    return row.source, row.source_port


def target_of(row: Row) -> Endpoint:
    return row.target, row.target_port


class SlowTable:
    """Answers what ``StreamTable`` must answer."""

    def __init__(self, timeout_ns: int) -> None:
        self.timeout_ns = timeout_ns
        self.streams: list[SlowStream] = []
        self._latest: dict[tuple[frozenset[Endpoint], int], SlowStream] = {}

    def take(self, rows: Sequence[Row]) -> list[int]:
        """The stream number of each row."""
        return [self._take(row) for row in rows]

    def _take(self, row: Row) -> int:
        key = frozenset((sender_of(row), target_of(row))), row.protocol
        stream = self._latest.get(key)
        if stream is None or self._is_over(stream, row) or _is_new_syn(stream, row):
            stream = SlowStream(len(self.streams) + 1, _client_of(row))
            self.streams.append(stream)
            self._latest[key] = stream
            if row.flags & (SYN | ACK) == SYN and row.protocol == 6:
                stream.state = "half_open"
        stream.rows.append(row)
        if row.protocol == 6 and not stream.ended:
            _advance(stream, row)
        return stream.id

    def _is_over(self, stream: SlowStream, row: Row) -> bool:
        return row.timestamp_ns > stream.end_ns + (LINGER_NS if stream.ended else self.timeout_ns)


def _advance(stream: SlowStream, row: Row) -> None:
    if stream.state == "half_open" and sender_of(row) != stream.client:
        stream.state = "open"
    if row.flags & RST:
        stream.state = stream.error = "reset"
    elif all(any(flags & FIN for flags in stream.flags_of(end)) for end in (sender_of(row), target_of(row))):
        stream.state = "closed"


def _is_new_syn(stream: SlowStream, row: Row) -> bool:
    if row.protocol != 6 or row.flags & (SYN | ACK | RST | FIN) != SYN:
        return False
    first = stream.rows[0]
    if sender_of(first) == sender_of(row):
        begins = first.sequence + bool(first.flags & SYN)
    elif first.flags & ACK:
        begins = first.acknowledgement
    else:
        silent = not any(flags & ~SYN for flags in stream.flags_of(sender_of(row)))
        return stream.ended or not silent
    below = (begins - 1 - row.sequence) % (1 << 32)
    return below != 0 if first.flags & SYN else below >= REORDER_BYTES


def _client_of(row: Row) -> Endpoint:
    sender, target = sender_of(row), target_of(row)
    if row.flags & SYN:
        return target if row.flags & ACK else sender
    low, high = sorted((sender, target), key=lambda end: end[1])
    if low[1] != high[1] and (low[1] < 1024 or low[1] < 32768 <= high[1]):
        return high
    return sender
