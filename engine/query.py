"""Offline: captures in, items or stream rows out; no disk, no scripts."""

from __future__ import annotations

import itertools
import select
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from engine.capture.batch import Batch, Source
from engine.capture.sources import open_source
from engine.config import Settings
from engine.counters import Counters
from engine.dissect.registry import load_rows
from engine.errors import CaptureError
from engine.items.item import LazyItem
from engine.pipeline import Node, Pipeline
from engine.resolve.static import open_resolver
from engine.streams.rows import stream_row
from engine.streams.stream import Stream

if TYPE_CHECKING:
    from engine.kfl import Filter


class Query:
    """One pass over some sources. Reads as fast as its reader takes."""

    def __init__(self, sources: Sequence[str], settings: Settings, warn: Callable[[str], None]) -> None:
        """Opens every source.

        Raises:
            CaptureError: one of them cannot be read, or is an interface, which has no end.
        """
        for spec in sources:
            if spec.startswith("iface:"):
                raise CaptureError(
                    spec, "something that ends (a file, a folder, - or data:DIR)", "an interface", "use remora run"
                )
        self.counters = Counters()
        self._sources = [open_source(spec, index) for index, spec in enumerate(sources)]
        self._warn = warn
        numbers = itertools.count(1)
        self._pipeline = Pipeline(
            settings.streams,
            settings.dissect,
            load_rows(),
            open_resolver(settings.resolve),
            Node(settings.node.name, settings.node.ip),
            self.counters,
            lambda: next(numbers),
        )

    def items(self, wanted: Filter | None) -> Iterator[LazyItem]:
        """Every item that the filter matches, in the order in which exchanges finish."""
        matches = wanted.matches if wanted is not None else lambda _: True
        pipeline = self._pipeline
        for source in self._sources:
            while (batch := self._next(source)) is not None:
                step = pipeline.packets(batch)
                yield from filter(matches, _let_go(pipeline.items(batch, step)))
                yield from filter(matches, pipeline.expire()[1])
        yield from filter(matches, pipeline.finish()[1])

    def streams(self) -> Iterator[dict[str, object]]:
        """One row per stream, in the order in which they began; after the end of input, because a row has totals."""
        seen: list[Stream] = []
        for source in self._sources:
            while (batch := self._next(source)) is not None:
                seen += self._pipeline.packets(batch).assigned.started
                self._pipeline.expire()
        self._pipeline.finish()
        return (stream_row(stream) for stream in seen)

    def _next(self, source: Source) -> Batch | None:
        """The next batch, waited for where a pipe pauses; ``None`` at the end of the source."""
        while (batch := source.read()) is None and not source.ended:
            if source.fileno() >= 0:
                arrived = select.poll()
                arrived.register(source, select.POLLIN)
                arrived.poll()
        if batch is None:
            if source.warning:
                self._warn(source.warning)
            source.close()
        return batch


def _let_go(items: list[LazyItem]) -> Iterator[LazyItem]:
    """``items``, which is emptied: what was built of an item is freed while the cache still holds it (5 %)."""
    items.reverse()
    while items:
        yield items.pop()
