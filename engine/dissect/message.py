"""What a dissector takes and what it gives: in-order bytes in, finished messages out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from engine.streams.chunk import Chunk


class Problem(NamedTuple):
    """Why a message or an exchange is less than whole; becomes ``error`` of its item."""

    type: str
    """``dissection``, ``connection``, ``timeout`` or ``pair-not-found``."""
    msg: str


class Payload(Protocol):
    """The content of a message, taken apart only when somebody looks at it."""

    def section(self) -> dict[str, Any]:
        """``request`` or ``response`` of the item: JSON-safe, a new dict. Total: hostile bytes end in ``problem``."""

    def problem(self) -> Problem | None:
        """What is missing or wrong in it; may be asked before ``section``."""


@dataclass(slots=True)
class Message:
    """One request or response."""

    is_request: bool
    direction: int
    """``CLIENT`` or ``SERVER``: who sent it."""
    key: int | None
    """What pairs it with its other half; None: in the order of arrival."""
    start_ns: int
    """When the packet with its first byte was captured."""
    end_ns: int
    """The same for its last byte."""
    size_bytes: int
    """Bytes on the wire, framing included, gaps included."""
    payload: Payload
    after_gap: bool = False
    """Messages of this direction may be missing just before it, so older halves cannot be paired by order."""


class Dissector(Protocol):
    """State of one stream in one protocol. No clock, no I/O; memory is bounded by ``DissectOptions``."""

    lost: str
    """Why nothing more will come from this stream (not this protocol, too large, switched to another), else empty."""

    @property
    def answering(self) -> bool:
        """A response is arriving, so the oldest request is not without an answer."""

    def feed(self, chunk: Chunk) -> list[Message]:
        """Messages that ``chunk`` completes, in that order; where the bytes were cut into chunks makes no difference.

        ``chunk.missing_bytes`` tells of a gap before it.
        """

    def close(self, reason: str) -> list[Message]:
        """What is left when the stream ends; ``reason`` is its state (``closed``, ``reset``, ``idle``, ``open`` …)."""
