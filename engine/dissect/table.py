"""What a dissector is, one row per protocol, and how a stream finds its row: by its first bytes, then by its ports."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence, Set
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from engine.dissect.message import Message, Payload, Problem
from engine.dissect.options import DissectOptions
from engine.dissect.tls_keylog import KeyRing
from engine.streams.chunk import Chunk


class Verdict(IntEnum):
    """What the first bytes of a stream say about one protocol."""

    NO = 0
    SHORT = 1
    """Nothing against it so far; more bytes decide."""
    PLAUSIBLE = 2
    """Could be chance: true if the ports say so too."""
    SURE = 3


class Dissector(Protocol):
    """State of one stream in one protocol. No clock, no I/O; memory is bounded by ``DissectOptions``."""

    lost: str
    """Why nothing more will come from this stream (not this protocol, too large, switched to another), else empty."""

    @property
    def successor(self) -> Successor | None:
        """Who goes on where ``lost`` is set; None: nobody."""

    @property
    def answering(self) -> bool | Set[Hashable]:
        """A response is arriving, so the oldest request is not without an answer; or the keys of those that arrive."""

    def feed(self, chunk: Chunk) -> list[Message]:
        """Messages that ``chunk`` completes, in that order; where the bytes were cut into chunks makes no difference.

        ``chunk.missing_bytes`` tells of a gap before it.
        """

    def close(self, reason: str) -> list[Message]:
        """What is left when the stream ends; ``reason`` is its state (``closed``, ``reset``, ``idle``, ``open`` …)."""


class Hoarder(Dissector, Protocol):
    """A dissector that may hold so much that the worker asks; of others what they hold is little, or bounded in all."""

    @property
    def held_bytes(self) -> int:
        """What is arriving and kept, in bytes."""


class Carrier(Dissector, Protocol):
    """A dissector whose protocol carries another one (``ProtocolRow.carries``)."""

    def inner(self) -> list[Chunk]:
        """What it carried since it was asked last: bytes of the same stream, with directions and times of their own."""

    def mute(self) -> None:
        """Nobody wants what it carries any more."""


def leads_nowhere(data: bytes, wanted: frozenset[str]) -> bool:  # noqa: ARG001 - one signature for all rows
    """Of protocols that stay what they are."""
    return False


End = tuple[bytes, int]
"""16 bytes of address, and a port."""
FindStream = Callable[[int, End, End], tuple[int, str]]
"""``(IP protocol, source, target)`` -> number and name of the newest stream between them; ``(0, "")``: none known."""


class Refused(NamedTuple):
    """Why requests of another stream get no response."""

    stream_id: int
    until_ns: int
    """Requests that began later are not meant."""
    problem: Problem


@dataclass(frozen=True, slots=True)
class ProtocolRow:
    """How one protocol is recognised, dissected and shown."""

    name: str
    """As in ``protocol.name``; several rows may share it (DNS over UDP and over TCP)."""
    transport: int
    """IP protocol number: 6 TCP, 17 UDP."""
    detect: Callable[[bytes], Verdict]
    """Judges the first bytes that one direction sent. Total."""
    ports: frozenset[int]
    """Where it is expected; decides when bytes alone are not enough."""
    open: Callable[[DissectOptions], Dissector]
    """A dissector for a new stream."""
    describe: Callable[[Payload | None, Payload | None], dict[str, Any]]
    """``protocol`` of an item from its request and response; one of a few constant dicts, never changed."""
    remembers: bool = True
    """Its dissectors have a state. One that has none may serve all streams, and has nothing to say at their end."""
    carries: bool = False
    """Its dissectors are carriers: another protocol is in their payload, and found out from it."""
    with_keys: Callable[[KeyRing], Callable[[DissectOptions], Dissector]] | None = None
    """Another ``open``, for dissectors that decrypt; None: there is nothing to decrypt."""
    leads: Callable[[bytes, frozenset[str]], bool] = leads_nowhere
    """Whether a stream that begins with these bytes may go on as one of these protocols. Total."""
    link: Callable[[Message, FindStream], Refused | None] | None = None
    """Told of each message before it becomes an item; whether it says that requests of some stream get no response."""
    join: Callable[[Message, Message], None] | None = None
    """Told which request and response belong together, before anything of them is built."""
    dissector: str = ""
    """Its name in ``tap.enabledDissectors``; empty: ``name``. Several rows may share it."""

    def __post_init__(self) -> None:
        if not self.dissector:
            object.__setattr__(self, "dissector", self.name)


class Successor(NamedTuple):
    """As what a stream goes on where a dissector ends: behind an Upgrade, a CONNECT, a STARTTLS."""

    row: ProtocolRow | None
    """Its protocol, dissected only where that is enabled; None: to be found out from its bytes."""
    open: Callable[[DissectOptions], Dissector] | None
    """A dissector that knows what was agreed; None: the one that ``row`` opens."""
    chunks: list[Chunk]
    """What lies behind the switch and was fed already, in its order (``Chunk.behind``)."""


def recognise(
    rows: Sequence[ProtocolRow],
    data: bytes,
    ports: tuple[int, int],
    by_port: Callable[[ProtocolRow], None] = lambda _: None,
) -> ProtocolRow | Verdict:
    """The row that ``data`` belongs to, or ``SHORT`` (ask again with more) or ``NO``.

    ``by_port`` is told of a row that the bytes alone did not decide on.
    """
    plausible: ProtocolRow | None = None
    otherwise = Verdict.NO
    for row in rows:
        verdict = row.detect(data)
        if verdict is Verdict.SURE:
            return row
        if verdict is Verdict.PLAUSIBLE and plausible is None and not row.ports.isdisjoint(ports):
            plausible = row
        elif verdict is Verdict.SHORT:
            otherwise = Verdict.SHORT
    if plausible is not None:
        by_port(plausible)
    return plausible or otherwise


def constant(
    name: str, version: str, abbr: str, long_name: str, *, macro: str, colour: str, reference: str, **rest: Any
) -> dict[str, Any]:
    """``protocol`` of an item. ``rest``: ``ports`` (of text), ``layer4``, ``priority``."""
    return {
        "name": name,
        "version": version,
        "abbr": abbr,
        "longName": long_name,
        "macro": macro,
        "backgroundColor": colour,
        "foregroundColor": "#ffffff",
        "fontSize": 12,
        "referenceLink": reference,
        "ports": rest["ports"],
        "layer4": rest["layer4"],
        "layer3": "ip",
        "priority": rest["priority"],
    }
