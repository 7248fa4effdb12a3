"""A worker's frames in the host: read, taken apart, handed to a hook one entry at a time, acknowledged.

The loop over the entries is what an item costs here beside its decoder and the script (0.7 us): names are local,
nothing is built that an entry does not need.
"""

from __future__ import annotations

import mmap
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from engine.frames.host import (
    ACKNOWLEDGEMENT,
    ENTRY_HEADER,
    FRAME_HEADER,
    KIND_ITEMS,
    KIND_PACKETS,
    KIND_QUERIED,
    KIND_STREAMS,
    PROGRESS,
)
from engine.scripting.budget import Budget
from engine.scripting.calling import Caller
from engine.scripting.fetched import Fetched
from engine.scripting.guards import Stop
from hooks.items import Item, PacketInfo

ACKNOWLEDGE_AFTER_S = 0.05

HOOKS = {
    KIND_ITEMS: "onItemCaptured",
    KIND_PACKETS: "onPacketCaptured",
    KIND_STREAMS: "onStreamClosed",
    KIND_QUERIED: "onItemQueried",
}
_DECODERS: dict[int, Callable[[bytes], Any]] = {
    KIND_ITEMS: Item.decode,
    KIND_PACKETS: msgspec.msgpack.Decoder(PacketInfo).decode,
    KIND_STREAMS: msgspec.msgpack.Decoder(str).decode,
    KIND_QUERIED: Fetched.decode,
}


class LineEnded(Exception):
    """A worker has closed its events socket, or died."""


class Frame(NamedTuple):
    """Entries of one kind."""

    kind: int
    entries: int
    sequence: int
    dropped: int
    """Entries that were thrown away for this script so far."""
    waiting: int
    """Entries behind this frame."""
    body: bytes


class EventsLine:
    """The events socket of one worker, and its place on the progress page."""

    def __init__(self, events: socket.socket, index: int, progress: mmap.mmap) -> None:
        """``index``: of the worker."""
        self.socket, self.index = events, index
        self._page = memoryview(progress).cast("Q")
        assert self._page.itemsize == PROGRESS.size, "one number per worker"
        self.started = 0
        """Entries of it that were begun."""

    def read(self) -> Frame:
        """The next frame.

        Raises:
            LineEnded: the worker is gone.
        """
        head = self._receive(FRAME_HEADER.size)
        size, kind, count, sequence, dropped, waiting = FRAME_HEADER.unpack(head)
        return Frame(kind, count, sequence, dropped, waiting, self._receive(size + 4 - FRAME_HEADER.size))

    def _receive(self, size: int) -> bytes:
        """Exactly ``size`` bytes; at once, unless a signal comes between."""
        data = b""
        while len(data) < size:
            try:
                more = self.socket.recv(size - len(data), socket.MSG_WAITALL)
            except ConnectionResetError:
                more = b""
            if not more:
                raise LineEnded
            data = data + more if data else more
        return data

    def begin(self) -> None:
        """Say on the page that the next entry begins."""
        self.started += 1
        self._page[self.index] = self.started

    def acknowledge(self, sequence: int, done: int, errors: int, aborted: int, matched: int) -> None:
        """Say how far we are.

        Raises:
            LineEnded: nobody reads it any more.
        """
        # The clock of our only thread: that of the process moves in steps of 4 ms while a timer runs on it.
        record = ACKNOWLEDGEMENT.pack(sequence, done, errors, aborted, matched, time.thread_time_ns())
        try:
            self.socket.sendall(record)
        except (BrokenPipeError, ConnectionResetError):
            raise LineEnded from None


class Entries:
    """Calls a hook with each entry of a frame. Nothing that a script raises gets past it."""

    def __init__(self, caller: Caller, budget: Budget, matches: list[bool], between: Callable[[], None]) -> None:
        """``matches`` is filled by filters that match. ``between`` is called after an acknowledgement in mid-frame."""
        self._caller, self._budget, self._matches, self._between = caller, budget, matches, between

    def serve(
        self,
        line: EventsLine,
        frame: Frame,
        hook: Callable[[Any], Any],
        *,
        filtered: bool = False,
        then: Callable[[], None] | None = None,
    ) -> None:
        """All of ``frame``; acknowledged at its end, and after an entry where 50 ms have passed since.

        ``filtered``: each entry has matched a filter before it came. ``then``: before the last acknowledgement.

        Raises:
            LineEnded: nobody reads the acknowledgement.
        """
        budget, caller, matches, body = self._budget, self._caller, self._matches, frame.body
        decode, soft_cpu_s = _DECODERS[frame.kind], caller.soft_cpu_s
        size_at, clock = ENTRY_HEADER.unpack_from, time.monotonic
        position = errors = aborted = matched = 0
        due_s = clock() + ACKNOWLEDGE_AFTER_S
        for done in range(1, frame.entries + 1):
            begin = position + ENTRY_HEADER.size
            position = begin + size_at(body, position)[0]
            line.begin()
            try:
                value = decode(body[begin:position])  # a copy: a script that keeps an item keeps no frame
                budget.begin(soft_cpu_s)
                hook(value)
                budget.end()
            except BaseException as error:
                budget.end()
                errors += 1
                aborted += isinstance(error, Stop)
                caller.complain(HOOKS[frame.kind], error)
            if matches:
                matches.clear()
                matched += 1
            elif filtered:
                matched += 1
            if clock() > due_s and done < frame.entries:
                line.acknowledge(frame.sequence, done, errors, aborted, matched)
                errors = aborted = matched = 0
                self._between()
                due_s = clock() + ACKNOWLEDGE_AFTER_S
        if then is not None:
            then()
        line.acknowledge(frame.sequence, frame.entries, errors, aborted, matched)
