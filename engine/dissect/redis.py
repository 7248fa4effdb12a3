"""Redis: RESP2 and RESP3 over TCP, inline commands included; pairing by order, but for what no command asked for.

Replication (``SYNC``, ``PSYNC``) turns the roles around behind its reply and is not taken apart.
"""

from __future__ import annotations

import re

from engine.dissect.message import Message, Problem
from engine.dissect.options import DissectOptions
from engine.dissect.redis_commands import CONFIRMATIONS, PUBLISHED, name_of
from engine.dissect.redis_detect import detect, direction_of_commands
from engine.dissect.redis_owed import BLOCKED, SYNC, TOLD, Owed
from engine.dissect.redis_payload import RedisPayload, describe
from engine.dissect.redis_scan import Side
from engine.dissect.table import ProtocolRow
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, TCP

_PARTIAL = Problem("dissection", "bytes of it are missing")
MAX_DEBTS = 65_536
"""Replies that are owed, those of plain commands in a row counted as one; more end the dissection."""
_KIND = re.compile(rb"[*>][0-9]+\r\n\$[0-9]+\r\n([a-z-]{1,32})\r\n")
"""The word that begins what a channel tells."""
_MONITORED = re.compile(rb"\+[0-9]+\.[0-9]+ \[")


class Redis:
    """Dissector of one TCP stream."""

    successor = None

    __slots__ = (
        "_asks",
        "_confirmed",
        "_done",
        "_early",
        "_gapped",
        "_limit_bytes",
        "_owed",
        "_problem",
        "_sides",
        "lost",
    )

    def __init__(self, options: DissectOptions) -> None:
        self.lost = ""
        self._limit_bytes = options.max_body_bytes
        self._sides = Side(CLIENT, self._limit_bytes), Side(SERVER, self._limit_bytes)
        self._asks = -1
        """The direction of commands; -1: not yet known."""
        self._early: list[Chunk] = []
        """What was said before that was known; it takes a few bytes."""
        self._owed = Owed()
        self._confirmed: list[Message] = []
        """Of the command that is being confirmed, channel by channel."""
        self._gapped = False
        """Replies may be missing before the next one."""
        self._problem: Problem | None = None
        """Of a value that is not whole."""
        self._done: list[Message] = []

    @property
    def answering(self) -> bool:
        """A reply is arriving, or the command that is owed one may wait for it as long as it likes."""
        first = self._owed.first
        return self._sides[1 - max(self._asks, 0)].arriving or (first is not None and first.kind == BLOCKED)

    @property
    def held_bytes(self) -> int:
        """Of values that are arriving."""
        return sum(side.kept_bytes for side in self._sides)

    def feed(self, chunk: Chunk) -> list[Message]:
        """Commands and replies that end in ``chunk``."""
        if self.lost:
            return []
        if self._asks >= 0:
            self._hear(chunk)
        else:
            self._early.append(chunk)
            said = b"".join(each.data for each in self._early if each.direction == chunk.direction)
            asks = CLIENT if chunk.stream.shaken else direction_of_commands(said, chunk.direction)
            if asks >= 0:
                self._begin(asks)
        done, self._done = self._done, []
        return done

    def close(self, reason: str) -> list[Message]:
        """What the end of the stream cuts short."""
        if self._asks < 0:
            self._begin(CLIENT)
        kind = "connection" if reason in ("reset", "closed") else "dissection"
        self._cut_short(Problem(kind, f"the stream ended inside it ({reason})"))
        self.lost = self.lost or "ended"
        done, self._done = self._done, []
        return done

    def _begin(self, asks: int) -> None:
        """Commands come from direction ``asks``."""
        self._asks = asks
        self._sides[asks].of_requests = True
        early, self._early = self._early, []
        for chunk in early:
            self._hear(chunk)

    def _hear(self, chunk: Chunk) -> None:
        side = self._sides[chunk.direction]
        if self.lost:
            return
        side.feed(chunk, self._found)
        if side.lost:
            self.lost = side.lost
            self._cut_short(Problem("dissection", side.lost))

    def _cut_short(self, problem: Problem) -> None:
        self._problem = problem
        for side in self._sides:
            side.flush(self._found)
        if self._confirmed:
            self._confirm(None)
        self._problem = None

    def _found(self, side: Side) -> None:
        """A value has ended."""
        raw = b"".join(side.parts)  # where one part is all, it is not copied
        problem = self._problem or (_PARTIAL if side.gap else None)
        if side.of_requests:
            self._command(side, raw, problem)
        else:
            self._reply(side, raw, problem)

    def _command(self, side: Side, raw: bytes, problem: Problem | None) -> None:
        name = name_of(raw)
        if not name:
            return  # an empty line or array: nobody answers
        answered = self._owed.ask(name, raw)
        if self._owed.size > MAX_DEBTS:
            side.lost = "too_many_unanswered"
        self._done.append(_message(side, raw, problem, side.after_gap, alone=not answered))

    def _reply(self, side: Side, raw: bytes, problem: Problem | None) -> None:
        self._gapped |= side.after_gap
        owed = self._owed
        first = owed.first
        if raw[:1] == b"+" and owed.monitored and _MONITORED.match(raw):
            self._done.append(_message(side, raw, problem, False, alone=True))
            return
        if (kind := raw[:1]) in (b">", b"*") and (
            kind == b">" or first is None or first.kind == TOLD or owed.subscribed
        ):
            found = _KIND.match(raw)
            word = found[1] if found is not None else b""
            if first is not None and first.kind == TOLD and word == first.word:
                self._confirm(_message(side, raw, problem, self._gapped))
                return
            if kind == b">" or word in PUBLISHED or word in CONFIRMATIONS:
                self._done.append(_message(side, raw, problem, False, alone=True))
                return
        if self._gapped:
            owed.forget_all_but_one()
            if self._confirmed:
                self._confirm(None)
        after_gap, self._gapped = self._gapped, False
        self._done.append(_message(side, raw, problem, after_gap))
        if owed.pay() == SYNC:
            side.lost = "replication"

    def _confirm(self, told: Message | None) -> None:
        """One confirmation more; the last one makes all of them one reply. None: no more will come."""
        if told is not None:
            self._confirmed.append(told)
            self._owed.confirm()
        first = self._owed.first
        if told is not None and first is not None and first.kind == TOLD and first.begun:
            return
        one, *more = self._confirmed
        self._confirmed, self._gapped = [], False
        if more or told is None:
            one = _joined([one, *more], self._limit_bytes, self._problem)
        self._done.append(one)


def _message(side: Side, raw: bytes, problem: Problem | None, after_gap: bool, *, alone: bool = False) -> Message:
    payload = RedisPayload(side.of_requests, raw, side.size_bytes, problem)
    start_ns, end_ns, size_bytes = side.start_ns, side.end_ns, side.size_bytes
    return Message(side.of_requests, side.direction, None, start_ns, end_ns, size_bytes, payload, after_gap, alone)


def _joined(messages: list[Message], limit_bytes: int, problem: Problem | None) -> Message:
    """Several replies as one."""
    first, last = messages[0], messages[-1]
    size_bytes = sum(message.size_bytes for message in messages)
    raw = b"".join(message.payload.raw for message in messages if isinstance(message.payload, RedisPayload))
    payload = RedisPayload(False, raw[:limit_bytes], size_bytes, problem)
    return Message(False, first.direction, None, first.start_ns, last.end_ns, size_bytes, payload, first.after_gap)


ROW = ProtocolRow("redis", TCP, detect, frozenset((6379, 6380, 26379)), Redis, describe)
