"""What waits for one script: entries in order, and how many bytes they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from engine.frames.host import ENTRY_HEADER, MAX_FRAME_BYTES, MAX_FRAME_ENTRIES
from engine.scripting.line import Entry
from engine.scripting.options import ScriptOptions


class Waiting:
    """A queue that knows what still fits. Owned by its script's ``Delivery``."""

    def __init__(self, options: ScriptOptions) -> None:
        """``options``: those of the script."""
        self._options = options
        self._entries: deque[Entry] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    @property
    def full(self) -> bool:
        """A source that can wait should wait."""
        return len(self._entries) >= self._options.queue_items or self._bytes >= self._options.queue_bytes

    def that_fit(self, entries: list[Entry]) -> list[Entry]:
        """The first of ``entries``, as many as there is room for where the source does not wait."""
        options = self._options
        if not options.lossless:
            entries = entries[: max(options.queue_items - len(self._entries), 0)]
        room = options.queue_bytes - self._bytes
        if _size(entries) <= room:
            return entries
        for count, entry in enumerate(entries):
            room -= len(entry.blob)
            if room < 0:
                return entries[:count]
        return entries

    def add(self, entries: list[Entry]) -> None:
        """Behind all others."""
        self._entries.extend(entries)
        self._bytes += _size(entries)

    def put_back(self, entries: list[Entry]) -> None:
        """Before all others, in their order: they were under way to a host that died."""
        self._entries.extendleft(reversed(entries))
        self._bytes += _size(entries)

    def take_frame(self) -> list[Entry]:
        """The next entries, all of one kind and as many as fit a frame."""
        waiting, taken, size_bytes = self._entries, list[Entry](), 0
        kind = waiting[0].kind
        while waiting and len(taken) < MAX_FRAME_ENTRIES:
            entry = waiting[0]
            size_bytes += len(entry.blob) + ENTRY_HEADER.size
            if entry.kind != kind or (taken and size_bytes > MAX_FRAME_BYTES // 2):
                break
            taken.append(waiting.popleft())
        self._bytes -= _size(taken)
        return taken

    def leave_out(self, unwanted: Callable[[Entry], bool]) -> list[Entry]:
        """Take what is ``unwanted`` out of the queue."""
        gone = [entry for entry in self._entries if unwanted(entry)]
        left = set(map(id, gone))
        self._entries = deque(entry for entry in self._entries if id(entry) not in left)
        self._bytes -= _size(gone)
        return gone

    def clear(self) -> list[Entry]:
        """Take everything out."""
        return self.leave_out(lambda _: True)


def _size(entries: list[Entry]) -> int:
    return sum([len(entry.blob) for entry in entries])
