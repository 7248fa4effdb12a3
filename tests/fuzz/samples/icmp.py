"""ICMP: echoes, and errors that quote a packet."""

from __future__ import annotations

from engine.streams.stream import CLIENT, ICMP, SERVER
from tests.support.packets import ipv4
from tests.support.streams import Said

PORT, TRANSPORT = 8, ICMP
QUOTED = ipv4("10.0.0.1", "10.0.0.2", 17, b"\x9c\x40\0\x35\0\x09\0\0")


def conversations() -> list[list[Said]]:
    """A ping, and each error."""
    talks: list[list[Said]] = [[(CLIENT, b"\x08\0\0\0\0\7\0\1ping"), (SERVER, bytes(5) + b"\7\0\1ping")]]
    return talks + [[(CLIENT, bytes([kind, 0]) + bytes(6) + QUOTED)] for kind in (3, 4, 5, 11, 12)]
