"""Offline: captures, recordings or the segments of a data folder in, items or stream rows out; no scripts."""

from __future__ import annotations

import itertools
import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.capture.batch import Batch, Source
from engine.capture.folder import CaptureSequence
from engine.capture.sources import DATA, open_source
from engine.clock import NS_PER_S
from engine.config import Settings
from engine.counters import Counters
from engine.decode.columns import Columns
from engine.dissect.registry import load_rows
from engine.dissect.tls_keylog import KeyRing
from engine.errors import CaptureError
from engine.items.item import LazyItem
from engine.keylog import read_once
from engine.opening import Opened
from engine.pipeline import Node, Pipeline, Step
from engine.recording.estimate import Estimate, Result
from engine.resolve.options import TargetOptions
from engine.resolve.resolver import Resolver
from engine.resolve.static import open_resolver
from engine.resolve.targets import Targets
from engine.segments.replay import Packets, Replay
from engine.shipping.address import destination_text
from engine.streams.register import Records, by_id
from engine.streams.rows import stream_row
from engine.streams.stored import Stored
from engine.units import ALWAYS, Span

if TYPE_CHECKING:
    from engine.archive.reading import Archive
    from engine.archive.recorded import Recorded
    from engine.kfl import Filter
    from engine.kfl.needs import Needs

NS_PER_MS = 1_000_000
Item = Mapping[str, Any]


class _Lane(NamedTuple):
    """A source whose packets go through one pipeline, one after the other."""

    source: Source
    pipeline: int
    recordings: tuple[str, ...]
    """Those that its items belong to."""


