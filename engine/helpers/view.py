"""``pcaps/``: a read-only view in every work folder; reading a stream's PCAP there makes it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import NoSuchStream
from engine.helpers.confine import WorkPathError, parts_of
from engine.helpers.folder import Draft, WorkFolder
from engine.helpers.streams import Streams

VIEW = "pcaps"
_NAME = re.compile(r"(?P<id>[0-9]{1,18})(?P<kind>_udp|_sctp|_icmp)?(\.pcap)?", re.ASCII)


def stream_of(name: str) -> int:
    """The number in a stream's name; a bare number and a path in the view are understood too.

    Raises:
        NoSuchStream: no stream's name.
    """
    return int(_match(name)["id"])


def view_path(name: str) -> str:
    """``pcaps/000000000144_udp.pcap``: where a script reads the stream of this name.

    Raises:
        NoSuchStream: no stream's name.
    """
    match = _match(name)
    return f"{VIEW}/{int(match['id']):012d}{match['kind'] or ''}.pcap"


def _match(name: str) -> re.Match[str]:
    match = _NAME.fullmatch(name.removeprefix(f"{VIEW}/"))
    if not match or int(match["id"]) == 0:
        raise NoSuchStream(name[:300])
    return match


def in_view(parts: tuple[str, ...]) -> bool:
    """Whether a path lies in the view rather than in the folder."""
    return parts[:1] == (VIEW,)


def writable(path: str) -> tuple[str, ...]:
    """The parts of a path that may be changed.

    Raises:
        WorkPathError: it lies in the view.
        PathEscape: it leaves the folder.
    """
    parts = parts_of(path)
    if in_view(parts):
        raise WorkPathError(path, f"{VIEW}/ is a read-only view of the streams; copy the file and change the copy")
    return parts


class Reading:
    """Opens what a script may read: its own files, and streams through the view."""

    def __init__(self, folder: WorkFolder, streams: Streams) -> None:
        self._folder, self._streams = folder, streams

    @contextmanager
    def stream(self, name: str) -> Iterator[Draft]:
        """A stream's PCAP as a draft that can be published.

        Raises:
            PcapExpired, NoSuchStream: there is none, or none any more.
        """
        number = stream_of(name)
        with self._folder.draft() as draft:
            self._streams.materialise(number, draft.descriptor, self._folder.limit.bytes)
            yield draft

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """A descriptor to read from.

        Raises:
            PathEscape, WorkPathError, PcapExpired, NoSuchStream, OSError: not readable.
        """
        parts = parts_of(path)
        if not in_view(parts):
            with self._folder.opened(parts, os.O_RDONLY) as descriptor:
                yield descriptor
        elif len(parts) != 2:
            raise WorkPathError(path, "expected a stream such as pcaps/000000000144.pcap")
        else:
            with self.stream(parts[1]) as draft:
                yield draft.descriptor
