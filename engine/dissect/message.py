"""What dissectors give: finished messages, with a content that is taken apart when somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


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
    """It has no other half by its nature (a push, a one-way method): an item at once, and none with an error; but a
    response that a request waits for answers that."""
    fits: Callable[[Hashable], bool] | None = None
    """Of a response that no request has the key of: which of the waiting ones it answers all the same."""
    instead: Problem | None = None
    """There is no such message: the half that waits for it stays alone, and this is why (``no_answer``)."""
    more_bytes: int = 0
    """Memory that the payload takes beyond ``size_bytes``: what was small on the wire, and is large taken apart."""
    crowded: bool = False
    """What it belongs to was given up, because of a limit of what may be open at once."""


class _Nothing:
    """The content of no message."""

    def section(self) -> dict[str, Any]:
        return {}

    def problem(self) -> Problem | None:
        return None


def no_answer(direction: int, key: Hashable, problem: Problem) -> Message:
    """No response will come to the request with this key: its peer said so, and still speaks of others.

    Nothing comes of it where no such request waits.
    """
    return Message(False, direction, key, 0, 0, 0, _Nothing(), instead=problem)
