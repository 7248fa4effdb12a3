"""What is remembered of one direction of a TLS stream."""

from __future__ import annotations

from engine.dissect.tls_opener import Opener
from engine.dissect.tls_records import Record, Records


class Half:
    """One direction."""

    __slots__ = (
        "begun",
        "direction",
        "encrypted",
        "finished",
        "last_ns",
        "opener",
        "pending",
        "records",
        "sealed",
        "size_bytes",
        "start_ns",
        "unread_bytes",
    )

    def __init__(self, direction: int) -> None:
        self.direction = direction
        self.records = Records()
        self.begun = False
        """A record with a handshake was seen."""
        self.pending = bytearray()
        """Of a handshake message that is not whole yet."""
        self.start_ns = 0
        """When the message that arrives began."""
        self.last_ns = 0
        """When the last byte of the last handshake record was captured."""
        self.size_bytes = 0
        """Of the records since the last message that was told."""
        self.sealed = False
        """All that comes is encrypted."""
        self.encrypted = False
        """Something encrypted came."""
        self.finished = False
        """TLS 1.3: the handshake of this direction is over."""
        self.unread_bytes = 0
        """Of encrypted records that were passed over."""
        self.opener: Opener | None = None

    def note(self, record: Record) -> None:
        """A record with a part of a handshake."""
        if not self.pending:
            self.start_ns = record.start_ns
        self.begun = True
        self.last_ns = record.end_ns
        self.size_bytes += record.size_bytes

    def note_rest(self, record: Record) -> None:
        """Another message begins in a record that was counted."""
        self.start_ns = record.start_ns

    def forget(self) -> None:
        """What is pending will not be whole."""
        self.pending.clear()
        self.size_bytes = 0

    def advance(self) -> None:
        """TLS 1.3, behind Finished: the next key."""
        self.finished = True
        self.size_bytes = 0
        if self.opener is not None:
            self.opener.advance()
