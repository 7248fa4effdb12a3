"""What is compared: for each quantity of a capture a multiset of facts, from us and from others."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from tests.fidelity.protocols.listing import PROTOCOLS

PACKETS_READ, STREAMS, PACKETS, BYTES, PAYLOAD, HTTP, DNS, BODIES, ANSWERS, REQUESTS, SESSIONS = _OF_ALL = (
    "packets read",
    "streams",
    "packets per stream",
    "payload bytes per stream",
    "reassembled payload",
    "HTTP exchanges",
    "DNS exchanges",
    "HTTP bodies",
    "DNS answers",
    "HTTP requests to Arkime and Zeek",
    "sessions to Arkime",
)
QUANTITIES = (*_OF_ALL, *(protocol.QUANTITY for protocol in PROTOCOLS))
Fact = tuple[object, ...]
Facts = dict[str, Counter[Fact]]


def no_facts() -> Facts:
    """A multiset for each quantity."""
    return {quantity: Counter() for quantity in QUANTITIES}


def ends_of(client: str, server: str, *, known: bool) -> Fact:
    """Without a handshake tshark takes the first sender for the client, so that the endpoints are a pair."""
    return (client, server) if known else tuple(sorted((client, server)))


def payload_of(protocol: str, sender: str, receiver: str, parts: Iterable[bytes], missing: int) -> Fact:
    """One direction of a stream: how much there is, how much a gap took, and what it is."""
    said = list(parts)
    return protocol, sender, receiver, sum(map(len, said)), missing, digest_of(said)


def seen_of(time_ns: int, captured: int, wire: int) -> bytes:
    """What the capture says about one packet: when, and how much of it."""
    return b"%d %d %d\n" % (time_ns, captured, wire)


def digest_of(parts: Iterable[bytes]) -> str:
    """Half of the SHA-256 of them all."""
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]
