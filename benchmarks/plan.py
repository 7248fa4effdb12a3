"""What a generated capture will hold: conversations, and one row of integers for each of their packets.

A row costs about 1 us in Python; ``benchmarks.records`` turns all rows into frames at once. Sequence numbers,
acknowledgements and TCP timestamps (RFC 7323) are those of stacks that talk to each other: Suricata drops a stream
whose timestamps are not echoed.
"""

from __future__ import annotations

import random
from array import array
from typing import NamedTuple

MSS = 1448
"""Payload of a full TCP segment: 1500 less IPv4, TCP and timestamps. IPv6 frames are 20 bytes longer."""
FIN, SYN, PSH, ACK = 1, 2, 8, 16
TCP, UDP = 6, 17
COLUMNS = (
    "at_us", "flow", "from_client", "flags", "sequence", "acknowledgement", "value", "echo", "start", "length",
)  # fmt: skip
"""Of a row. ``value`` and ``echo``: TCP timestamps; ``start`` and ``length``: the payload, in ``Plan.payload``."""

TROUBLES = ("lost", "twice", "overtaken")
RESENT_US = 1000
"""How long after a burst what was lost is sent again."""


class Flow(NamedTuple):
    """Both ends of a conversation; hosts are numbers that become addresses."""

    protocol: int
    client: int
    client_port: int
    server: int
    server_port: int
    ipv6: bool = False
    vlan: int = 0


class Plan:
    """Packets of many conversations, in no order."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.flows: list[Flow] = []
        self.rows = array("q")
        self.payload = bytearray()
        self.http = self.dns = 0
        """Whole exchanges."""

    def flow(self, flow: Flow) -> int:
        """The number of a new conversation."""
        self.flows.append(flow)
        return len(self.flows) - 1

    def keep(self, data: bytes) -> int:
        """Where the payload lies from now on: an even offset, so that checksums add up words."""
        start = len(self.payload)
        self.payload += data
        self.payload += bytes(len(data) % 2)
        return start

    def lookup(self, flow: Flow, at_us: int, query: bytes, answer: bytes) -> None:
        """A datagram each way."""
        number = self.flow(flow)
        self.rows.extend((at_us, number, 1, 0, 0, 0, 0, 0, self.keep(query), len(query)))
        at_us += self.chance.randrange(100, 4000)
        self.rows.extend((at_us, number, 0, 0, 0, 0, 0, 0, self.keep(answer), len(answer)))
        self.dns += 1


class Connection:
    """One TCP connection. Sides are 1, the client, and 0, the server."""

    def __init__(self, plan: Plan, flow: Flow, at_us: int, round_trip_us: int, trouble: float = 0.0) -> None:
        """``trouble``: the share of segments with payload that are lost, sent twice or overtaken."""
        chance = plan.chance
        self.at_us = at_us
        self._plan, self._flow = plan, plan.flow(flow)
        self._round_trip_us, self._trouble = round_trip_us, trouble
        self._sequence = [chance.getrandbits(31), chance.getrandbits(31)]
        self._clock = [chance.getrandbits(30), chance.getrandbits(30)]
        self._value = [0, 0]

    def open(self) -> None:
        """The handshake."""
        self._bare(1, SYN, 0)
        self._bare(0, SYN | ACK, self._round_trip_us)
        self._bare(1, ACK, 30)

    def close(self) -> None:
        """Both sides finish, the client first."""
        self._bare(1, FIN | ACK, 100)
        self._bare(0, FIN | ACK, self._round_trip_us)
        self._bare(1, ACK, 20)

    def say(self, side: int, start: int, length: int, *, wait_us: int = -1, gap_us: int = 3) -> None:
        """A burst of payload that was kept at ``start``, acknowledged every second segment and at its end.

        ``wait_us`` comes before it, a round trip where that is negative; ``gap_us`` is between its packets.
        """
        self.at_us += (wait_us if wait_us >= 0 else self._round_trip_us) - gap_us
        base, self._sequence[side] = self._sequence[side], self._sequence[side] + length
        self._tick(side)
        segments = [(at, min(MSS, length - at), False) for at in range(0, length, MSS)]
        arrived: dict[int, int] = {}
        edge = 0
        for count, (at, size, resent) in enumerate(self._disturbed(segments), 1):
            self.at_us += gap_us
            if resent:
                self.at_us += RESENT_US
                self._tick(side)
            flags = ACK | PSH if at + size == length else ACK
            self._packet(side, flags, base + at, self._sequence[1 - side], start + at, size)
            arrived[at] = size
            while edge in arrived:
                edge += arrived.pop(edge)
            if count % 2 == 0 or edge == length:
                self.at_us += gap_us
                self._tick(1 - side)
                self._packet(1 - side, ACK, self._sequence[1 - side], base + edge, 0, 0)

    def _disturbed(self, segments: list[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
        """The burst as it passes the tap, ``(offset, length, sent again)``: whole segments change their place."""
        if not self._trouble:
            return segments
        order: list[tuple[int, int, bool]] = []
        resent: list[tuple[int, int, bool]] = []
        held: list[tuple[int, int, bool]] = []
        for segment in segments:
            fate = self._plan.chance.choice(TROUBLES) if self._troubled() else ""
            again = (segment[0], segment[1], True)
            if fate == "lost":
                resent.append(again)
            elif fate == "overtaken" and segment is not segments[-1]:
                held.append(segment)
                continue
            else:
                order.append(segment)
                resent += [again] if fate else []
            order += held
            held.clear()
        return order + held + resent

    def _troubled(self) -> bool:
        return self._plan.chance.random() < self._trouble

    def _bare(self, side: int, flags: int, wait_us: int) -> None:
        """A packet without payload; SYN and FIN take a number."""
        self.at_us += wait_us
        self._tick(side)
        self._packet(side, flags, self._sequence[side], self._sequence[1 - side] if flags & ACK else 0, 0, 0)
        self._sequence[side] += 1 if flags & (SYN | FIN) else 0

    def _tick(self, side: int) -> None:
        """The side's clock, in milliseconds; one value for a burst."""
        self._value[side] = self._clock[side] + self.at_us // 1000

    def _packet(self, side: int, flags: int, sequence: int, acknowledgement: int, start: int, length: int) -> None:
        value, echo = self._value[side], self._value[1 - side]
        self._plan.rows.extend(
            (self.at_us, self._flow, side, flags, sequence, acknowledgement, value, echo, start, length)
        )
