"""TLS session secrets in the format of NSS (``SSLKEYLOGFILE``, RFC 9850): a ring of them, and whose they are.

::

    <label> <client random, 64 hex digits> <secret, 64 to 96 hex digits>

A secret never shows in a text but the one that ``KeyRing.lines_of`` is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

MASTER = "CLIENT_RANDOM"
"""Of TLS 1.2 and before: the master secret."""
CLIENT_HANDSHAKE, SERVER_HANDSHAKE = "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET"
CLIENT_TRAFFIC, SERVER_TRAFFIC = "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"
CLIENT_EARLY = "CLIENT_EARLY_TRAFFIC_SECRET"
LABELS = (MASTER, CLIENT_EARLY, CLIENT_HANDSHAKE, SERVER_HANDSHAKE, CLIENT_TRAFFIC, SERVER_TRAFFIC)
"""What decrypts records. Exporter secrets do not, and are left where they are."""
MAX_SESSIONS = 65_536
"""Sessions that are remembered, the newest; each takes 0.9 kB at most."""
MAX_HELD_BYTES = 16 << 20
"""Records of all streams that wait for a secret which is not in the log yet."""

_LINE = re.compile(
    rb"^(%s) ([0-9A-Fa-f]{64}) ([0-9A-Fa-f]{64}|[0-9A-Fa-f]{96})[ \t]*\r?$" % "|".join(LABELS).encode(), re.MULTILINE
)
_HELLO = re.compile(rb"\x16\x03[\x00-\x04]..\x01\x00..\x03[\x00-\x03](.{32})", re.DOTALL)
_NOTHING: Mapping[str, bytes] = MappingProxyType({})


class KeyRing:
    """Secrets by client random. Whoever reads the key log adds to it; dissectors ask it."""

    __slots__ = ("_held_bytes", "_sessions", "generation", "growing")

    def __init__(self, *, growing: bool = False) -> None:
        self.generation = 0
        """Grows with every secret: who found none may ask again."""
        self.growing = growing
        """The log is written while packets come, so that a secret may be late."""
        self._sessions: dict[bytes, dict[str, bytes]] = {}
        self._held_bytes = 0

    def __repr__(self) -> str:
        return f"KeyRing({len(self._sessions)} sessions)"

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, text: bytes) -> int:
        """Take the lines of ``text`` that are secrets, and pass over all others; returns how many were new."""
        new = 0
        for label, random, secret in _LINE.findall(text):
            session = self._sessions.setdefault(bytes.fromhex(random.decode()), {})
            value = bytes.fromhex(secret.decode())
            if session.get(label.decode()) != value:
                session[label.decode()] = value
                new += 1
        while len(self._sessions) > MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self.generation += new
        return new

    def secrets_of(self, random: bytes) -> Mapping[str, bytes]:
        """Label to secret of the session with this client random; empty where it is not known."""
        return self._sessions.get(random, _NOTHING)

    def lines_of(self, randoms: Iterable[bytes]) -> bytes:
        """Exactly the key log of the sessions with these client randoms, in their order; others are not in the ring."""
        return b"".join(
            b"%s %s %s\n" % (label.encode(), random.hex().encode(), secret.hex().encode())
            for random in dict.fromkeys(randoms)
            for label, secret in self.secrets_of(random).items()
        )

    def hold(self, size_bytes: int) -> bool:
        """Whether so many bytes of records may wait for their secret; then they are given back with ``let_go``."""
        if self._held_bytes + size_bytes > MAX_HELD_BYTES:
            return False
        self._held_bytes += size_bytes
        return True

    def let_go(self, size_bytes: int) -> None:
        """They wait no more."""
        self._held_bytes -= size_bytes


def client_randoms(data: bytes | bytearray | memoryview) -> list[bytes]:
    """Client randoms of every ClientHello whose record begins anywhere in ``data``, such as the packets of a capture.

    With ``KeyRing.lines_of``: the secrets of exactly the sessions in a capture. A hello that a TCP segment cuts before
    its 43rd byte is missed, and chance finds what no key log knows; an item of TLS has the same in ``request.random``.
    """
    return list(dict.fromkeys(_HELLO.findall(data)))
