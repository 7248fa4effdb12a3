"""The ``pcap`` helper: a stream's path, snapshots, and the wish to keep a stream."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from engine.clock import NS_PER_S
from engine.counters import Counters
from engine.errors import NoSuchStream, PcapExpired
from engine.helpers.calls import CallRefused, helper
from engine.helpers.confine import WorkPathError, parts_of
from engine.helpers.folder import WorkFolder
from engine.helpers.merge import Merge
from engine.helpers.streams import Streams
from engine.helpers.view import VIEW, Reading, in_view, stream_of, view_path
from engine.recording.journal import Change

_RECORDING = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
MAX_RECORDINGS = 64
"""Names that one script may use while its process lives: each stream is copied into each of its recordings."""
_REMEMBERED_KEEPS = 65_536
"""Wishes that are known to stand in the journal; a forgotten one is written again, which harms nobody."""


class Journal(Protocol):
    """Where wishes are kept (``engine.recording.journal.KeepJournal``); durable when a method returns."""

    def keep(self, stream: int, recording: str, from_ns: int, at_ns: int) -> None:
        """Keep a stream's packets from ``from_ns`` to its end."""

    def seal(self, recording: str, at_ns: int) -> None:
        """Close the open batches of a recording."""

    def change(self, change: Change) -> None:
        """Make a recording job, or end it."""


class Keeping:
    """What scripts asked to keep; one for all of them and for every thread, since there is one journal."""

    def __init__(self, journal: Journal, counters: Counters) -> None:
        self._journal, self._counters, self._lock = journal, counters, threading.Lock()
        self._kept: OrderedDict[tuple[int, str], None] = OrderedDict()

    def keep(self, stream: int, recording: str, at_ns: int) -> None:
        """Write the wish, once."""
        with self._lock:
            wish = (stream, recording)
            if wish not in self._kept:
                self._journal.keep(stream, recording, 0, at_ns)
                self._counters.add("broker_keeps_total")
                self._kept[wish] = None
                if len(self._kept) > _REMEMBERED_KEEPS:
                    self._kept.popitem(last=False)

    def seal(self, recording: str, at_ns: int) -> None:
        """Ask for the recording's open batches to be closed."""
        with self._lock:
            self._journal.seal(recording, at_ns)

    def change(self, operation: str, by: str, given: Mapping[str, Any], at_ns: int) -> None:
        """Ask for a recording job, or for its end."""
        with self._lock:
            self._journal.change(Change(operation, by, dict(given), at_ns))


class Pcap:
    """One script's view of streams. What is kept is kept durably before the call returns."""

    def __init__(
        self,
        folder: WorkFolder,
        reading: Reading,
        streams: Streams,
        keeping: Keeping,
        names: Callable[[], Mapping[str, Mapping[str, Any]]],
        wall_ns: Callable[[], int],
    ) -> None:
        """``names``: what each address was called, by the second since which."""
        self._folder, self._reading, self._streams, self._keeping = folder, reading, streams, keeping
        self._names, self._wall_ns = names, wall_ns
        self._recordings: set[str] = set()

    @helper("pcap.path")
    def path(self, stream: str | int) -> str:
        """Where a script reads this stream's PCAP."""
        return view_path(str(stream))

    @helper("pcap.snapshot", slow=True, once=True)
    def snapshot(self, selected: list[str] | None = None, folder: str | None = None) -> str:
        """Merge streams, or the ``.pcap`` files of a work folder, in the order of time; the new file's name.

        Args:
            selected: streams, or files of ``folder``; none: all of them.
            folder: a folder of the script; none: the streams.
        """
        parts, chosen = parts_of(folder or VIEW), selected or []
        with self._folder.draft() as spool, self._folder.draft() as draft:
            merge = Merge(spool.descriptor, self._folder.limit.bytes)
            for path in self._paths(parts, chosen):
                with contextlib.suppress(*(() if chosen else (PcapExpired, NoSuchStream))):  # gone since it was listed
                    self._add(merge, path)
            merge.write(draft.descriptor)
            return self._folder.publish_as(draft, str(self._wall_ns() // NS_PER_S), ".pcap")

    def _add(self, merge: Merge, path: str) -> None:
        with self._reading.opened(path) as descriptor:
            merge.add(path, descriptor)

    def _paths(self, parts: tuple[str, ...], selected: list[str]) -> Iterable[str]:
        """The files to merge, each once."""
        if in_view(parts):
            return dict.fromkeys(view_path(name) for name in selected or self._streams.names())
        if not self._folder.is_folder(parts):
            raise WorkPathError("/".join(parts), "expected a folder")
        if selected:
            return dict.fromkeys("/".join((*parts, *parts_of(name))) for name in selected)
        depth = len(parts) + 1
        return ["/".join(p) for p, _ in self._folder.files(parts) if len(p) == depth and p[-1].endswith(".pcap")]

    @helper("pcap.record", slow=True)
    def record(self, stream: str | int, recording: str) -> None:
        """Keep this stream, from its first stored packet to its end, in a recording."""
        number, name = stream_of(str(stream)), _recording("pcap.record", recording)
        if name not in self._recordings and len(self._recordings) >= MAX_RECORDINGS:
            raise CallRefused("pcap.record", f"expected at most {MAX_RECORDINGS} recordings, got another, {name!r}")
        self._streams.expect(number)
        self._recordings.add(name)
        self._keeping.keep(number, name, self._wall_ns())

    @helper("pcap.seal", slow=True)
    def seal(self, recording: str) -> None:
        """Close a recording's open batch now, so that it is shipped."""
        self._keeping.seal(_recording("pcap.seal", recording), self._wall_ns())

    @helper("pcap.nameResolutionHistory")
    def name_resolution_history(self) -> Mapping[str, Mapping[str, Any]]:
        """``{unix seconds: {address or address:port: {FullAddress, Namespace}}}``."""
        return self._names()


def _recording(name: str, recording: str) -> str:
    if not _RECORDING.fullmatch(recording):
        reason = "expected a recording's name of 1 to 64 letters, digits, '.', '_' and '-'"
        raise CallRefused(name, f"{reason}, got {recording[:100]!r}")
    return recording
