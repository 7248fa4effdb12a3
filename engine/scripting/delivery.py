"""Items on their way to scripts: one bounded queue per script, a frame or two under way per host, one lease per item.

Items are encoded once; every script gets the same bytes. A frame leaves at once when its host is idle, and collects
until the acknowledgement when it is not (measured in prototypes: p50 60-100 us against 2-3 ms for a fixed linger). What
has become ``AHEAD_ENTRIES`` leaves behind the frame that the host works on, so that a busy host finds its next frame
where it ends one, and does not sleep until we have answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine import clock, kfl
from engine.counters import Counters, Drop
from engine.frames.host import KIND_ITEMS, KIND_PACKETS
from engine.scripting.line import Entry, Line
from engine.scripting.options import ScriptOptions
from engine.scripting.waiting import Waiting
from hooks.items import Item

AHEAD_ENTRIES = 64
"""Worth a frame of their own, however busy the host is: about a batch of packets."""


_FULL = Drop.SCRIPT_QUEUE_FULL.name.lower()


class Leases(Protocol):
    """Who keeps a stream's packets from expiring."""

    def lease(self, stream_id: int) -> None:
        """One more reason to keep the packets of this stream."""

    def release(self, stream_id: int) -> None:
        """One less."""


@dataclass(slots=True)
class _Queue:
    """What waits for one script, whoever hosts it now."""

    script: str
    options: ScriptOptions
    """Those of this script."""
    waiting: Waiting
    hooks: frozenset[str] = frozenset()
    filters: tuple[kfl.Filter, ...] = ()
    """Which items are for the script; empty: all."""
    line: Line | None = None
    """The host that gets the next frame."""
    draining: list[Line] = field(default_factory=list)
    """Predecessors that still work on their last frame."""
    taken: int = 0
    """Entries that were ever put into ``waiting``."""
    done: int = 0
    """Of these, those that were acknowledged or dropped."""
    dropped: int = 0
    """Entries that were thrown away, for the script to know."""
    marked: int = 0
    marks: deque[tuple[int, float]] = field(default_factory=deque)
    """``taken`` and the time, whenever it had grown: so that the age of the oldest entry is known."""

    def lag_s(self, now_s: float) -> float:
        """How long the oldest entry that is not done has been here."""
        while self.marks and self.marks[0][0] <= self.done:
            self.marks.popleft()
        return now_s - self.marks[0][1] if self.marks else 0.0