class Query:
    """One pass over some sources. Reads as fast as its reader takes."""

    def __init__(
        self,
        sources: Sequence[str],
        settings: Settings,
        warn: Callable[[str], None],
        last_s: float | None = None,
        *,
        span: Span = ALWAYS,
        dissect: bool = False,
    ) -> None:
        """Opens every source.

        Args:
            sources: captures, tars, recordings in folders and buckets; or one ``data:DIR``, whose streams keep their
                numbers.
            settings: how to dissect, and the key of a service account for buckets.
            warn: told what is missing from the answer.
            last_s: of a data folder, only items that began within so long before its newest packet.
            span: of everything, only items that began in it; of recordings, no more is read than that needs.
            dissect: make items of a recording's packets anew, where it has some already.

        Raises:
            CaptureError: one of them cannot be read, or is an interface, which has no end.
            DestinationMisconfigured: there are no credentials for a bucket.
        """
        _check(sources)
        self.counters = Counters()
        self._warn, self._span = warn, span
        self._replay: Replay | None = None
        self._data: Path | None = None
        self._destination = destination_text(settings.shipping)
        self._lanes: list[_Lane] = []
        self._belongs: tuple[str, ...] = ()
        """The recordings whose items are being read."""
        specs = [] if sources[0].startswith(DATA) else sources
        self._opened = Opened(specs, settings.shipping.key_json, dissect=dissect)
        if sources[0].startswith(DATA):
            self._data = Path(sources[0].removeprefix(DATA))
            self._replay = _open_replay(sources[0], last_s)
        for index, spec in enumerate(self._opened.captures):
            self._lanes.append(_Lane(open_source(spec, index), 0, ()))
        numbers = itertools.count(1)
        self._keys = KeyRing()
        read_once(settings.tls, self._keys)
        rows, resolver = load_rows(keys=self._keys), open_resolver(settings.resolve)
        node = Node(settings.node.name, settings.node.ip)
        targets = _targets(settings.targets, resolver)
        self._new_pipeline: Callable[[], Pipeline] = lambda: Pipeline(
            settings.streams, settings.dissect, rows, resolver, node, self.counters, lambda: next(numbers), targets
        )
        self._recorded: Recorded | None = None
        self._pipelines: dict[int, Pipeline] = {}
        """By worker whose segments are read; captures need one alone, recordings one for each node."""
        self._protocols: frozenset[str] | None = None
        """Those that the filter can match at all; the others are not dissected."""

    def rows(self, wanted: Filter | None) -> Iterator[Item]:
        """What is to be shown of all items: as many as the filter's ``limit()`` says, ``redact()`` obeyed.

        Raises:
            CaptureError, StorageError: a source cannot be read to its end.
        """
        for item in self.matching(wanted):
            shown = item if wanted is None else wanted.apply(item, self.recordings_of(item))[1]
            yield item.whole() if isinstance(item, LazyItem) and shown is item else shown

    def matching(self, wanted: Filter | None) -> Iterator[Item]:
        """Items that the filter matches, recorded ones first, as many as its ``limit()`` says; with all they hold.

        Raises:
            CaptureError, StorageError: a source cannot be read to its end.
        """
        self.ask_recordings(wanted)
        items = itertools.chain(self.recorded(wanted), self.items(wanted))
        return itertools.islice(items, None if wanted is None else wanted.limit)

    @property
    def recordings(self) -> int:
        """How many recordings are read, each counted in each source that has it: one item may be in several."""
        return sum(len({batch.manifest.recording for batch in archive.batches}) for archive in self._opened.archives)

    def ask_recordings(self, wanted: Filter | None) -> None:
        """Let the filter ask about recordings, where packets are those of a data folder.

        Raises:
            StorageError: what is known of recordings cannot be read.
        """
        if wanted is None or not wanted.recordings or self._data is None:
            return
        from engine.archive.recorded import Recorded  # here and not above: it takes the filter language along

        self._recorded = Recorded(self._data, wanted.recordings, self._destination)
        for warning in self._recorded.warnings():
            self._warn(warning)

    def recordings_of(self, item: Item) -> set[str]:
        """The recordings that the item which was given last belongs to, where the filter asks about any."""
        return self._recorded.of(item) if self._recorded is not None else set(self._belongs)

    def recorded(self, wanted: Filter | None) -> Iterator[Item]:
        """What the filter matches of the recordings that it asks about, as it was recorded; to be taken first."""
        if self._recorded is None or wanted is None:
            return
        since_ns = self._replay.since_ns if self._replay is not None else 0
        for item, names in self._recorded.items(since_ns):
            if self._in_span(item) and wanted.matches(item, names):
                yield item

    def items(self, wanted: Filter | None) -> Iterator[Item]:
        """Every item that the filter matches, without those of ``recorded``.

        Of recordings batch by batch, else in the order in which exchanges finish.
        """
        try:
            yield from self._all_items(wanted)
        finally:
            self._opened.close()

    def _all_items(self, wanted: Filter | None) -> Iterator[Item]:
        self._protocols = wanted.protocols if wanted is not None else None
        for archive in self._opened.archives:
            yield from self._archived(archive, wanted)
        for pipeline, batch, step in self._steps():
            matches = self._in_time(self._matches(wanted))
            for items in pipeline.items(batch, step):
                yield from filter(matches, _let_go(items))
            yield from filter(matches, pipeline.expire()[1])
        for key, pipeline in self._pipelines.items():
            self._belongs = next((lane.recordings for lane in self._lanes if lane.pipeline == key), ())
            yield from filter(self._in_time(self._matches(wanted)), pipeline.finish()[1])

    def _archived(self, archive: Archive, wanted: Filter | None) -> Iterator[Item]:
        """Items of a recording; where it has none, its packets become lanes."""
        needs = self._needs(wanted)
        for item, recording in archive.items(needs):
            self._belongs = (recording,)
            if self._in_span(item) and (wanted is None or wanted.matches(item, self._belongs)):
                yield item
        for found in archive.packets(needs, self._opened.new_folder("packets"), self._warn):
            number = 1 + max((lane.pipeline for lane in self._lanes), default=0)
            paths = [str(path) for path in found.paths]
            source = CaptureSequence(archive.where, paths, len(self._lanes), shown=found.shown)
            self._lanes.append(_Lane(source, number, (found.recording,)))

    def _needs(self, wanted: Filter | None) -> Needs:
        from engine.kfl.needs import needs_of  # here and not above: most queries have no filter

        needs = needs_of(wanted)
        since_ms, until_ms = self._span
        return needs._replace(since_ms=max(needs.since_ms, since_ms), until_ms=min(needs.until_ms, until_ms))

    def _in_span(self, item: Item) -> bool:
        if self._span == ALWAYS:
            return True
        began_ms = item["timestamp"]
        return isinstance(began_ms, int) and self._span.since_ms <= began_ms <= self._span.until_ms  # it may be hidden

    def _matches(self, wanted: Filter | None) -> Callable[[LazyItem], bool]:
        """For items of the lane that is being read."""
        recorded, belongs = self._recorded, self._belongs
        if belongs:
            return partial(_matches_of, belongs, wanted)
        if wanted is None:
            return lambda _: True
        if recorded is None:
            return wanted.matches

        def matches(item: LazyItem) -> bool:
            names = recorded.of(item)
            item.recording = min(names & wanted.recordings, default="")
            return wanted.matches(item, names) and not recorded.was_read(item)

        return matches

    def _in_time(self, matches: Callable[[LazyItem], bool]) -> Callable[[LazyItem], bool]:
        since_ns = self._replay.since_ns if self._replay is not None else 0
        if self._span != ALWAYS:
            return lambda item: item.timestamp_ns >= since_ns and self._in_span(item) and matches(item)
        return (lambda item: item.timestamp_ns >= since_ns and matches(item)) if since_ns else matches

    def estimate(self, wanted: Filter, from_start: bool) -> Result:
        """What a recording with this filter would have got; an empty one needs no dissection."""
        everything = not wanted.text.strip()
        estimate = Estimate(everything=everything, from_start=from_start, limit=wanted.limit)
        matches = self._in_time(self._matches(wanted))
        for pipeline, batch, step in self._steps():
            columns = step.columns
            estimate.packets(step.assigned.stream_ids, columns.timestamp_ns, columns.captured_length)
            if everything:
                pipeline.skip(batch, step)
                continue
            for items in pipeline.items(batch, step):
                _look_at(estimate, items, matches)
            _look_at(estimate, pipeline.expire()[1], matches)
        for pipeline in () if everything else self._pipelines.values():
            _look_at(estimate, pipeline.finish()[1], matches)
        return estimate.result()

    def streams(self) -> Iterator[dict[str, object]]:
        """One row per stream, in the order in which they began; after the end of input, because a row has totals."""
        for archive in self._opened.archives:
            yield from archive.rows()
        ended: list[Records] = []
        for pipeline, _, step in self._steps():
            ended += [step.assigned.ended.records, pipeline.expire()[0]]
        ended += [pipeline.finish()[0] for pipeline in self._pipelines.values()]
        yield from map(stream_row, by_id(ended))

    def _steps(self) -> Iterator[tuple[Pipeline, Batch, Step]]:
        for source, number, recordings in self._lanes:
            pipeline = self._pipeline(number)
            self._belongs = recordings
            while (batch := self._next(source)) is not None:
                for key_log in source.take_key_logs():
                    self._keys.add(key_log)
                yield pipeline, batch, pipeline.packets(batch)
        if self._replay is not None:
            for packets in self._replay.packets():
                pipeline = self._pipeline(packets.worker)
                step = pipeline.packets(packets.batch, self._stored(self._replay, packets))
                yield pipeline, packets.batch, step
            if self._replay.gone:
                self._warn(_gone(len(self._replay.gone)))

    def now_ms(self) -> int:
        """The capture clock, which is what ``now()`` means in a filter; of a recording, its newest packet."""
        clocks = [pipeline.capture_ns for pipeline in self._pipelines.values()]
        clocks += [batch.manifest.last_packet_ns for archive in self._opened.archives for batch in archive.batches]
        return max(clocks, default=0) // NS_PER_MS

    def _pipeline(self, worker: int) -> Pipeline:
        if worker not in self._pipelines:
            self._pipelines[worker] = self._new_pipeline()
            self._pipelines[worker].want(self._protocols)
        return self._pipelines[worker]

    @staticmethod
    def _stored(replay: Replay, packets: Packets) -> Callable[[Columns], Stored]:
        ids = packets.stream_ids
        return lambda columns: Stored(ids, replay.from_client(columns, ids))

    def _next(self, source: Source) -> Batch | None:
        """The next batch, waited for where a pipe pauses; ``None`` at the end of the source."""
        while (batch := source.read()) is None and not source.ended:
            if source.fileno() >= 0:
                arrived = select.poll()
                arrived.register(source, select.POLLIN)
                arrived.poll()
        while warning := source.take_warning():
            self._warn(warning)
        if batch is None:
            source.close()
        return batch


