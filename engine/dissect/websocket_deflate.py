"""permessage-deflate (RFC 7692): messages of one direction inflated one after the other, as far as a limit.

The window of the sender is never larger than the 32 KiB that are always kept here, so its size does not matter.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

_TAIL = b"\0\0\xff\xff"
"""What a sender leaves away at the end of each message (7.2.1)."""
_WINDOW_BYTES = 32 << 10
_STEP_BYTES = 64 << 10
SURPLUS = 16
"""A message is inflated to so many times what is kept of it, since others refer to it; a larger one ends that."""


class Extensions(NamedTuple):
    """What both sides agreed to, by ``Sec-WebSocket-Extensions`` of the response."""

    deflate: bool
    takeover: tuple[bool, bool]
    """Whether messages of the client, and of the server, refer to those before them."""
    others: bool
    """There is one that is not known here: the reserved bits may mean anything."""

    @classmethod
    def of(cls, value: str) -> Extensions:
        """The value of the field; only the first permessage-deflate counts."""
        deflate, others, takeover = False, False, (True, True)
        for extension in filter(None, (each.strip() for each in value.split(","))):
            name, *parameters = (each.partition("=")[0].strip().lower() for each in extension.split(";"))
            if name != "permessage-deflate" or deflate:
                others = True
                continue
            deflate = True
            takeover = (
                "client_no_context_takeover" not in parameters,
                "server_no_context_takeover" not in parameters,
            )
        return cls(deflate, takeover, others)


class Inflater:
    """State of one direction."""

    __slots__ = ("_inflator", "_kept", "_left_bytes", "_limit_bytes", "_restarted", "_takeover", "broken")

    def __init__(self, takeover: bool, limit_bytes: int) -> None:
        self._takeover = takeover
        self._limit_bytes = limit_bytes
        """Of a message that is kept."""
        self._inflator = zlib.decompressobj(-zlib.MAX_WBITS)
        self._kept = bytearray()
        self._left_bytes = 0
        """How much more may come of the message."""
        self._restarted = False
        self.broken = ""
        """Why nothing can be inflated, else empty."""

    @property
    def kept_bytes(self) -> int:
        """Of the message so far."""
        return len(self._kept)

    def begin(self) -> Inflater | None:
        """A message begins; None: it cannot be inflated."""
        if not self._takeover:
            self._inflator, self.broken = zlib.decompressobj(-zlib.MAX_WBITS), ""
        self._kept, self._left_bytes, self._restarted = bytearray(), self._limit_bytes * SURPLUS, False
        return None if self.broken else self

    def feed(self, data: bytes) -> None:
        """More of the message."""
        while data and not self.broken:
            self._take(data)
            data = self._inflator.unconsumed_tail
            if self._inflator.eof:
                data = self._restart()

    def end(self) -> tuple[bytes, int]:
        """The message: its first bytes, up to the limit, and how many there are; ``broken`` says if that is not all."""
        self.feed(_TAIL)
        while not self.broken and self._take(b""):
            pass
        return bytes(self._kept), self._limit_bytes * SURPLUS - self._left_bytes

    def lose(self) -> None:
        """Bytes of the message, or of one before it, are missing."""
        self.broken = self.broken or "bytes that it refers to are missing"

    def _take(self, data: bytes) -> bool:
        """Whether anything came."""
        try:
            plain = self._inflator.decompress(data, _STEP_BYTES)
        except zlib.error:
            self.broken = "it does not inflate"
            return False
        self._left_bytes -= len(plain)
        self._kept += plain[: max(self._limit_bytes - len(self._kept), 0)]
        if self._left_bytes <= 0:
            self.broken = f"it inflates to more than {self._limit_bytes * SURPLUS} bytes"
        return bool(plain)

    def _restart(self) -> bytes:
        """Behind a final block the same window goes on (7.2.3.4); what is left to inflate. Once a message."""
        left = self._inflator.unused_data
        if self._restarted:
            self.broken = "it does not inflate"
        self._restarted = True
        self._inflator = zlib.decompressobj(-zlib.MAX_WBITS, zdict=bytes(self._kept[-_WINDOW_BYTES:]))
        return left
