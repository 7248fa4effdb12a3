"""What a dissector takes and what it gives: in-order bytes in, finished messages out."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.dissect.options import DissectOptions
from engine.streams.chunk import Chunk

if TYPE_CHECKING:
    from engine.dissect.table import ProtocolRow


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
    key: Hashable | None
    """What pairs it with its other half, a number or a small tuple; None: in the order of arrival."""
    start_ns: int
    """When the packet with its first byte was captured."""
    end_ns: int
    """The same for its last byte."""
    size_bytes: int
    """Bytes on the wire, framing included, gaps included."""
    payload: Payload
    after_gap: bool = False
    """Messages of this direction may be missing just before it, so older halves cannot be paired by order."""
    alone: bool = False
    """It has no other half by its nature (a push, a one-way method): an item at once, and none with an error."""


class Successor(NamedTuple):
    """As what a stream goes on where a dissector ends: behind an Upgrade, a CONNECT, a STARTTLS."""

    row: ProtocolRow | None
    """Its protocol, dissected only where that is enabled; None: to be found out from its bytes."""
    open: Callable[[DissectOptions], Dissector] | None
    """A dissector that knows what was agreed; None: the one that ``row`` opens."""
    chunks: list[Chunk]
    """What lies behind the switch and was fed already, in its order (``Chunk.behind``)."""


class Dissector(Protocol):
    """State of one stream in one protocol. No clock, no I/O; memory is bounded by ``DissectOptions``."""

    lost: str
    """Why nothing more will come from this stream (not this protocol, too large, switched to another), else empty."""

    @property
    def successor(self) -> Successor | None:
        """Who goes on where ``lost`` is set; None: nobody."""

    @property
    def answering(self) -> bool:
        """A response is arriving, so the oldest request is not without an answer."""

    def feed(self, chunk: Chunk) -> list[Message]:
        """Messages that ``chunk`` completes, in that order; where the bytes were cut into chunks makes no difference.

        ``chunk.missing_bytes`` tells of a gap before it.
        """

    def close(self, reason: str) -> list[Message]:
        """What is left when the stream ends; ``reason`` is its state (``closed``, ``reset``, ``idle``, ``open`` …)."""


class Carrier(Dissector, Protocol):
    """A dissector whose protocol carries another one (``ProtocolRow.carries``)."""

    def inner(self) -> list[Chunk]:
        """What it carried since it was asked last: bytes of the same stream, with directions and times of their own."""

    def mute(self) -> None:
        """Nobody wants what it carries any more."""
