"""From messages to items: which request and which response belong together, and what comes of those that stay alone."""

from __future__ import annotations

from engine.clock import NS_PER_S
from engine.counters import Counters, Drop
from engine.dissect.message import Message, Problem
from engine.dissect.options import DissectOptions
from engine.items.conversation import Conversation, layers_of
from engine.items.item import LazyItem, Place
from engine.items.problems import CROWDED, HEAVY, IN_GAP, LATE, REPEATED, overdue
from engine.items.refusals import Refusals
from engine.items.waiting import MESSAGE_BYTES, Weights
from engine.streams.stream import Stream

Items = list[LazyItem]


class Pairing:
    """Of all streams of one worker; what waits hangs on their conversations."""

    __slots__ = (
        "_counters",
        "_max_pending",
        "_max_pending_bytes",
        "_most_bytes",
        "_place",
        "_refusals",
        "_timeout_ns",
        "_too_late",
        "_weights",
        "piled_bytes",
        "waiting",
    )

    def __init__(self, options: DissectOptions, place: Place, refusals: Refusals, counters: Counters) -> None:
        self._place = place
        self._refusals = refusals
        self._counters = counters
        self._max_pending = options.max_pending
        self._max_pending_bytes = options.max_pending_bytes
        self._weights = Weights(options)
        self._most_bytes = self._weights.most_bytes
        self._timeout_ns = int(options.pair_timeout_s * NS_PER_S)
        self._too_late = overdue(options.pair_timeout_s)
        self.piled_bytes = 0
        """What waits in all streams, or more: what left since it was counted is in it."""
        self.waiting: dict[int, Stream] = {}
        """Streams with requests that wait for their response."""

    def alone(self, conversation: Conversation, stream: Stream, message: Message) -> Items | None:
        """As ``pair``, where a request is asked and answered before the next one; None: it is not so.

        Most streams do nothing else: without this way of its own an exchange takes 1.2 us more, of 6 besides parsing.
        """
        key = message.key
        if message.alone or message.after_gap or conversation.early or conversation.gapped:
            return None
        if message.is_request:
            if conversation.in_order or conversation.by_key or self._max_pending < 1:
                return None
            if key is None:
                conversation.hopeful, conversation.in_order = True, [message]
            else:
                conversation.by_key = {key: message}
            size_bytes, most_bytes = message.size_bytes, self._most_bytes  # as Weights.of, whose call takes 0.1 us
            weight = MESSAGE_BYTES + message.more_bytes + (size_bytes if size_bytes < most_bytes else most_bytes)
            self.piled_bytes += weight
            conversation.piled_bytes = weight
            self.waiting[stream.id] = stream
            return []
        in_order, by_key, row = conversation.in_order, conversation.by_key, conversation.row
        if message.instead is not None or message.crowded or row is None or row.join is not None:
            return None
        if key is None:
            if not in_order or len(in_order) > 1 or by_key or conversation.skipped:
                return None
            asked = in_order[0]
            conversation.in_order, conversation.pipelined = None, False
        else:
            if not by_key or len(by_key) > 1 or in_order or key not in by_key:
                return None
            asked = by_key[key]
            conversation.by_key = None
        tls = conversation.outer is not None
        if not tls and conversation.inner is None:
            self.waiting.pop(stream.id, None)
        index = stream.items
        stream.items = index + 1
        return [LazyItem(stream, index, row, self._place, asked, message, None, tls=tls)]

    def pair(self, conversation: Conversation, stream: Stream, messages: list[Message]) -> Items:
        """The items that ``messages``, which came together, complete or are."""
        items: Items = []
        for at, message in enumerate(messages):
            if message.alone and not conversation.waits_for(message):
                request, response = (message, None) if message.is_request else (None, message)
                items.append(self._item(conversation, stream, request, response, None))
                continue
            if message.is_request:
                following = messages[at + 1] if at + 1 < len(messages) else None
                if not (conversation.early and self._meet(conversation, stream, message, following, items)):
                    self._ask(conversation, stream, message, items)
                continue
            if message.after_gap and message.key is None:
                for request in conversation.unanswerable(message):
                    items.append(self._item(conversation, stream, request, None, IN_GAP))
            given_up = conversation.skipped > 0 and message.key is None
            asked = conversation.answer(message)
            if message.instead is not None:
                if asked is not None:
                    items.append(self._item(conversation, stream, asked, None, message.instead))
                    self._count_crowded(message)
                continue
            if message.crowded:
                self._count_crowded(message)
            if asked is not None:
                if (join := conversation.row.join) is not None:  # type: ignore[union-attr] # it has a dissector
                    join(asked, message)
                if conversation.early:  # their requests would have come before this one's
                    items += self._let_go(conversation, stream)
                items.append(self._item(conversation, stream, asked, message, None))
                continue
            for lonely in [message] if given_up else conversation.keep(message):
                items.append(self._item(conversation, stream, None, lonely, LATE))
            if conversation.early:
                self._pile(conversation, stream, message, items)
        if conversation.in_order or conversation.by_key or conversation.early:
            self.waiting[stream.id] = stream
        elif conversation.outer is None and conversation.inner is None:
            self.waiting.pop(stream.id, None)
        return items

    def _meet(
        self,
        conversation: Conversation,
        stream: Stream,
        request: Message,
        following: Message | None,
        items: Items,
    ) -> bool:
        """Whether a response that came early answers ``request``."""
        lonely, answer = conversation.meet(request, following)
        items += [self._item(conversation, stream, None, response, LATE) for response in lonely]
        if answer is not None:
            items.append(self._item(conversation, stream, request, answer, None))
        return answer is not None

    def _ask(self, conversation: Conversation, stream: Stream, request: Message, items: Items) -> None:
        earlier = conversation.ask(request)
        if earlier is not None:
            problem = IN_GAP if earlier is request else REPEATED
            items.append(self._item(conversation, stream, earlier, None, problem))
        in_order, by_key = conversation.in_order, conversation.by_key
        waiting = (len(in_order) if in_order else 0) + (len(by_key) if by_key else 0)
        if waiting > self._max_pending:
            self._counters.drop("dissect", Drop.PENDING_LIMIT)
            items.append(self._item(conversation, stream, conversation.give_up_oldest(), None, CROWDED))
        if waiting > 1:
            self._pile(conversation, stream, request, items)
            return
        conversation.piled_bytes = self._weights.of(request)
        self.piled_bytes += conversation.piled_bytes

    def _pile(self, conversation: Conversation, stream: Stream, message: Message, items: Items) -> None:
        """Count what ``message`` takes, which waits."""
        weight = self._weights.of(message)
        self.piled_bytes += weight
        conversation.piled_bytes += weight
        if conversation.piled_bytes > self._max_pending_bytes:
            self._lighten(conversation, stream, items)

    def _count_crowded(self, message: Message) -> None:
        if message.crowded:
            self._counters.drop("dissect", Drop.PENDING_LIMIT)

    def _lighten(self, conversation: Conversation, stream: Stream, items: Items) -> None:
        """Too many bytes of one stream may wait: the oldest go, but never the only one, which its caps bound."""
        limit_bytes = self._max_pending_bytes - self._max_pending_bytes // 16
        waiting_bytes = self._weights.waiting(conversation)
        while waiting_bytes > limit_bytes and conversation.pending > 1:
            left = conversation.let_go()
            if left:
                items += [self._item(conversation, stream, None, response, HEAVY) for response in left]
            else:
                left = [conversation.give_up_oldest()]
                items.append(self._item(conversation, stream, left[0], None, HEAVY))
            self._counters.drop("dissect", Drop.PENDING_BYTES_LIMIT, len(left))
            waiting_bytes -= sum(map(self._weights.of, left))
        conversation.piled_bytes = waiting_bytes

    def _unanswered(self, conversation: Conversation, stream: Stream, request: Message, problem: Problem) -> LazyItem:
        """Nobody answered ``request``: because of ``problem``, unless somebody else said why."""
        return self._item(conversation, stream, request, None, self._refusals.reason(stream, request, problem))

    def expire(self, capture_ns: int) -> Items:
        """Those that wait for longer than ``pair_timeout_s``."""
        items: Items = []
        for stream in list(self.waiting.values()):
            for conversation in layers_of(stream):
                answering = True if conversation.dissector is None else conversation.dissector.answering
                if answering is not True:
                    for request in conversation.give_up_before(capture_ns - self._timeout_ns, answering or ()):
                        items.append(self._unanswered(conversation, stream, request, self._too_late))
                for response in conversation.let_go_before(capture_ns - self._timeout_ns):
                    items.append(self._item(conversation, stream, None, response, LATE))
            if not any(conversation.pending for conversation in layers_of(stream)):
                del self.waiting[stream.id]
        return items

    def give_up_before(self, conversation: Conversation, stream: Stream, start_ns: int, problem: Problem) -> Items:
        """Those that began before ``start_ns``, with ``problem``."""
        items = [
            self._item(conversation, stream, request, None, problem)
            for request in conversation.give_up_before(start_ns)
        ]
        for response in conversation.let_go_before(start_ns):
            items.append(self._item(conversation, stream, None, response, problem))
        return items

    def leave(self, conversation: Conversation, stream: Stream, problem: Problem) -> Items:
        """What waits becomes items."""
        if not (conversation.in_order or conversation.by_key or conversation.early):
            return []
        left = [self._unanswered(conversation, stream, request, problem) for request in conversation.give_up()]
        return self._let_go(conversation, stream) + left

    def _let_go(self, conversation: Conversation, stream: Stream) -> Items:
        """Responses whose request was waited for."""
        return [self._item(conversation, stream, None, response, LATE) for response in conversation.let_go()]

    def begin_anew(self, stream: Stream, state: str, problem: Problem) -> Items:
        """All that there is of ``stream`` goes out; what comes later of it begins in its middle."""
        items: Items = []
        for conversation in layers_of(stream):
            if conversation.dissector is not None:
                items += self.pair(conversation, stream, conversation.dissector.close(state))
            items += self.leave(conversation, stream, problem)
        stream.conversation.restart()
        return items

    def _item(
        self,
        conversation: Conversation,
        stream: Stream,
        request: Message | None,
        response: Message | None,
        problem: Problem | None,
    ) -> LazyItem:
        assert conversation.row is not None
        index = stream.items
        stream.items = index + 1
        tls = conversation.outer is not None
        return LazyItem(stream, index, conversation.row, self._place, request, response, problem, tls=tls)
