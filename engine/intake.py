"""What a worker reads: its sources, from where a predecessor stopped to their ends."""

from __future__ import annotations

import select
import selectors
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence

from engine import clock
from engine.capture.batch import Batch, Source
from engine.capture.live import LiveSource
from engine.capture.sources import LIVE, open_source
from engine.config import Settings
from engine.errors import CaptureError
from engine.segments.resume import Resume


class Intake:
    """Files are read one after the other, interfaces side by side. Owned by the worker's loop."""

    def __init__(
        self,
        settings: Settings,
        descriptors: Mapping[str, int],
        resume: Resume,
        selector: selectors.BaseSelector,
        tell: Callable[[float, str], None],
        *,
        talks: bool,
    ) -> None:
        """``descriptors``: packet sockets by the names of their interfaces, ``packets:eth0``.

        ``tell`` takes the time and a note for the operator; ``talks``: of what several workers see alike, too.

        Raises:
            CaptureError: a source cannot be opened.
        """
        self._selector, self._tell, self._talks = selector, tell, talks
        self._sources = _open_sources(settings, descriptors, resume)
        self.can_wait = all(source.can_wait for source in self._sources)
        """Nothing is lost while they are not read."""
        self._starved = False
        """A pipe that is read has nothing now."""
        self._lost = 0
        """Packets that found no room in the rings of interfaces that are closed."""

    @property
    def over(self) -> bool:
        """There is nothing left to read from."""
        return not self._sources

    @property
    def behind(self) -> bool:
        """An interface has packets from before ``mark``."""
        return any(source.behind for source in self._live())

    def due(self, now_s: float) -> bool:
        """Whether sources that can wait have something by now: by their pace, and where a pipe had nothing."""
        source = self._sources[0]
        return getattr(source, "due_s", 0.0) <= now_s and (not self._starved or _is_readable(source))

    def read(self, now_s: float) -> Iterator[tuple[Source, Batch]]:
        """One batch from each source that has one; sources that have ended are closed.

        Raises:
            CaptureError: nothing is left to read from.
        """
        for source in self._sources[:1] if self.can_wait else list(self._sources):
            try:
                batch = source.read()
            except CaptureError as error:
                self._go_on_without(source, error)
                continue
            while warning := source.take_warning():
                self._tell(now_s, warning)
            self._starved = batch is None and not source.ended and source.fileno() >= 0
            if batch is not None:
                yield source, batch
            elif source.ended:
                self._close(source)

    def _go_on_without(self, source: Source, error: CaptureError) -> None:
        """An interface is gone. Raises ``error`` again where nothing is left to read."""
        self._close(source)
        if self.can_wait or not self._sources:
            raise error
        if self._talks:
            left = ", ".join(other.name for other in self._sources)
            self._tell(clock.monotonic_s(), f"{error}; capture goes on with {left}")

    def _close(self, source: Source) -> None:
        if source.fileno() >= 0 and source.fileno() in self._selector.get_map():
            self._selector.unregister(source.fileno())
        source.close()
        self._sources.remove(source)
        self._lost += source.lost()

    def watch(self) -> None:
        """Have the loop woken by interfaces."""
        for source in self._sources:
            if source.fileno() >= 0 and not source.can_wait:
                self._selector.register(source.fileno(), selectors.EVENT_READ, source)

    def mark(self) -> None:
        """What is in the rings now is the last that will be read."""
        for source in self._live():
            source.mark()

    def _live(self) -> Sequence[LiveSource]:
        return [source for source in self._sources if isinstance(source, LiveSource)]

    def lost(self) -> int:
        """Packets that found no room in a ring, those of closed interfaces as well."""
        return self._lost + sum(source.lost() for source in self._sources)

    def close(self) -> None:
        """Read no more."""
        for source in list(self._sources):
            self._close(source)


def _open_sources(settings: Settings, descriptors: Mapping[str, int], resume: Resume) -> list[Source]:
    first, offset = resume.source, resume.offset
    sources = []
    for index, spec in enumerate(settings.sources):
        if index < first:
            continue
        fd = descriptors.get(f"packets:{spec.removeprefix(LIVE)}")
        if fd is None and spec.startswith(LIVE):
            continue  # it has gone while our predecessor ran
        packet_socket = socket.socket(fileno=fd) if fd is not None else None
        start, start_file_ns = (offset, resume.file_ns) if index == first else (0, 0)
        source = open_source(
            spec,
            index,
            packet_socket=packet_socket,
            pace=settings.pace,
            start=start,
            start_file_ns=start_file_ns,
            follow=settings.follow,
        )
        sources.append(source)
    return sources


def _is_readable(source: Source) -> bool:
    ready = select.poll()
    ready.register(source, select.POLLIN)
    return bool(ready.poll(0))
