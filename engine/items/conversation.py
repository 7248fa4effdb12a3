"""What dissection remembers of one stream: its dissector, and requests that wait for their response."""

from __future__ import annotations

from collections.abc import Iterator

from engine.dissect.message import Dissector, Message
from engine.dissect.table import ProtocolRow
from engine.streams.chunk import Chunk


class Conversation:
    """State of one stream. Pairs by key where messages have one, else in the order of arrival."""

    __slots__ = (
        "dissector",
        "held",
        "held_bytes",
        "index",
        "pipelined",
        "row",
        "skipped",
        "tries",
        "waiting",
        "waiting_by_key",
    )

    def __init__(self) -> None:
        self.row: ProtocolRow | None = None
        """The protocol; None while it is not known."""
        self.dissector: Dissector | None = None
        self.index = 0
        """Items so far."""
        self.held: list[Chunk] = []
        """Chunks that were too short to tell the protocol."""
        self.held_bytes = 0
        self.tries = 0
        """Chunks that told nothing."""
        self.waiting: list[Message] = []
        """``maxPending`` bounds it; a deque would take 0.7 kB per stream, and most never have two of them."""
        self.waiting_by_key: dict[int, Message] = {}
        self.skipped = 0
        """Responses still to come whose requests have become items without them."""
        self.pipelined = False
        """A request was seen that did not wait for the response before it."""

    def ask(self, request: Message) -> Message | None:
        """Let ``request`` wait; returns one with the same key that waits no more."""
        if request.key is None:
            self.pipelined = self.pipelined or bool(self.waiting)
            self.waiting.append(request)
            return None
        earlier = self.waiting_by_key.pop(request.key, None)
        self.waiting_by_key[request.key] = request
        return earlier

    def answer(self, response: Message) -> Message | None:
        """The request that ``response`` answers, if it is known."""
        if response.key is not None:
            return self.waiting_by_key.pop(response.key, None)
        if self.skipped:
            self.skipped -= 1
            return None
        return self.waiting.pop(0) if self.waiting else None

    def unanswerable(self, response: Message) -> list[Message]:
        """Requests whose responses may lie in the gap before ``response``.

        All that were sent before it; but a client that never pipelined has one request out at a time, and the last
        one is then what ``response`` answers.
        """
        self.skipped = 0
        older: list[Message] = []
        while self.waiting and self.waiting[0].start_ns <= response.start_ns:
            older.append(self.waiting.pop(0))
        if older and not self.pipelined:
            self.waiting.insert(0, older.pop())
        return older

    def give_up_before(self, start_ns: int) -> Iterator[Message]:
        """Requests older than ``start_ns``; their responses, if they come, will have no request."""
        while self.waiting and self.waiting[0].start_ns < start_ns:
            self.skipped += 1
            yield self.waiting.pop(0)
        for key in [key for key, request in self.waiting_by_key.items() if request.start_ns < start_ns]:
            yield self.waiting_by_key.pop(key)

    def give_up_oldest(self) -> Message:
        """The request that waits longest."""
        if self.waiting:
            self.skipped += 1
            return self.waiting.pop(0)
        return self.waiting_by_key.pop(next(iter(self.waiting_by_key)))

    def give_up(self) -> list[Message]:
        """All that wait, the oldest first."""
        everyone = [*self.waiting, *self.waiting_by_key.values()]
        self.waiting.clear()
        self.waiting_by_key.clear()
        return everyone

    @property
    def pending(self) -> int:
        """Requests that wait."""
        return len(self.waiting) + len(self.waiting_by_key)