class Delivery:
    """Every script of this worker. Never raises into the worker, never waits for a script."""

    def __init__(
        self,
        options: ScriptOptions,
        counters: Counters,
        leases: Leases,
        *,
        lossless: bool,
        kill: Callable[[int, str], None],
        compile: Callable[[str], kfl.Filter] = kfl.compile,
    ) -> None:
        """``lossless``: the sources wait while a queue is full; else the newest item is dropped and counted.

        A script that is lossless itself (``scripting.lossless``) loses none until ``scripting.queueMemory`` is full.
        ``compile``: reads the filters of scripts.
        """
        self._compile = compile
        self._options, self._counters, self._leases = options, counters, leases
        self._lossless, self._kill = lossless, kill
        self._queues: dict[str, _Queue] = {}
        self._killed: set[int] = set()

    # -- hosts come and go ---------------------------------------------------------------------------------------------

    def attach(self, script: str, line: Line, hooks: Iterable[str], filters: Sequence[str] = ()) -> None:
        """A host is ready; a predecessor finishes its frame and ends, at once if it has none."""
        if script not in self._queues:
            options = self._options.of(script)
            self._queues[script] = _Queue(script, options, Waiting(options))
            self._show_all_counters(script)
        queue = self._queues[script]
        try:
            self._filter_by(queue, tuple(map(self._compile, filters)))
        except kfl.KflError as error:  # an honest host has compiled it before
            self._stop(line, f"broke the protocol: {error}")
        if queue.line is not None and queue.line.idle:
            queue.line.close()
        elif queue.line is not None:
            queue.draining.append(queue.line)
        queue.line, queue.hooks = line, frozenset(hooks)

    def _show_all_counters(self, script: str) -> None:
        """From zero on: who watches a counter learns of the first by its growth."""
        for name in ("entries", "sent", "delivered", "errors", "soft_aborts", "matched"):
            self._counters.add(f"script_{name}_total{{script={script}}}", 0)
        self._counters.add(f"script_dropped_total{{reason={_FULL},script={script}}}", 0)

    def _filter_by(self, queue: _Queue, filters: tuple[kfl.Filter, ...]) -> None:
        """From now on; what waits was chosen by those before."""
        if filters and filters != queue.filters:
            gone = queue.waiting.leave_out(lambda entry: entry.kind == KIND_ITEMS and not _passes(filters, entry))
            self._drop(queue, gone, Drop.SCRIPT_REPLACED)
        queue.filters = filters

    def detach(self, script: str, host: int, *, successor: bool) -> None:
        """A host is gone; without a successor its script's items are dropped, counted and their leases given back."""
        queue = self._queues.get(script)
        if queue is None:
            return
        for line in self._lines(queue):
            if line.host == host:
                self._lose(queue, line)
        if not successor and queue.line is None and not queue.draining:
            self._drop(queue, queue.waiting.clear(), Drop.SCRIPT_GONE)
            self._tell_levels(queue, 0.0)
            del self._queues[script]

    def lines(self) -> Iterator[Line]:
        """All hosts, for the worker's selector."""
        for queue in self._queues.values():
            yield from self._lines(queue)

    @staticmethod
    def _lines(queue: _Queue) -> list[Line]:
        return [*queue.draining, *([queue.line] if queue.line else [])]

    # -- items in ------------------------------------------------------------------------------------------------------

    def wanted(self, hook: str) -> bool:
        """Whether any script has this hook."""
        return any(hook in queue.hooks for queue in self._queues.values())

    def room(self) -> bool:
        """Whether a source that can wait should be read now."""
        return not any(queue.waiting.full for queue in self._queues.values())

    def put(self, kind: int, hook: str, entries: Iterable[tuple[int, bytes]], without: Container[str] = ()) -> None:
        """Queue ``(stream, blob)`` entries for every script that has ``hook`` and is not one of ``without``.

        Those of a stream take a lease on it.
        """
        fresh = [Entry(kind, 0 if kind == KIND_PACKETS else stream, blob) for stream, blob in entries]
        for queue in self._queues.values():
            if hook in queue.hooks and queue.script not in without:
                self._enqueue(queue, fresh)

    def put_items(self, items: Sequence[tuple[int, bytes, Mapping[str, Any]]]) -> None:
        """Queue ``(stream, blob, item)`` for every script with ``onItemCaptured`` and a matching filter, or none.

        A filter costs 0.1 to 1 µs here, where the sections it looks at are built already; an item costs 3 in a host.
        """
        fresh = [Entry(KIND_ITEMS, stream, blob) for stream, blob, _ in items]
        for queue in self._queues.values():
            if "onItemCaptured" in queue.hooks:
                wanted = fresh
                if queue.filters:
                    matches = [filter.matches for filter in queue.filters]
                    pairs = zip(fresh, items, strict=True)
                    wanted = [entry for entry, (_, _, item) in pairs if any(match(item) for match in matches)]
                    self._counters.add("scripts_filtered_total", len(fresh) - len(wanted))
                self._enqueue(queue, wanted)

    def _enqueue(self, queue: _Queue, entries: list[Entry]) -> None:
        self._count(queue, "entries", len(entries))
        if not self._lossless:
            fitting = queue.waiting.that_fit(entries)
            self._count_dropped(queue, Drop.SCRIPT_QUEUE_FULL, len(entries) - len(fitting))
            entries = fitting
        queue.taken += len(entries)
        lease = self._leases.lease
        for entry in entries:
            if entry.stream:
                lease(entry.stream)
        queue.waiting.add(entries)

    # -- frames out, acknowledgements in -------------------------------------------------------------------------------

    def flush(self, now_s: float) -> None:
        """Begin a frame for every idle host that has something waiting, and one behind it where much waits."""
        for queue in self._queues.values():
            if queue.taken != queue.marked:
                queue.marked = queue.taken
                queue.marks.append((queue.taken, now_s))
            line = queue.line
            while line is not None and line.host not in self._killed and _may_send(line, len(queue.waiting)):
                frame = queue.waiting.take_frame()
                self._count(queue, "sent", len(frame))
                line.send(frame, now_s, queue.dropped, len(queue.waiting))

    def readable(self, line: Line, now_s: float) -> None:
        """A host acknowledged something, or went away."""
        queue = next((queue for queue in self._queues.values() if line in self._lines(queue)), None)
        if queue is None:
            return  # lost a moment ago, by a message that was read before
        acknowledged = line.read(now_s)
        if acknowledged is None:
            self._lose(queue, line)
            return
        self._finish(queue, acknowledged.entries)
        self._count(queue, "errors", acknowledged.errors)
        self._count(queue, "soft_aborts", acknowledged.aborted)
        self._count(queue, "matched", acknowledged.matched)
        if acknowledged.violation:
            self._counters.add("scripts_violations_total")
            self._stop(line, f"broke the protocol: {acknowledged.violation}")
        if line in queue.draining and line.idle:
            queue.draining.remove(line)
            line.close()

    def check_budgets(self, now_s: float) -> None:
        """Ask for the end of every host whose running hook call is over its budget; say how far scripts are behind."""
        for queue in self._queues.values():
            self._tell_levels(queue, now_s)
            own = queue.options
            for line in self._lines(queue):
                if line.host not in self._killed:
                    reason = line.overdue(now_s, own.hook_cpu_s, own.hook_wall_s, own.job_wall_s, clock.cpu_ns_of)
                    if reason:
                        self._stop(line, reason)

    def _tell_levels(self, queue: _Queue, now_s: float) -> None:
        self._counters.set(f"script_queue{{script={queue.script}}}", len(queue.waiting))
        self._counters.set(f"script_lag_ms{{script={queue.script}}}", round(queue.lag_s(now_s) * 1000))

    def give_up(self) -> None:
        """Nothing more is delivered: what waits is dropped and counted."""
        for queue in self._queues.values():
            self._drop(queue, queue.waiting.clear(), Drop.NOT_DELIVERED)

    def idle(self) -> bool:
        """Everything was delivered and acknowledged."""
        return not any(
            queue.waiting or any(not line.idle for line in self._lines(queue)) for queue in self._queues.values()
        )

    def depth(self) -> int:
        """Entries that wait, all scripts together."""
        return sum(len(queue.waiting) for queue in self._queues.values())

    # -- ends ----------------------------------------------------------------------------------------------------------

    def _stop(self, line: Line, reason: str) -> None:
        self._killed.add(line.host)
        self._counters.add("scripts_kills_total")
        self._kill(line.host, reason)

    def _lose(self, queue: _Queue, line: Line) -> None:
        """The host died: what was running is abandoned, what was behind it goes to the successor, first."""
        running, behind = line.unfinished()
        if running is not None:
            self._drop(queue, [running], Drop.ABANDONED)
        queue.waiting.put_back(behind)
        if line in queue.draining:
            queue.draining.remove(line)
        else:
            queue.line = None
        self._killed.discard(line.host)
        line.close()

    def _finish(self, queue: _Queue, entries: list[Entry]) -> None:
        self._release(entries)
        self._count(queue, "delivered", len(entries))
        queue.done += len(entries)

    def _drop(self, queue: _Queue, entries: Iterable[Entry], reason: Drop) -> None:
        gone = list(entries)
        self._release(gone)
        self._count_dropped(queue, reason, len(gone))
        queue.done += len(gone)

    def _count(self, queue: _Queue, name: str, count: int) -> None:
        self._counters.add(f"scripts_{name}_total", count)
        self._counters.add(f"script_{name}_total{{script={queue.script}}}", count)

    def _count_dropped(self, queue: _Queue, reason: Drop, count: int) -> None:
        if not count:
            return
        queue.dropped += count
        self._counters.drop("scripts", reason, count)
        self._counters.add(f"script_dropped_total{{reason={reason.name.lower()},script={queue.script}}}", count)

    def _release(self, entries: list[Entry]) -> None:
        release = self._leases.release
        for entry in entries:
            if entry.stream:
                release(entry.stream)


def _may_send(line: Line, waiting: int) -> bool:
    return waiting > 0 and (line.idle or (waiting >= AHEAD_ENTRIES and not line.busy))


def _passes(filters: Iterable[kfl.Filter], entry: Entry) -> bool:
    item: Any = Item.decode(entry.blob)
    return any(filter.matches(item) for filter in filters)
