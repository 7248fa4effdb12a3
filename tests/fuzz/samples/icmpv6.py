"""ICMPv6: echoes, errors, neighbours."""

from __future__ import annotations

from engine.streams.stream import CLIENT, ICMPV6, SERVER
from tests.support.packets import extension, ipv6
from tests.support.streams import Said

ROW, PORT, TRANSPORT = "icmp", 128, ICMPV6
QUOTED = ipv6("fd00::1", "fd00::2", 0, extension(17) + b"\x9c\x40\0\x35\0\x09\0\0")
PREFIX = b"\3\4\x40\xc0" + bytes(12) + b"\xfd" + bytes(15)


def conversations() -> list[list[Said]]:
    """A ping, each error, and what neighbours and routers say."""
    talks: list[list[Said]] = [[(CLIENT, b"\x80\0\0\0\0\7\0\1ping"), (SERVER, b"\x81\0\0\0\0\7\0\1ping")]]
    talks += [[(CLIENT, bytes([kind, 0]) + bytes(6) + QUOTED)] for kind in (1, 2, 3, 4)]
    link = b"\1\1\2\0\0\0\0\1"
    talks += [[(CLIENT, bytes([kind, 0]) + bytes(22) + link)] for kind in (135, 136)]
    return [*talks, [(CLIENT, b"\x86\0\0\0\x40\0\7\x08" + bytes(8) + link + PREFIX)]]
