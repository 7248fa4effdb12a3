"""The worker's part of recording jobs: which streams are to be kept, told to the recorder through the keep journal.

What a stream is kept for is decided here and never asked again: a wish is written once per stream and recording, before
the item that brought it about is stored. Filters are asked by the name of the item's protocol, so that an item costs
nothing for recordings that cannot want it. Fifty recordings that can cost, on a miss, 0.6 of encoding the item.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.counters import Counters, Drop
from engine.items.item import LazyItem
from engine.recording.job import Job
from engine.recording.journal import Keep, KeepJournal
from engine.recording.membership import Membership
from engine.recording.plan import NEVER_NS, Run, next_change_ns, run_at
from engine.recording.published import Reading

REMEMBERED_STREAMS = 1 << 17
"""Of which it is known what they are kept for; a wish that was forgotten is written again, which harms nobody."""
UNWRITTEN_WISHES = 1 << 16
"""That wait for a disk that refuses."""

_log = logging.getLogger(__name__)


class _Due:
    """A job that is on."""

    __slots__ = ("asks", "everything", "from_start", "left", "limit", "matches", "name", "protocols", "run", "text")

    def __init__(self, job: Job, run: Run, left: int | None) -> None:
        compiled = job.compiled
        self.name, self.run, self.from_start, self.text = job.name, run, job.from_start, job.kfl
        self.everything = not job.kfl.strip()
        self.protocols, self.matches, self.asks = compiled.protocols, compiled.matches, bool(compiled.recordings)
        self.limit = compiled.limit or 0
        self.left = left if left is not None else self.limit
        """How many items it may still keep, where it has a limit."""


class Owed(NamedTuple):
    """Who wants what of the traffic now."""

    items: bool
    streams: bool


class Matching:
    """Jobs that are due, as of the last ``refresh``. One per worker."""

    def __init__(self, data: Path, journal: str, counters: Counters) -> None:
        """Keep nothing yet.

        Args:
            data: the data folder.
            journal: name of this worker's keep journal.
            counters: ``recordings_*``.
        """
        self._data, self._path, self._counters = data, data / "keep" / journal, counters
        self._reading, self._membership = Reading(data), Membership(data)
        self._journal: KeepJournal | None = None
        self._due: list[_Due] = []
        self._by_protocol: dict[str, list[_Due]] = {}
        self._change_ns = 0
        self._now_ns = 0
        self._kept: dict[int, dict[str, int]] = {}
        self._unwritten: list[Keep] = []
        self.dropped: list[tuple[str, int]] = []
        """Recording and moment of wishes that found no room; for who tells of them, and empties it."""
        self._complained = False

    @property
    def wants(self) -> Owed:
        """Whether items, and whether streams as they are, may have to be kept."""
        return Owed(
            any(not due.everything for due in self._due),
            any(due.everything for due in self._due),
        )

    @property
    def names(self) -> list[str]:
        """The jobs that are due."""
        return [due.name for due in self._due]

    def refresh(self, now_ns: int) -> None:
        """What is due now. Cheap: looks at a file's time, and at the plans only when something begins or ends.

        Args:
            now_ns: wall clock.
        """
        changed = self._reading.changed()
        if changed or now_ns >= self._change_ns or now_ns < self._now_ns:
            self._choose(now_ns)
        self._now_ns = now_ns
        if any(due.asks for due in self._due):
            self._membership.refresh()
        if self._unwritten:
            wishes, self._unwritten = self._unwritten, []
            self._write(wishes)

    def _choose(self, now_ns: int) -> None:
        before = {(due.name, due.run.number): due.left for due in self._due}
        jobs = self._reading.now.jobs
        self._due = [
            _Due(job, run, before.get((job.name, run.number)))
            for job in jobs
            if (run := run_at(job.plan, now_ns)) is not None
        ]
        self._by_protocol = {}
        self._change_ns = min((next_change_ns(job.plan, now_ns) for job in jobs), default=NEVER_NS)
        self._counters.set("recordings_due", len(self._due))

    # -- streams -------------------------------------------------------------------------------------------------------

    def keep_streams(
        self,
        streams: npt.NDArray[np.uint64],
        times_ns: npt.NDArray[np.int64],
        starts: npt.NDArray[np.int64],
        begun: npt.NDArray[np.bool_],
        now_ns: int,
    ) -> None:
        """For recordings of everything: a stream that begins whole, one that goes on from this batch on.

        Args:
            streams: of a batch, each once.
            times_ns: of its packets, stream by stream.
            starts: where each stream begins among them.
            begun: per stream, whether it begins in this batch.
            now_ns: wall clock.
        """
        if not len(streams):
            return
        first_ns = np.where(begun, 0, np.minimum.reduceat(times_ns, starts))
        for due in self._due:
            if due.everything and due.run.begin_ns <= now_ns < due.run.end_ns:
                pairs = zip(streams.tolist(), first_ns.tolist(), strict=True)
                self._write(
                    [
                        self._wish(due, stream, 0 if due.from_start else from_ns, now_ns)
                        for stream, from_ns in pairs
                        if due.name not in self._kept.get(stream, ())
                    ]
                )

    # -- items ---------------------------------------------------------------------------------------------------------

    def keep_items(self, items: Sequence[LazyItem], now_ns: int) -> None:
        """The streams of those items that a recording wants; each item knows afterwards that it is in one."""
        if not self.wants.items:
            return
        wishes = list(self._wishes(items, now_ns))
        if wishes:
            self._write(wishes)

    def _wishes(self, items: Sequence[LazyItem], now_ns: int) -> Iterator[Keep]:
        matched, by_protocol = 0, self._by_protocol
        for item in items:
            protocol = item["protocol"]["name"]
            asked = by_protocol.get(protocol)
            if asked is None:
                asked = by_protocol[protocol] = self._asked(protocol)
            for due in asked:
                if not due.run.begin_ns <= now_ns < due.run.end_ns:
                    continue
                known = self._recordings(item) if due.asks else ()
                if due.matches(item, known):
                    matched += 1
                    item.recording = item.recording or due.name
                    wish = self._want(due, item, now_ns)
                    if wish is not None:
                        yield wish
        if matched:
            self._counters.add("recordings_matched_total", matched)

    def _asked(self, protocol: str) -> list[_Due]:
        return [due for due in self._due if not due.everything and (due.protocols is None or protocol in due.protocols)]

    def _recordings(self, item: LazyItem) -> set[str]:
        """What this item belongs to, as far as it is known now."""
        stream, at_ns = item.stream.id, item.timestamp_ns
        mine = {name for name, from_ns in self._kept.get(stream, {}).items() if at_ns >= from_ns}
        return mine | self._membership.of(stream, at_ns)

    def _want(self, due: _Due, item: LazyItem, now_ns: int) -> Keep | None:
        from_ns = 0 if due.from_start else item.timestamp_ns
        known_ns = self._kept.get(item.stream.id, {}).get(due.name, NEVER_NS)
        if due.limit:
            if due.left <= 0:
                return None
            due.left -= 1
        elif from_ns >= known_ns:
            return None
        return self._wish(due, item.stream.id, min(from_ns, known_ns), now_ns)

    # -- wishes --------------------------------------------------------------------------------------------------------

    def _wish(self, due: _Due, stream: int, from_ns: int, now_ns: int) -> Keep:
        if stream not in self._kept and len(self._kept) >= REMEMBERED_STREAMS:
            del self._kept[next(iter(self._kept))]
        self._kept.setdefault(stream, {})[due.name] = from_ns
        return Keep(stream, due.name, from_ns, now_ns, due.limit, due.run.number)

    def _write(self, wishes: list[Keep]) -> None:
        if not wishes:
            return
        try:
            if self._journal is None:
                self._path.parent.mkdir(mode=0o700, exist_ok=True)
                self._journal = KeepJournal(self._path, sync=False)
            self._journal.keep_all(wishes)
            self._counters.add("recordings_keeps_total", len(wishes))
            self._complained = False
        except OSError as error:
            self._hold(wishes, error)

    def _hold(self, wishes: list[Keep], error: OSError) -> None:
        """Wishes that the disk does not take wait, as long as there are not too many."""
        room = UNWRITTEN_WISHES - len(self._unwritten)
        self._unwritten += wishes[:room]
        if len(wishes) > room:
            self._counters.drop("recordings", Drop.STORAGE_FULL, len(wishes) - room)
            self.dropped += [(wish.recording, wish.at_ns) for wish in wishes[room:]]
        if not self._complained:
            _log.error("keep_journal_unwritten error=%r; free space in the data folder", str(error))
            self._complained = True
