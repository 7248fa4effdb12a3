"""Seeded TCP traffic that goes wrong in every way a capture knows, and the slow, obvious account of it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tests.support.columns import ACK, FIN, RST, START_NS, SYN, Row

Told = list[int | None]
"""A direction byte by byte; ``None`` is a byte that is missing."""


def random_conversation(chance: random.Random, source_port: int, damage: float) -> list[Row]:
    """One TCP connection in the order of its capture; ``damage`` is the chance of each mishap, per packet."""
    client = Row(source="10.0.0.1", source_port=source_port, target="10.0.0.2", target_port=80)
    server = Row(source="10.0.0.2", source_port=80, target="10.0.0.1", target_port=source_port)
    near_wrap = (1 << 32) - chance.randrange(400)
    isn = [chance.choice([near_wrap, chance.randrange(1 << 32)]) for _ in range(2)]
    rows = [replace(client, flags=SYN, sequence=isn[0])]
    rows.append(replace(server, flags=SYN | ACK, sequence=isn[1], acknowledgement=isn[0] + 1))
    position = [isn[0] + 1, isn[1] + 1]
    for _ in range(chance.randrange(12)):
        side = chance.randrange(2)
        for _ in range(chance.randrange(1, 5)):
            payload = chance.randbytes(chance.choice([0, 1, 3, 40]))
            rows.append(
                replace(
                    (client, server)[side],
                    sequence=position[side],
                    acknowledgement=position[1 - side],
                    payload=payload,
                )
            )
            position[side] += len(payload)
    ending = chance.random()
    if ending < 0.6:
        rows.append(replace(client, flags=FIN | ACK, sequence=position[0], acknowledgement=position[1]))
        rows.append(replace(server, flags=FIN | ACK, sequence=position[1], acknowledgement=position[0] + 1))
        rows.append(replace(client, sequence=position[0] + 1, acknowledgement=position[1] + 1))
    elif ending < 0.8:
        rows.append(replace(client, flags=RST, sequence=position[0], payload=b"why"))
    return _damaged(chance, rows, damage)


def _overlapping(chance: random.Random, row: Row, span: range) -> Row:
    """Other bytes for some of the same positions, all within ``span``."""
    begin = max(row.sequence + chance.randrange(-5, 6), span.start)
    end = min(begin + chance.randrange(1, 60), span.stop)
    return replace(row, sequence=begin, payload=chance.randbytes(max(end - begin, 0)))


def _span(rows: Sequence[Row]) -> range:
    """Positions from the first to the last payload byte."""
    said = [row for row in rows if row.payload]
    if not said:
        return range(0)
    return range(min(row.sequence for row in said), max(row.sequence + len(row.payload) for row in said))


def _damaged(chance: random.Random, rows: list[Row], damage: float) -> list[Row]:
    out: list[Row] = []
    spans = {side: _span([row for row in rows if _from_client(row) == side]) for side in (False, True)}
    for index, row in enumerate(rows):
        if chance.random() < damage and index:
            continue
        out.append(row)
        if chance.random() < damage:
            out.insert(chance.randrange(max(len(out) - 6, 1), len(out) + 1), row)
        if chance.random() < damage and row.payload:
            out.append(_overlapping(chance, row, spans[_from_client(row)]))
        if chance.random() < damage and row.payload:
            out[-1] = replace(out[-1], payload=out[-1].payload[:2], missing=len(out[-1].payload) - 2)
            out[-1] = replace(out[-1], missing=max(out[-1].missing, 0))
        if chance.random() < damage and len(out) > 3:
            out[-1], out[-2 - chance.randrange(2)] = out[-2 - chance.randrange(2)], out[-1]
    return out


def interleaved(chance: random.Random, conversations: Sequence[list[Row]], step_ns: int = 1000) -> list[Row]:
    """All of them at the same time, each in its own order; a packet every ``step_ns``."""
    picks = [index for index, rows in enumerate(conversations) for _ in rows]
    chance.shuffle(picks)
    waiting = [iter(rows) for rows in conversations]
    return [replace(next(waiting[pick]), timestamp_ns=START_NS + at * step_ns) for at, pick in enumerate(picks)]


def cut_anywhere(chance: random.Random, rows: Sequence[Row], pieces: int) -> list[list[Row]]:
    """``rows`` in at most ``pieces`` batches, some of them empty."""
    cuts = [0, *sorted(chance.randrange(len(rows) + 1) for _ in range(pieces - 1)), len(rows)]
    return [list(rows[begin:end]) for begin, end in pairwise(cuts)]


@dataclass
class ByteMap:
    """One direction, a dictionary entry for each byte; whoever came first wins."""

    start: int | None = None
    fin: int | None = None
    seen: dict[int, int | None] = field(default_factory=dict)
    _near: int = 0

    def take(self, row: Row) -> None:
        if row.flags & RST or not (row.payload or row.missing or row.flags & (SYN | FIN)):
            return
        position = self._absolute(row.sequence)
        if row.flags & SYN:
            position += 1
        if self.start is None:
            self.start = position
        for offset in range(len(row.payload) + row.missing):
            value = row.payload[offset] if offset < len(row.payload) else None
            if position + offset >= self.start:
                self.seen.setdefault(position + offset, value)
        if row.flags & FIN:
            self.fin = position + len(row.payload) + row.missing

    def begin_at(self, sequence: int) -> None:
        """The other side's handshake names the first byte."""
        if self.start is None:
            self.start = self._absolute(sequence)

    def told(self) -> Told:
        if self.start is None:
            return []
        end = max([position + 1 for position in self.seen] + [self.fin or 0, self.start])
        return [self.seen.get(position) for position in range(self.start, end)]

    def _absolute(self, sequence: int) -> int:
        if not self._near:
            self._near = (1 << 40) + sequence % (1 << 32)
        distance = (sequence - self._near) % (1 << 32)
        return self._near + (distance if distance < 1 << 31 else distance - (1 << 32))


def account(rows: Iterable[Row]) -> dict[tuple[int, bool], Told]:
    """What both directions said, by client port and whether the client said it; one stream per port."""
    maps: dict[tuple[int, bool], ByteMap] = {}
    for row in rows:
        client = _from_client(row)
        port = row.source_port if client else row.target_port
        mine, other = (maps.setdefault((port, side), ByteMap()) for side in (client, not client))
        mine.take(row)
        if row.flags & (SYN | ACK) == SYN | ACK:
            other.begin_at(row.acknowledgement)
    return {key: found.told() for key, found in maps.items() if found.told()}


def _from_client(row: Row) -> bool:
    return row.target_port == 80
