"""From the bytes of streams to items: which protocol, which messages, which belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import cast

from engine.clock import NS_PER_S
from engine.counters import Counters, Drop
from engine.dissect.message import Message, Problem
from engine.dissect.options import DissectOptions
from engine.dissect.raw import RAW, RawPayload, message_of
from engine.dissect.table import (
    Carrier,
    Dissector,
    FindStream,
    ProtocolRow,
    Refused,
    Successor,
    Verdict,
    recognise,
)
from engine.items.conversation import Conversation
from engine.items.dataitem import DataItem
from engine.items.item import LazyItem, Place
from engine.items.waiting import MESSAGE_BYTES, Weights
from engine.resolve.resolver import Resolver
from engine.streams.chunk import Chunk
from engine.streams.stream import TCP, UNHEEDED, Stream

Items = list[LazyItem]
Opener = Callable[[DissectOptions], Dissector]

MAX_TRIES = 6
"""Turns of a TCP stream that may tell nothing: a capture may begin in the middle of a body, however long that is, and
SMTP and IMAP take five turns to STARTTLS."""
MAX_HELD_BYTES = 16 << 10
"""Bytes that may be held before they must tell the protocol."""
HELD_CHUNK_BYTES = 64
"""How much a held chunk counts besides its bytes, so that they are few even where each has one byte."""
MAX_SWITCHES = 16
"""Of one stream: a chain of proxies has a few; a peer that says CONNECT for ever has no end."""
MAX_LAYERS = 4
"""Protocols in one another: what more of them carry is not looked at."""
MAX_REFUSED = 4096
"""Streams of which somebody said that nothing arrives."""

_NOTHING = Conversation()
"""Hangs on every stream that is not, or no longer, dissected."""
_NOTHING.over = True
_LATE = Problem("pair-not-found", "the request of this response was not seen, or was given up before it came")
_REPEATED = Problem("pair-not-found", "asked again with the same id before an answer came")
_CROWDED = Problem("pair-not-found", "too many requests of this stream wait for a response (dissect.maxPending)")
_HEAVY = Problem("pair-not-found", "too many bytes of this stream wait for their other half (dissect.maxPendingBytes)")
_HEAVY_IN_ALL = Problem("pair-not-found", "too many bytes of all streams wait (dissect.maxPendingTotal)")
_IN_GAP = Problem("pair-not-found", "the response may lie in a gap of the capture")
_ENDINGS = {
    "reset": Problem("connection", "the connection was reset before a response"),
    "closed": Problem("connection", "the connection was closed before a response"),
    "half_open": Problem("pair-not-found", "no packet of the server was captured"),
    "idle": Problem("timeout", "no response before the stream fell silent"),
}
_PAUSED = Problem("dissection", "dissection stopped before a response came (tap.capture.dissection.stopAfter)")
_TOO_MUCH_HELD = Problem("dissection", "unfinished messages took too much memory (dissect.maxHeldTotal)")
_CUT_OFF = Problem("pair-not-found", "no response before the end of the capture")


class Dissection:
    """Dissects all streams of one worker; its state of a stream hangs on ``stream.conversation``.

    Items come in the order in which their exchanges finish. Times are those of packets.
    """

    def __init__(
        self,
        rows: Sequence[ProtocolRow],
        options: DissectOptions,
        resolver: Resolver,
        node_name: str,
        node_ip: str,
        counters: Counters,
        find: FindStream = lambda *_: (0, ""),
    ) -> None:
        """``find``: which stream a five-tuple is, for messages that are about other streams."""
        self._find = find
        self._raw = {number: row for number, row in RAW.items() if row.dissector in options.dissectors}
        self.spoke: Callable[[int, int], None] | None = None
        """Told the row of a stream and the number of its dissector, where somebody keeps that."""
        self._refused: dict[int, Refused] = {}
        """By stream: why its requests get no response, the latest that was said."""
        self._numbered = list(rows)
        """By ``Stream.dissector``, which begins with 1."""
        self._numbers = {id(row): number for number, row in enumerate(self._numbered, 1)}
        self._rows: dict[int, list[ProtocolRow]] = {}
        for row in rows:
            self._rows.setdefault(row.transport, []).append(row)
        self._options = options
        self._place = Place.of(node_name, node_ip, resolver)
        self._counters = counters
        self._protocols: frozenset[str] | None = None
        """The ``protocol.name`` of the items that somebody wants; None: of all. Others are not dissected."""
        self._max_pending = options.max_pending
        self._max_pending_bytes = options.max_pending_bytes
        self._max_total_bytes = options.max_pending_total_bytes
        self._weights = Weights(options)
        self._max_held_bytes = options.max_held_total_bytes
        self._heard_bytes = 0
        """What dissectors and undecided streams hold, or more: what went out since it was counted is in it."""
        self._most_bytes = self._weights.most_bytes
        self._piled_bytes = 0
        """What waits in all streams, or more: what left since it was counted is in it."""
        self._timeout_ns = int(options.pair_timeout_s * NS_PER_S)
        self._live: dict[int, Stream] = {}
        """Streams whose dissector may have something left to say."""
        self._waiting: dict[int, Stream] = {}
        """Streams with requests that wait for their response."""
        self._expire_again_ns = 0

    def put_away(self, stream: Stream) -> bool:
        """Whether ``stream.dissector`` says all that must be remembered of it; sets it."""
        conversation: Conversation | None = stream.conversation
        if conversation is _NOTHING:
            stream.dissector = UNHEEDED
            return True
        row = None if conversation is None else conversation.row
        if conversation is None or row is None or row.remembers or not conversation.settled:
            return False
        stream.dissector = self._numbers[id(row)]
        stream.conversation = None
        return True

    def names(self, spoken: int) -> list[str]:
        """Of the dissectors with these numbers, as bits; each once, as ``protocol.abbr`` has them mostly."""
        numbered = enumerate(self._numbered, 1)
        return list(dict.fromkeys(row.name.upper() for number, row in numbered if spoken >> (number & 63) & 1))

    @property
    def place(self) -> Place:
        """What all items have in common."""
        return self._place

    def want(self, protocols: frozenset[str] | None) -> None:
        """Dissect only streams of these protocols; None: all. Say so before the first chunk."""
        self._protocols = protocols

    def feed(self, chunk: Chunk) -> list[LazyItem]:
        """Items that ``chunk`` completes."""
        stream = chunk.stream
        conversation: Conversation = stream.conversation or self._start(stream)
        dissector = conversation.dissector
        if dissector is not None:
            items = self._dissect(conversation, dissector, chunk)
        else:
            items = [] if conversation.over else self._find_out(conversation, chunk)
        if self._piled_bytes > self._max_total_bytes:
            items += self._lighten_all()
        self._heard_bytes += len(chunk.data)
        if self._heard_bytes > self._max_held_bytes:
            items += self._cut_short()
        return self._with_raw(chunk, items) if self._raw else items

    def _with_raw(self, chunk: Chunk, items: Items) -> Items:
        """``items``, and ``chunk`` itself where payload is asked for."""
        stream, row = chunk.stream, self._raw.get(chunk.stream.protocol)
        if row is None or not (self._protocols is None or row.name in self._protocols):
            return items
        payload = RawPayload(chunk, self._options.max_raw_bytes)
        index, stream.items = stream.items, stream.items + 1
        return [*items, DataItem(stream, index, row, self._place, message_of(chunk, payload), payload)]

    def ended(self, stream: Stream) -> list[LazyItem]:
        """Items that the end of ``stream`` completes or leaves half; its ``state`` says how it ended."""
        items: list[LazyItem] = []
        for conversation in _layers(stream):
            dissector = conversation.dissector
            if dissector is not None and (left := dissector.close(stream.state)):
                items += self._pair(conversation, stream, left)
            if dissector is not None and conversation.row.carries:  # type: ignore[union-attr] # it has a dissector
                items += self._carried(conversation, dissector, stream)
        conversation = stream.conversation
        if conversation is None or conversation is _NOTHING:
            return items
        return items + self._forget(conversation, stream, _ENDINGS.get(stream.state, _CUT_OFF))

    def expire(self, capture_ns: int) -> list[LazyItem]:
        """Items of requests that have waited for longer than ``pair_timeout_s``; looks once a second of the capture."""
        if capture_ns < self._expire_again_ns:
            return []
        self._expire_again_ns = capture_ns + NS_PER_S
        problem = Problem("timeout", f"no response within {self._options.pair_timeout_s:g} s")
        items: list[LazyItem] = []
        for stream in list(self._waiting.values()):
            for conversation in _layers(stream):
                answering = True if conversation.dissector is None else conversation.dissector.answering
                if answering is not True:
                    for request in conversation.give_up_before(capture_ns - self._timeout_ns, answering or ()):
                        items.append(self._unanswered(conversation, stream, request, problem))
                for response in conversation.let_go_before(capture_ns - self._timeout_ns):
                    items.append(self._item(conversation, stream, None, response, _LATE))
            if not any(conversation.pending for conversation in _layers(stream)):
                del self._waiting[stream.id]
        return items

    def pause(self) -> list[LazyItem]:
        """What is left when nobody wants items any more; what comes later of a stream begins in its middle."""
        items: list[LazyItem] = []
        for stream in list({**self._live, **self._waiting}.values()):
            items += self._begin_anew(stream, stream.state, _PAUSED)
        self._waiting.clear()
        return items

    def _begin_anew(self, stream: Stream, state: str, problem: Problem) -> Items:
        """All that there is of ``stream`` goes out; what comes later of it begins in its middle."""
        items: Items = []
        for conversation in _layers(stream):
            if conversation.dissector is not None:
                items += self._pair(conversation, stream, conversation.dissector.close(state))
            items += self._leave(conversation, stream, problem)
        stream.conversation.restart()
        return items

    def _cut_short(self) -> Items:
        """Unfinished messages of all streams may take too much: those streams that hold most hold nothing then."""
        held = [(_held(stream), stream) for stream in self._live.values()]
        self._heard_bytes = sum(held_bytes for held_bytes, _ in held)
        items: Items = []
        room_bytes = self._max_held_bytes // 4 * 3
        for held_bytes, stream in sorted(held, key=itemgetter(0), reverse=True):
            if self._heard_bytes <= room_bytes:
                break
            self._heard_bytes -= held_bytes
            self._counters.drop("dissect", Drop.HELD_LIMIT)
            items += self._begin_anew(stream, "dissect.maxHeldTotal", _TOO_MUCH_HELD)
            self._waiting.pop(stream.id, None)
        return items

    def finish(self) -> list[LazyItem]:
        """What is left at the end of the input of streams that nobody ended."""
        return [item for stream in [*self._live.values(), *self._waiting.values()] for item in self.ended(stream)]

    def _start(self, stream: Stream) -> Conversation:
        if stream.protocol not in self._rows or stream.dissector == UNHEEDED:
            stream.conversation = _NOTHING
            return _NOTHING
        conversation = stream.conversation = Conversation()
        conversation.hopeful = stream.shaken
        if stream.dissector:
            conversation.row = row = self._numbered[stream.dissector - 1]
            conversation.dissector = row.open(self._options)
        return conversation

    def _hear(self, conversation: Conversation, chunk: Chunk) -> list[LazyItem]:
        if conversation.dissector is not None:
            return self._dissect(conversation, conversation.dissector, chunk)
        return [] if conversation.over else self._find_out(conversation, chunk)

    def _find_out(self, conversation: Conversation, chunk: Chunk) -> list[LazyItem]:
        """Recognise the protocol, by what one direction has sent so far."""
        stream = chunk.stream
        data, held = chunk.data, conversation.held
        if held:
            data = b"".join([each.data for each in held if each.direction == chunk.direction] + [data])
        ports = stream.server_port, stream.client_port
        found = recognise(self._rows[stream.protocol], data, ports, self._count_by_port)
        if found is Verdict.NO and held:  # of something else, a switch perhaps: what comes now stands for itself
            conversation.held, conversation.held_bytes, held, data = None, 0, None, chunk.data
            found = recognise(self._rows[stream.protocol], data, ports, self._count_by_port)
        if isinstance(found, ProtocolRow):
            if found.remembers:
                self._live[stream.id] = stream
            elif held:
                self._live.pop(stream.id, None)
            if self._wants(found, data):
                return self._open(conversation, found, None, [*held, chunk] if held else [chunk])
            self._counters.add(f"dissect_streams_unwanted_total{{protocol={found.name}}}")
            return self._forget(conversation, stream, _CUT_OFF)
        held_bytes = conversation.held_bytes + len(chunk.data) + HELD_CHUNK_BYTES
        if found is Verdict.SHORT and held_bytes <= MAX_HELD_BYTES:
            if held:
                held.append(chunk)
            else:
                conversation.held = [chunk]
                self._live[stream.id] = stream
            conversation.held_bytes = held_bytes
            return []
        conversation.held, conversation.held_bytes = None, 0
        if conversation.tell_nothing(chunk) >= MAX_TRIES or stream.protocol != TCP:
            self._counters.add("dissect_streams_unknown_total")
            self._forget(conversation, stream, _CUT_OFF)
        return []

    def _count_by_port(self, row: ProtocolRow) -> None:
        self._counters.add(f"dissect_streams_by_port_total{{protocol={row.name}}}")

    def _wants(self, row: ProtocolRow, data: bytes) -> bool:
        """Whether items that somebody wants may come, or be explained, of a stream that begins with ``data``."""
        wanted = self._protocols
        if wanted is None or row.name in wanted or row.carries or row.link is not None:
            return True
        return row.leads(data, wanted)

    def _open(self, conversation: Conversation, row: ProtocolRow, opened: Opener | None, chunks: list[Chunk]) -> Items:
        """It is this protocol; ``chunks`` are all that was heard of it."""
        conversation.row, conversation.held, conversation.held_bytes = row, None, 0
        conversation.dissector = (opened or row.open)(self._options)
        self._counters.add(f"dissect_streams_total{{protocol={row.name}}}")
        stream = chunks[0].stream if chunks else None
        if self.spoke is not None and stream is not None and stream.row >= 0:
            self.spoke(stream.row, self._numbers[id(row)])
        return [item for each in chunks for item in self._hear(conversation, each)]

    def _dissect(self, conversation: Conversation, dissector: Dissector, chunk: Chunk) -> list[LazyItem]:
        stream = chunk.stream
        messages, row = dissector.feed(chunk), conversation.row
        assert row is not None, "it has a dissector"
        if row.link is not None:
            self._link(row.link, messages)
        if not messages:
            items: Items = []
        elif len(messages) > 1 or (paired := self._pair_alone(conversation, stream, messages[0])) is None:
            items = self._pair(conversation, stream, messages)
        else:
            items = paired
        if row.carries:
            items += self._carried(conversation, dissector, stream)
        if dissector.lost:
            self._counters.add(f"dissect_streams_lost_total{{reason={dissector.lost}}}")
            problem, successor = Problem("dissection", dissector.lost), dissector.successor
            if successor is None:
                return items + self._forget(conversation, stream, problem)
            items += self._leave(conversation, stream, problem)
            items += self._succeed(conversation, stream, successor)
        return items

    def _link(self, link: Callable[[Message, FindStream], Refused | None], messages: list[Message]) -> None:
        for message in messages:
            if (refused := link(message, self._find)) is not None:
                self._refused.pop(refused.stream_id, None)
                self._refused[refused.stream_id] = refused
                if len(self._refused) > MAX_REFUSED:
                    del self._refused[next(iter(self._refused))]

    def _unanswered(self, conversation: Conversation, stream: Stream, request: Message, problem: Problem) -> LazyItem:
        """Nobody answered ``request``: because of ``problem``, unless somebody else said why."""
        refused = self._refused.get(stream.id) if self._refused else None
        if refused is not None and request.start_ns <= refused.until_ns:
            problem = refused.problem
        return self._item(conversation, stream, request, None, problem)

    def _carried(self, conversation: Conversation, dissector: Dissector, stream: Stream) -> list[LazyItem]:
        """Items of what the dissector's protocol carries."""
        items: list[LazyItem] = []
        carrier = cast(Carrier, dissector)
        for chunk in carrier.inner():
            if conversation.inner is None:
                conversation.inner = Conversation(conversation)
                conversation.inner.hopeful = stream.shaken
                conversation.inner.over = conversation.layer >= MAX_LAYERS
            items += self._hear(conversation.inner, chunk)
        if conversation.inner is not None and conversation.inner.over:
            carrier.mute()
        return items

    def _succeed(self, conversation: Conversation, stream: Stream, successor: Successor) -> list[LazyItem]:
        """The stream goes on as another protocol."""
        row, opened, chunks = successor
        conversation.restart()
        conversation.switches += 1
        if conversation.switches > MAX_SWITCHES:
            self._counters.add("dissect_streams_lost_total{reason=too_many_switches}")
            return self._forget(conversation, stream, _CUT_OFF)
        if row is None:
            return [item for chunk in chunks for item in self._hear(conversation, chunk)]
        ours = next((each for each in self._numbered if each.open is row.open), None)  # with ports of its own, perhaps
        if ours is None or not self._wants(ours, b""):
            return self._forget(conversation, stream, _CUT_OFF)
        return self._open(conversation, ours, opened, chunks)

    def _pair_alone(self, conversation: Conversation, stream: Stream, message: Message) -> Items | None:
        """As ``_pair``, where a request is asked and answered before the next one; None: it is not so.

        Most streams do nothing else, and this takes 1.5 us of an exchange where ``_pair`` takes 4.
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
            size_bytes, most_bytes = message.size_bytes, self._most_bytes
            weight = MESSAGE_BYTES + message.more_bytes + (size_bytes if size_bytes < most_bytes else most_bytes)
            self._piled_bytes += weight
            conversation.piled_bytes = weight
            self._waiting[stream.id] = stream
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
            self._waiting.pop(stream.id, None)
        index = stream.items
        stream.items = index + 1
        return [LazyItem(stream, index, row, self._place, asked, message, None, tls=tls)]

    def _pair(self, conversation: Conversation, stream: Stream, messages: list[Message]) -> list[LazyItem]:
        items: list[LazyItem] = []
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
                    items.append(self._item(conversation, stream, request, None, _IN_GAP))
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
                items.append(self._item(conversation, stream, None, lonely, _LATE))
            if conversation.early:
                self._pile(conversation, stream, message, items)
        if conversation.in_order or conversation.by_key or conversation.early:
            self._waiting[stream.id] = stream
        elif conversation.outer is None and conversation.inner is None:
            self._waiting.pop(stream.id, None)
        return items

    def _meet(
        self,
        conversation: Conversation,
        stream: Stream,
        request: Message,
        following: Message | None,
        items: list[LazyItem],
    ) -> bool:
        """Whether a response that came early answers ``request``."""
        lonely, answer = conversation.meet(request, following)
        items += [self._item(conversation, stream, None, response, _LATE) for response in lonely]
        if answer is not None:
            items.append(self._item(conversation, stream, request, answer, None))
        return answer is not None

    def _ask(self, conversation: Conversation, stream: Stream, request: Message, items: list[LazyItem]) -> None:
        earlier = conversation.ask(request)
        if earlier is not None:
            problem = _IN_GAP if earlier is request else _REPEATED
            items.append(self._item(conversation, stream, earlier, None, problem))
        in_order, by_key = conversation.in_order, conversation.by_key
        waiting = (len(in_order) if in_order else 0) + (len(by_key) if by_key else 0)
        if waiting > self._max_pending:
            self._counters.drop("dissect", Drop.PENDING_LIMIT)
            items.append(self._item(conversation, stream, conversation.give_up_oldest(), None, _CROWDED))
        if waiting > 1:
            self._pile(conversation, stream, request, items)
            return
        size_bytes, most_bytes = request.size_bytes, self._most_bytes  # as most do; two calls would take 0.1 us
        weight = MESSAGE_BYTES + request.more_bytes + (size_bytes if size_bytes < most_bytes else most_bytes)
        self._piled_bytes += weight
        conversation.piled_bytes = weight

    def _pile(self, conversation: Conversation, stream: Stream, message: Message, items: Items) -> None:
        """Count what ``message`` takes, which waits."""
        weight = self._weights.of(message)
        self._piled_bytes += weight
        conversation.piled_bytes += weight
        if conversation.piled_bytes > self._max_pending_bytes:
            self._lighten(conversation, stream, items)

    def _count_crowded(self, message: Message) -> None:
        if message.crowded:
            self._counters.drop("dissect", Drop.PENDING_LIMIT)

    def _lighten(self, conversation: Conversation, stream: Stream, items: list[LazyItem]) -> None:
        """Too many bytes of one stream may wait: the oldest go, but never the only one, which its caps bound."""
        limit_bytes = self._max_pending_bytes - self._max_pending_bytes // 16
        waiting_bytes = self._weights.waiting(conversation)
        while waiting_bytes > limit_bytes and conversation.pending > 1:
            left = conversation.let_go()
            if left:
                items += [self._item(conversation, stream, None, response, _HEAVY) for response in left]
            else:
                left = [conversation.give_up_oldest()]
                items.append(self._item(conversation, stream, left[0], None, _HEAVY))
            self._counters.drop("dissect", Drop.PENDING_BYTES_LIMIT, len(left))
            waiting_bytes -= sum(map(self._weights.of, left))
        conversation.piled_bytes = waiting_bytes

    def _lighten_all(self) -> Items:
        """Too many bytes of all streams may wait: those that have waited longest go, down to three quarters."""
        layers = [(stream, each) for stream in self._waiting.values() for each in _layers(stream)]
        room_bytes = self._max_total_bytes // 4 * 3
        self._piled_bytes, start_ns = self._weights.start_to_keep((each for _, each in layers), room_bytes)
        if not start_ns:
            return []
        items: Items = []
        for stream, conversation in layers:
            for request in conversation.give_up_before(start_ns):
                items.append(self._item(conversation, stream, request, None, _HEAVY_IN_ALL))
            for response in conversation.let_go_before(start_ns):
                items.append(self._item(conversation, stream, None, response, _HEAVY_IN_ALL))
        self._counters.drop("dissect", Drop.PENDING_BYTES_LIMIT, len(items))
        self._piled_bytes = sum(self._weights.waiting(each) for _, each in layers)
        return items

    def _forget(self, conversation: Conversation, stream: Stream, problem: Problem) -> list[LazyItem]:
        """Dissect it no more; what waits becomes items with ``problem``."""
        conversation.over, conversation.dissector, conversation.held = True, None, None
        inner = conversation.inner
        items = self._forget(inner, stream, problem) if inner is not None and not inner.over else []
        if conversation.outer is None:
            stream.conversation = _NOTHING
            self._live.pop(stream.id, None)
            self._waiting.pop(stream.id, None)
        return items + self._leave(conversation, stream, problem)

    def _leave(self, conversation: Conversation, stream: Stream, problem: Problem) -> list[LazyItem]:
        """What waits becomes items."""
        if not (conversation.in_order or conversation.by_key or conversation.early):
            return []
        left = [self._unanswered(conversation, stream, request, problem) for request in conversation.give_up()]
        return self._let_go(conversation, stream) + left

    def _let_go(self, conversation: Conversation, stream: Stream) -> list[LazyItem]:
        """Responses whose request was waited for."""
        return [self._item(conversation, stream, None, response, _LATE) for response in conversation.let_go()]

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


def _held(stream: Stream) -> int:
    """Bytes that the dissectors of ``stream`` hold, and what was heard before there was one."""
    return sum(
        conversation.held_bytes + getattr(conversation.dissector, "held_bytes", 0)  # of hoarders
        for conversation in _layers(stream)
    )


def _layers(stream: Stream) -> Iterator[Conversation]:
    """What is dissected of ``stream``: its protocol, then what that carries."""
    conversation: Conversation | None = stream.conversation
    while conversation is not None and not conversation.over:
        yield conversation
        conversation = conversation.inner
