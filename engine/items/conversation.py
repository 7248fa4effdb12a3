"""What dissection remembers of one stream: its dissector, and requests that wait for their response."""

from __future__ import annotations

from collections.abc import Iterator

from engine.dissect.message import Dissector, Message
from engine.dissect.table import ProtocolRow
from engine.streams.chunk import Chunk


class Conversation:
    """State of one stream. Pairs by key where messages have one, else in the order of arrival.

    There may be a hundred thousand of them, most with nothing to remember: 0.1 kB then.
    """

    __slots__ = (
        "by_key",
        "dissector",
        "held",
        "held_bytes",
        "in_order",
        "index",
        "pipelined",
        "row",
        "skipped",
        "tries",
    )

    def __init__(self) -> None:
        self.row: ProtocolRow | None = None
        """The protocol; None while it is not known."""
        self.dissector: Dissector | None = None
        self.index = 0
        """Items so far."""
        self.held: list[Chunk] | None = None
        """Chunks that were too short to tell the protocol."""
        self.held_bytes = 0
        self.tries = 0
        """Chunks that told nothing."""
        self.skipped = 0
        """Responses still to come whose requests have become items without them."""
        self.pipelined = False
        """A request was seen that did not wait for the response before it."""
        self.in_order: list[Message] | None = None
        """Requests that wait; ``maxPending`` bounds them, and None is as good as none."""
        self.by_key: dict[int, Message] | None = None
        """The same by their key."""

    def restart(self) -> None:
        """Know nothing of the stream but how many items it gave; nothing may wait."""
        self.row = self.dissector = None
        self.held, self.held_bytes, self.tries, self.skipped, self.pipelined = [], 0, 0, 0, False

    def ask(self, request: Message) -> Message | None:
        """Let ``request`` wait; returns one with the same key that waits no more."""
        if request.key is None:
            if self.in_order:
                self.pipelined = True
                self.in_order.append(request)
            else:
                self.in_order = [request]
            return None
        if not self.by_key:
            self.by_key = {request.key: request}
            return None
        earlier = self.by_key.pop(request.key, None)
        self.by_key[request.key] = request
        return earlier

    def answer(self, response: Message) -> Message | None:
        """The request that ``response`` answers, if it is known."""
        if response.key is not None:
            request = self.by_key.pop(response.key, None) if self.by_key else None
            self.by_key = self.by_key or None  # an empty one takes 0.2 kB
            return request
        if self.skipped:
            self.skipped -= 1
            return None
        return self.in_order.pop(0) if self.in_order else None

    def unanswerable(self, response: Message) -> list[Message]:
        """Requests whose responses may lie in the gap before ``response``.

        All that were sent before it; but a client that never pipelined has one request out at a time, and the last
        one is then what ``response`` answers.
        """
        self.skipped = 0
        waiting: list[Message] = self.in_order or []
        older: list[Message] = []
        while waiting and waiting[0].start_ns <= response.start_ns:
            older.append(waiting.pop(0))
        if older and not self.pipelined:
            waiting.insert(0, older.pop())
        return older

    def give_up_before(self, start_ns: int) -> Iterator[Message]:
        """Requests older than ``start_ns``; their responses, if they come, will have no request."""
        while self.in_order and self.in_order[0].start_ns < start_ns:
            self.skipped += 1
            yield self.in_order.pop(0)
        by_key = self.by_key or {}
        for key in [key for key, request in by_key.items() if request.start_ns < start_ns]:
            yield by_key.pop(key)

    def give_up_oldest(self) -> Message:
        """The request that waits longest; there is one."""
        if self.in_order:
            self.skipped += 1
            return self.in_order.pop(0)
        assert self.by_key
        return self.by_key.pop(next(iter(self.by_key)))

    def give_up(self) -> list[Message]:
        """All that wait, the oldest first."""
        everyone = [*(self.in_order or ()), *(self.by_key or {}).values()]
        self.in_order = self.by_key = None
        return everyone

    @property
    def pending(self) -> int:
        """Requests that wait."""
        return len(self.in_order or ()) + len(self.by_key or ())
