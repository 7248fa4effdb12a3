"""What dissection remembers of one stream: its dissector, and requests that wait for their response."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from itertools import chain, islice

from engine.dissect.message import Message
from engine.dissect.table import Dissector, ProtocolRow
from engine.streams.chunk import Chunk
from engine.streams.stream import Stream

MAX_HELD_BYTES = 16 << 10
"""Bytes that may be held before they must tell the protocol."""
HELD_CHUNK_BYTES = 64
"""How much a held chunk counts besides its bytes, so that they are few even where each has one byte."""
MAX_EARLY = 8
MAX_FITTED = 128
"""Requests that a response with none of their keys is held against: 0.1 us each, for each packet of a flood."""
MAX_TURN_BYTES = 16 << 20
"""Of what one direction says before the other one does: the rest of a download is one turn."""


class Conversation:
    """State of one stream. Pairs by key where messages have one, else in the order of arrival.

    There may be a hundred thousand of them, most with nothing to remember: 0.1 kB then.
    """

    __slots__ = (
        "by_key",
        "dissector",
        "early",
        "gapped",
        "held",
        "held_bytes",
        "hopeful",
        "in_order",
        "inner",
        "layer",
        "outer",
        "over",
        "piled_bytes",
        "pipelined",
        "row",
        "skipped",
        "switches",
        "told_ns",
        "tries",
        "turn",
        "untold_bytes",
    )

    def __init__(self, outer: Conversation | None = None) -> None:
        self.outer = outer
        """What carries it; None: it is all of its stream."""
        self.inner: Conversation | None = None
        """What it carries, once that has begun."""
        self.layer: int = 1 if outer is None else outer.layer + 1
        """How many protocols it is in, with itself."""
        self.over = False
        """Nothing more of it is dissected."""
        self.row: ProtocolRow | None = None
        """The protocol; None while it is not known."""
        self.dissector: Dissector | None = None
        self.held: list[Chunk] | None = None
        """Chunks that were too short to tell the protocol."""
        self.held_bytes = 0
        self.tries = 0
        """Turns that told nothing."""
        self.turn = -1
        """The direction of the last one."""
        self.untold_bytes = 0
        """In that turn; many of them count as another."""
        self.skipped = 0
        """Responses still to come whose requests have become items without them."""
        self.pipelined = False
        """A request was seen that did not wait for the response before it."""
        self.gapped = False
        """Messages may be missing, so that their order alone does not pair: nobody answers what he has not heard yet.
        Where nothing is missing the clock is not asked, which may go backwards."""
        self.hopeful = False
        """A request may come for a response that has none: one was seen, or the stream is known from its beginning, and
        not too many are missing since."""
        self.early: list[Message] | None = None
        """Responses before their request: the capture swapped them, or a gap before the request holds it back."""
        self.told_ns = -1
        """When the latest response began that was told without a request."""
        self.in_order: list[Message] | None = None
        """Requests that wait; ``maxPending`` bounds them, and None is as good as none."""
        self.by_key: dict[Hashable, Message] | None = None
        """The same by their key."""
        self.piled_bytes = 0
        """What the requests that wait take, or more: those that left since it was counted are in it."""
        self.switches = 0
        """How often it went on as another protocol."""

    @property
    def settled(self) -> bool:
        """Nothing waits, and nothing that was seen bears on what comes."""
        waits = self.in_order or self.by_key or self.early
        return not (waits or self.skipped or self.gapped or self.hopeful) and self.told_ns < 0

    def hold(self, chunk: Chunk) -> bool:
        """Keep ``chunk``, which is too short to tell the protocol; or nothing, and False, where that is too much."""
        held_bytes = self.held_bytes + len(chunk.data) + HELD_CHUNK_BYTES
        if held_bytes > MAX_HELD_BYTES:
            return False
        self.held_bytes = held_bytes
        if self.held:
            self.held.append(chunk)
        else:
            self.held = [chunk]
        return True

    def tell_nothing(self, chunk: Chunk) -> int:
        """Turns that told nothing, with that of ``chunk``, which does not tell either.

        Where the stream is known from its beginning each chunk is one: what comes later will not tell more.
        """
        self.untold_bytes += len(chunk.data)
        known = chunk.stream.shaken or self.outer is not None
        if known or chunk.direction != self.turn or self.untold_bytes > MAX_TURN_BYTES:
            self.turn, self.untold_bytes = chunk.direction, 0
            self.tries += 1
        return self.tries

    def restart(self) -> None:
        """Know nothing of the stream; nothing may wait."""
        self.row = self.dissector = self.inner = None
        self.held, self.held_bytes, self.tries, self.skipped = [], 0, 0, 0
        self.pipelined = self.gapped = self.hopeful = False
        self.told_ns = self.turn = -1
        self.untold_bytes = 0

    def meet(self, request: Message, following: Message | None) -> tuple[list[Message], Message | None]:
        """``(early responses that have no request, the early one that answers request)``; some are early.

        ``following`` is the message that came with ``request``, behind it.
        """
        early, lonely = self.early or [], []
        while (self.gapped or request.after_gap) and early and early[0].start_ns < request.start_ns:
            lonely.append(early.pop(0))
        if not early:
            return lonely, None
        in_turn = len(early) == 1 if following is None else following.start_ns > early[0].start_ns
        if request.after_gap and not in_turn:  # pipelined: who knows how many requests are missing
            self.gapped, self.hopeful = True, False
            return lonely + self.let_go(), None
        self.gapped, self.hopeful = False, True
        return lonely, early.pop(0)

    def ask(self, request: Message) -> Message | None:
        """Let ``request`` wait; returns one that waits no more.

        That is an earlier one with the same key, or ``request`` itself where its response was told without it.
        """
        if request.key is None:
            self.gapped |= request.after_gap
            if self.gapped and request.start_ns <= self.told_ns:
                return request
            self.hopeful = True
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
            if request is None and response.fits is not None:
                request = self._fitting(response.fits)
            self.by_key = self.by_key or None  # an empty one takes 0.2 kB
            return request
        if self.skipped:
            self.skipped -= 1
            return None
        if not self.in_order or (self.gapped and self.in_order[0].start_ns > response.start_ns):
            return None
        request = self.in_order.pop(0)
        if not self.in_order:  # nothing is owed: order alone tells again
            self.gapped = self.pipelined = False
        return request

    def waits_for(self, message: Message) -> bool:
        """Whether ``message``, which has no other half by its nature, is a response with the key of a request."""
        if not self.by_key or message.is_request:
            return False
        if message.key in self.by_key:
            return True
        return message.fits is not None and any(map(message.fits, islice(self.by_key, MAX_FITTED)))

    def _fitting(self, fits: Callable[[Hashable], bool]) -> Message | None:
        """The oldest request that ``fits`` says so of, which waits no more."""
        key = next(filter(fits, islice(self.by_key or (), MAX_FITTED)), None)
        return None if key is None else (self.by_key or {}).pop(key)

    def keep(self, response: Message) -> list[Message]:
        """Let ``response`` wait for its request, if that may still come; returns those that wait no more."""
        if response.key is not None:
            return [response]
        if response.after_gap or not self.hopeful:
            self.told_ns = response.start_ns
            return [response]
        self.early = [*(self.early or ()), response]
        self.hopeful = len(self.early) <= MAX_EARLY
        return [] if self.hopeful else self.let_go()

    def unanswerable(self, response: Message) -> list[Message]:
        """Requests whose responses may lie in the gap before ``response``.

        All that were sent before it; but a client that never pipelined has one request out at a time, and the last
        one is then what ``response`` answers.
        """
        self.skipped, self.gapped = 0, True
        waiting: list[Message] = self.in_order or []
        older: list[Message] = []
        while waiting and waiting[0].start_ns <= response.start_ns:
            older.append(waiting.pop(0))
        if older and not self.pipelined:
            waiting.insert(0, older.pop())
        return older

    def give_up_before(self, start_ns: int, answered: Container[Hashable] = ()) -> Iterator[Message]:
        """Requests older than ``start_ns``; their responses, if they come, will have no request.

        Those with a key in ``answered`` have a response that arrives.
        """
        while self.in_order and self.in_order[0].start_ns < start_ns:
            self.skipped += 1
            yield self.in_order.pop(0)
        by_key = self.by_key or {}
        overdue = [key for key, request in by_key.items() if request.start_ns < start_ns and key not in answered]
        for key in overdue:
            yield by_key.pop(key)

    def let_go_before(self, start_ns: int) -> Iterator[Message]:
        """Early responses older than ``start_ns``: no request will come for them."""
        while self.early and self.early[0].start_ns < start_ns:
            yield self.early.pop(0)

    def let_go(self) -> list[Message]:
        """All early responses."""
        early, self.early = self.early or [], None
        self.told_ns = early[-1].start_ns if early else self.told_ns
        return early

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

    def queues(self) -> Iterator[Iterable[Message]]:
        """Messages that wait, each queue in the order in which it is given up; those with keys go one by one."""
        yield self.in_order or ()
        yield self.early or ()
        for request in (self.by_key or {}).values():
            yield (request,)

    def waiting(self) -> Iterator[Message]:
        """All messages that wait."""
        return chain.from_iterable(self.queues())

    @property
    def pending(self) -> int:
        """Messages that wait for their other half."""
        return len(self.in_order or ()) + len(self.by_key or ()) + len(self.early or ())


def layers_of(stream: Stream) -> Iterator[Conversation]:
    """What is dissected of ``stream``: its protocol, then what that carries."""
    conversation: Conversation | None = stream.conversation
    while conversation is not None and not conversation.over:
        yield conversation
        conversation = conversation.inner
