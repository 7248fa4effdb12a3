"""From the bytes of streams to items: which protocol, which messages; ``pairing`` knows which belong together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from engine.clock import NS_PER_S
from engine.counters import Counters
from engine.dissect.message import Problem
from engine.dissect.options import DissectOptions
from engine.dissect.table import Carrier, Dissector, FindStream, ProtocolRow, Successor, Verdict
from engine.items.conversation import Conversation, layers_of
from engine.items.item import Place
from engine.items.pairing import Items, Pairing
from engine.items.pressure import Pressure
from engine.items.problems import CUT_OFF, ENDINGS, PAUSED
from engine.items.rawitems import RawItems
from engine.items.recognition import Recognition
from engine.items.refusals import Refusals
from engine.resolve.resolver import Resolver
from engine.streams.chunk import Chunk
from engine.streams.stream import TCP, UNHEEDED, Stream

Opener = Callable[[DissectOptions], Dissector]

MAX_TRIES = 6
"""Turns of a TCP stream that may tell nothing: a capture may begin in the middle of a body, however long that is, and
SMTP and IMAP take five turns to STARTTLS."""
MAX_SWITCHES = 16
"""Of one stream: a chain of proxies has a few; a peer that says CONNECT for ever has no end."""
MAX_LAYERS = 4
"""Protocols in one another: what more of them carry is not looked at."""

_NOTHING = Conversation()
"""Hangs on every stream that is not, or no longer, dissected."""
_NOTHING.over = True


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
        self.spoke: Callable[[int, int], None] | None = None
        """Told the row of a stream and the number of its dissector, where somebody keeps that."""
        self._options = options
        self._counters = counters
        self._place = Place.of(node_name, node_ip, resolver)
        self._recognition = Recognition(rows, counters)
        self._refusals = Refusals(find)
        self._pairing = Pairing(options, self._place, self._refusals, counters)
        self._pressure = Pressure(options, self._pairing, counters)
        raw = RawItems(options, self._place)
        self._raw = raw if raw.rows else None
        self._live: dict[int, Stream] = {}
        """Streams whose dissector may have something left to say."""
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
        stream.dissector = self._recognition.number_of(row)
        stream.conversation = None
        return True

    def names(self, spoken: int) -> list[str]:
        """Of the dissectors with these numbers, as bits; each once, as ``protocol.abbr`` has them mostly."""
        return self._recognition.names(spoken)

    @property
    def place(self) -> Place:
        """What all items have in common."""
        return self._place

    def want(self, protocols: frozenset[str] | None) -> None:
        """Dissect only streams of these protocols; None: all. Say so before the first chunk."""
        self._recognition.protocols = protocols

    def feed(self, chunk: Chunk) -> Items:
        """Items that ``chunk`` completes."""
        stream, pressure = chunk.stream, self._pressure
        conversation: Conversation = stream.conversation or self._start(stream)
        dissector = conversation.dissector
        if dissector is not None:  # as ``_hear``, whose call would take 0.1 us
            items = self._dissect(conversation, dissector, chunk)
        else:
            items = [] if conversation.over else self._find_out(conversation, chunk)
        if self._pairing.piled_bytes > pressure.max_piled_bytes:
            items += pressure.lighten()
        pressure.heard_bytes += len(chunk.data)
        if pressure.heard_bytes > pressure.max_held_bytes:
            items += pressure.cut_short(self._live.values())
        return items if self._raw is None else [*items, *self._raw.of(chunk, self._recognition.protocols)]

    def ended(self, stream: Stream) -> Items:
        """Items that the end of ``stream`` completes or leaves half; its ``state`` says how it ended."""
        items: Items = []
        for conversation in layers_of(stream):
            dissector = conversation.dissector
            if dissector is not None and (left := dissector.close(stream.state)):
                items += self._pairing.pair(conversation, stream, left)
            if dissector is not None and conversation.row.carries:  # type: ignore[union-attr] # it has a dissector
                items += self._carried(conversation, dissector, stream)
        conversation = stream.conversation
        if conversation is None or conversation is _NOTHING:
            return items
        return items + self._forget(conversation, stream, ENDINGS.get(stream.state, CUT_OFF))

    def expire(self, capture_ns: int) -> Items:
        """Items of requests that have waited for longer than ``pair_timeout_s``; looks once a second of the capture."""
        if capture_ns < self._expire_again_ns:
            return []
        self._expire_again_ns = capture_ns + NS_PER_S
        return self._pairing.expire(capture_ns)

    def pause(self) -> Items:
        """What is left when nobody wants items any more; what comes later of a stream begins in its middle."""
        items: Items = []
        for stream in list({**self._live, **self._pairing.waiting}.values()):
            items += self._pairing.begin_anew(stream, stream.state, PAUSED)
        self._pairing.waiting.clear()
        return items

    def finish(self) -> Items:
        """What is left at the end of the input of streams that nobody ended."""
        left = [*self._live.values(), *self._pairing.waiting.values()]
        return [item for stream in left for item in self.ended(stream)]

    def _start(self, stream: Stream) -> Conversation:
        if not self._recognition.is_dissected(stream.protocol) or stream.dissector == UNHEEDED:
            stream.conversation = _NOTHING
            return _NOTHING
        conversation = stream.conversation = Conversation()
        conversation.hopeful = stream.shaken
        if stream.dissector:
            conversation.row = row = self._recognition.numbered(stream.dissector)
            conversation.dissector = row.open(self._options)
        return conversation

    def _hear(self, conversation: Conversation, chunk: Chunk) -> Items:
        if conversation.dissector is not None:
            return self._dissect(conversation, conversation.dissector, chunk)
        return [] if conversation.over else self._find_out(conversation, chunk)

    def _find_out(self, conversation: Conversation, chunk: Chunk) -> Items:
        """Recognise the protocol, by what one direction has sent so far."""
        stream = chunk.stream
        found, data = self._recognition.look(conversation, chunk)
        if isinstance(found, ProtocolRow):
            held = conversation.held
            if found.remembers:
                self._live[stream.id] = stream
            elif held:
                self._live.pop(stream.id, None)
            if self._recognition.wants(found, data):
                return self._open(conversation, found, None, [*held, chunk] if held else [chunk])
            self._counters.add(f"dissect_streams_unwanted_total{{protocol={found.name}}}")
            return self._forget(conversation, stream, CUT_OFF)
        if found is Verdict.SHORT and conversation.hold(chunk):
            self._live[stream.id] = stream
            return []
        conversation.held, conversation.held_bytes = None, 0
        if conversation.tell_nothing(chunk) >= MAX_TRIES or stream.protocol != TCP:
            self._counters.add("dissect_streams_unknown_total")
            self._forget(conversation, stream, CUT_OFF)
        return []

    def _open(self, conversation: Conversation, row: ProtocolRow, opened: Opener | None, chunks: list[Chunk]) -> Items:
        """It is this protocol; ``chunks`` are all that was heard of it."""
        conversation.row, conversation.held, conversation.held_bytes = row, None, 0
        conversation.dissector = (opened or row.open)(self._options)
        self._counters.add(f"dissect_streams_total{{protocol={row.name}}}")
        stream = chunks[0].stream if chunks else None
        if self.spoke is not None and stream is not None and stream.row >= 0:
            self.spoke(stream.row, self._recognition.number_of(row))
        return [item for each in chunks for item in self._hear(conversation, each)]

    def _dissect(self, conversation: Conversation, dissector: Dissector, chunk: Chunk) -> Items:
        stream, pairing = chunk.stream, self._pairing
        messages, row = dissector.feed(chunk), conversation.row
        assert row is not None, "it has a dissector"
        if row.link is not None:
            self._refusals.learn(row.link, messages)
        if not messages:
            items: Items = []
        elif len(messages) > 1 or (paired := pairing.alone(conversation, stream, messages[0])) is None:
            items = pairing.pair(conversation, stream, messages)
        else:
            items = paired
        if row.carries:
            items += self._carried(conversation, dissector, stream)
        if dissector.lost:
            self._counters.add(f"dissect_streams_lost_total{{reason={dissector.lost}}}")
            problem, successor = Problem("dissection", dissector.lost), dissector.successor
            if successor is None:
                return items + self._forget(conversation, stream, problem)
            items += pairing.leave(conversation, stream, problem)
            items += self._succeed(conversation, stream, successor)
        return items

    def _carried(self, conversation: Conversation, dissector: Dissector, stream: Stream) -> Items:
        """Items of what the dissector's protocol carries."""
        items: Items = []
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

    def _succeed(self, conversation: Conversation, stream: Stream, successor: Successor) -> Items:
        """The stream goes on as another protocol."""
        row, opened, chunks = successor
        conversation.restart()
        conversation.switches += 1
        if conversation.switches > MAX_SWITCHES:
            self._counters.add("dissect_streams_lost_total{reason=too_many_switches}")
            return self._forget(conversation, stream, CUT_OFF)
        if row is None:
            return [item for chunk in chunks for item in self._hear(conversation, chunk)]
        ours = self._recognition.wanted_successor(row)
        if ours is None:
            return self._forget(conversation, stream, CUT_OFF)
        return self._open(conversation, ours, opened, chunks)

    def _forget(self, conversation: Conversation, stream: Stream, problem: Problem) -> Items:
        """Dissect it no more; what waits becomes items with ``problem``."""
        conversation.over, conversation.dissector, conversation.held = True, None, None
        inner = conversation.inner
        items = self._forget(inner, stream, problem) if inner is not None and not inner.over else []
        if conversation.outer is None:
            stream.conversation = _NOTHING
            self._live.pop(stream.id, None)
            self._pairing.waiting.pop(stream.id, None)
        return items + self._pairing.leave(conversation, stream, problem)
