"""Requests of which somebody else says that nobody will answer: an ICMP error about their stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.dissect.message import Message, Problem
from engine.dissect.table import FindStream, Refused
from engine.streams.stream import Stream

MAX_REFUSED = 4096
"""Streams of which somebody said that nothing arrives."""


class Refusals:
    """Of the streams of one worker, for each the latest that was said."""

    __slots__ = ("_by_stream", "_find")

    def __init__(self, find: FindStream) -> None:
        """``find``: which stream a five-tuple is."""
        self._find = find
        self._by_stream: dict[int, Refused] = {}

    def learn(self, link: Callable[[Message, FindStream], Refused | None], messages: Iterable[Message]) -> None:
        """What ``messages`` say of other streams; ``link`` is that of their row."""
        for message in messages:
            if (refused := link(message, self._find)) is not None:
                self._by_stream.pop(refused.stream_id, None)
                self._by_stream[refused.stream_id] = refused
                if len(self._by_stream) > MAX_REFUSED:
                    del self._by_stream[next(iter(self._by_stream))]

    def reason(self, stream: Stream, request: Message, otherwise: Problem) -> Problem:
        """Why ``request`` has no answer: ``otherwise``, unless somebody else said why."""
        refused = self._by_stream.get(stream.id) if self._by_stream else None
        return refused.problem if refused is not None and request.start_ns <= refused.until_ns else otherwise
