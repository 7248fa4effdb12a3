"""The encrypted records of one direction, opened one after the other, and its place found again behind a gap.

Each record has a number that is not written in it. Where records are missing, the next ones are tried under the numbers
that it may have: the right one is proven by the tag.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.dissect.tls_keys import Key, Key13
from engine.dissect.tls_records import HEADER_BYTES, Record

MAX_DOUBT = 256
"""Records that may be missing at one place."""
MAX_TRIALS = 2048
"""Numbers tried for nothing in one direction; each costs some microseconds."""


class Opener:
    """One direction. Its keys: the present one, and the one that follows behind the handshake, if that is known."""

    __slots__ = ("_doubt", "_lost_bytes", "_trials", "keys", "missing_bytes")

    def __init__(self, keys: list[Key]) -> None:
        self.keys = keys
        """The present one, then those that follow."""
        self._doubt = 0
        """How many records may be missing before the next one."""
        self._lost_bytes = 0
        """Of records that were not opened since the last one that was."""
        self._trials = 0
        self.missing_bytes = 0
        """Bytes of content that lie between the last two records that were opened, as far as lengths tell."""

    @property
    def lost(self) -> bool:
        """Too many records could not be opened."""
        return self._trials > MAX_TRIALS

    @property
    def spent(self) -> bool:
        """The next key is not known."""
        return not self.keys

    def advance(self) -> None:
        """The handshake of this direction is over: the next key is in force."""
        del self.keys[:1]

    def update(self) -> None:
        """A KeyUpdate: the secret is replaced by its successor."""
        key = self.keys[0]
        if isinstance(key, Key13):
            self.keys[0] = key.updated()

    def open(self, record: Record) -> tuple[int, bytes] | None:
        """``(type, content)``, or None where it cannot be opened."""
        self.missing_bytes = 0
        key, skipped = self.keys[0], record.skipped_bytes
        if skipped:
            self._lost_bytes += skipped
            self._doubt = min(self._doubt + skipped // (HEADER_BYTES + key.overhead()) + 1, MAX_DOUBT)
        if record.damaged:
            self._pass_over(record)
            return None
        data = record.chunk.data
        header, fragment = data[record.start : record.start + HEADER_BYTES], record.fragment
        for each, sequence in self._places():
            opened = each.open(header, fragment, sequence)
            if opened is not None:
                self._found(each, sequence)
                return opened
            self._trials += 1
        self._pass_over(record)
        return None

    def _pass_over(self, record: Record) -> None:
        self._doubt = min(self._doubt + 1, MAX_DOUBT)
        self._lost_bytes += record.size_bytes

    def _places(self) -> Iterator[tuple[Key, int]]:
        """Keys and numbers that the next record may have, the likeliest first."""
        key = self.keys[0]
        for ahead in range(self._doubt + 1):
            yield key, key.sequence + ahead
        for later in self.keys[1:]:
            for sequence in range(self._doubt + 1):
                yield later, sequence

    def _found(self, key: Key, sequence: int) -> None:
        """The record was number ``sequence`` under ``key``."""
        if self._lost_bytes:
            same = key is self.keys[0]
            framing = (sequence - key.sequence) * (HEADER_BYTES + key.overhead())
            self.missing_bytes = max(self._lost_bytes - framing, 0) if same or sequence else 0
        while self.keys[0] is not key:
            del self.keys[0]
        key.sequence = sequence + 1
        self._doubt = self._lost_bytes = 0
