"""One row per protocol, and how a stream finds its row: by its first bytes, then by its ports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from engine.dissect.message import Dissector, Payload
from engine.dissect.options import DissectOptions


class Verdict(IntEnum):
    """What the first bytes of a stream say about one protocol."""

    NO = 0
    SHORT = 1
    """Nothing against it so far; more bytes decide."""
    PLAUSIBLE = 2
    """Could be chance: true if the ports say so too."""
    SURE = 3


def leads_nowhere(data: bytes, wanted: frozenset[str]) -> bool:  # noqa: ARG001 - one signature for all rows
    """Of protocols that stay what they are."""
    return False


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
    leads: Callable[[bytes, frozenset[str]], bool] = leads_nowhere
    """Whether a stream that begins with these bytes may go on as one of these protocols. Total."""


def recognise(rows: Sequence[ProtocolRow], data: bytes, ports: tuple[int, int]) -> ProtocolRow | Verdict:
    """The row that ``data`` belongs to, or ``SHORT`` (ask again with more) or ``NO``."""
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