def _matches_of(recordings: tuple[str, ...], wanted: Filter | None, item: LazyItem) -> bool:
    """Of packets in a recording that are taken apart now."""
    item.recording = recordings[0]
    return wanted is None or wanted.matches(item, recordings)


def _look_at(estimate: Estimate, items: list[LazyItem], matches: Callable[[LazyItem], bool]) -> None:
    for item in _let_go(items):
        protocol = item["protocol"]["name"]
        estimate.item(item.stream.id, item.timestamp_ns, protocol, matched=matches(item))


def _let_go(items: list[LazyItem]) -> Iterator[LazyItem]:
    """``items``, which is emptied: what was built of an item is freed while the cache still holds it (5 %)."""
    items.reverse()
    while items:
        yield items.pop()


def _targets(options: TargetOptions, resolver: Resolver) -> Targets | None:
    if not options.chosen:
        return None
    from engine.kfl.patterns import compile_pattern  # here and not above: most queries have no such filter

    return Targets(options, resolver, compile_pattern(options.regex))


def _check(sources: Sequence[str]) -> None:
    for spec in sources:
        if spec.startswith("iface:"):
            raise CaptureError(
                spec, "something that ends (a file, a folder, - or data:DIR)", "an interface", "use remora run"
            )
        if spec.startswith(DATA) and len(sources) > 1:
            raise CaptureError(spec, "a data folder alone: its streams keep their numbers", "other sources beside it")


def _open_replay(spec: str, last_s: float | None) -> Replay:
    data = Path(spec.removeprefix(DATA))
    if not (data / "instance.json").is_file():
        raise CaptureError(spec, "a data folder of Remora", "none", "remora run makes one")
    return Replay(data, None if last_s is None else int(last_s * NS_PER_S))


def _gone(count: int) -> str:
    if count == 1:
        return "1 segment expired before it was read; streams in it have gaps"
    return f"{count} segments expired before they were read; streams in them have gaps"
