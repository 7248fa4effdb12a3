"""The worker: packets in, segments and items out, items on to the scripts. Waits for nobody but a source that can wait.

Write before tell: the packets and extents of a batch are in the segment before any item of it leaves.
"""

from __future__ import annotations

import math
import selectors
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from engine import clock, keylog, kfl
from engine.capture.batch import Batch, Source
from engine.counters import Drop
from engine.cycles import Cycles
from engine.decode.columns import FRAGMENT
from engine.dissect.builtin import prepare
from engine.dissect.registry import load_rows
from engine.dissect.tls_keylog import KeyRing
from engine.errors import CaptureError
from engine.frames.control import (
    AttachHost,
    Begin,
    DetachHost,
    Drained,
    Failed,
    KillHost,
    Queried,
    Quit,
    StopIntake,
    Wanted,
)
from engine.frames.host import KIND_PACKETS, KIND_QUERIED, KIND_STREAMS, QUERIED_HEADER
from engine.intake import Intake
from engine.items.encoding import packet_blob, queried_items
from engine.items.interest import Interest
from engine.items.item import LazyItem
from engine.kfl.patterns import compile_pattern
from engine.pipeline import Node, Pipeline, Step
from engine.process import Child, run
from engine.recording.gap_log import GapLog
from engine.recording.matching import Matching
from engine.resolve.static import open_resolver
from engine.resolve.targets import Targets, overruled
from engine.scripting.delivery import Delivery
from engine.scripting.ended import EndedStreams
from engine.scripting.line import Line
from engine.segments.copied import Copied, keep_sizes
from engine.segments.folder import StreamIds
from engine.segments.items import ItemShelf
from engine.segments.member import Member
from engine.segments.resume import Resume, last_stored_ns
from engine.segments.shelf import Shelf
from engine.streamlog import ends_of, seen_by_id
from engine.streams.register import Records

IDLE_S = 0.05
"""Longest sleep: also the latency of a budget check."""
BUDGET_STEP_S = 0.05
EXPIRY_STEP_S = 0.5
LAST_READ_S = 5.0
"""How long a backlog is still read after a stop."""
READ_BYTES = 4 << 20
"""More than one batch of a file; so much room must be on the shelf before the next is read."""


class Worker:
    """One capture worker; the loop is ``run``."""

    def __init__(self, child: Child) -> None:
        self._child, self._settings, self._counters = child, child.settings, child.counters
        self._member = member = Member(child.start.worker, child.start.workers)
        self._resume = Resume(child.data / "keep" / f"worker-{member.index}.resume", child.start.run_id)
        self._selector = selectors.DefaultSelector()
        self._selector.register(child.endpoint, selectors.EVENT_READ)
        talks, selector = member.index == 0, self._selector
        self._intake = Intake(self._settings, child.descriptors, self._resume, selector, child.report, talks=talks)
        self._lossless = self._intake.can_wait
        resolver = self._resolver = open_resolver(self._settings.resolve)
        options = self._settings.targets
        filtered = options.chosen and not overruled(options, self._settings.sources, self._settings.capture.bpf)
        self._keys = KeyRing()
        self._key_log = keylog.follow(self._settings.tls, self._keys)
        rows = load_rows(keys=self._keys)
        prepare()
        self._cycles = Cycles(self._counters)
        child.up()
        now_s = clock.monotonic_s()
        whole = self._settings.storage
        storage = replace(
            whole,
            storage_limit_bytes=whole.storage_limit_bytes // member.count,
            window_bytes=whole.window_bytes // member.count,
        )
        self._shelf = Shelf(child.data, storage, self._counters, now_s, member)
        if self._lossless:
            self._resume.begin(child.data / "segments", self._shelf.place)
        last_ns = last_stored_ns(child.data / "segments", member.index)
        self._gaps = GapLog(child.data / "keep", member.index, last_ns, live=not self._lossless)
        self._items = ItemShelf(child.data, storage, self._counters, member)
        node = Node(child.start.node, self._settings.node.ip)
        self._pipeline = Pipeline(
            self._settings.streams,
            self._settings.dissect,
            rows,
            resolver,
            node,
            self._counters,
            StreamIds(child.data, member).next,
            Targets(options, resolver, compile_pattern(options.regex)) if filtered else None,
        )
        filters = self._settings.filters
        self._delivery = Delivery(
            self._settings.scripts,
            self._counters,
            self._shelf,
            lossless=self._lossless,
            kill=self._ask_to_kill,
            compile=partial(kfl.compile, dialect=filters.dialect, macros=filters.macros),
        )
        self._matching = Matching(child.data, f"worker-{member.index}.log", self._counters)
        self._ended = EndedStreams()
        self._interest, self._dissecting = Interest(self._settings.dissect), False
        self._reading = self._stopped = self._input_ended = self._drained = self._over = False
        self._stopping = False
        """Intake was stopped: packets that were in the ring at that time are still read."""
        self._due_s = {"budgets": now_s, "expiry": now_s}

    # -- the loop ------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until the supervisor says ``Quit``."""
        while not self._over:
            self._wait()
            now_s = clock.monotonic_s()
            if self._may_read(now_s):
                self._read(now_s)
            self._delivery.flush(now_s)
            self._tick(now_s)
            self._child.report(now_s)

    def _wait(self) -> None:
        """Sleep until something can be done: a packet, an acknowledgement, a message."""
        self._watch_lines()
        busy = self._lossless and self._may_read(clock.monotonic_s())
        for key, _ in self._selector.select(0 if busy else IDLE_S):
            if key.fileobj is self._child.endpoint:
                self._on_message()
            elif isinstance(key.fileobj, Line):
                key.fileobj.write()
                self._delivery.readable(key.fileobj, clock.monotonic_s())

    def _may_read(self, now_s: float) -> bool:
        """Live capture never waits; a source that can wait does, for scripts, for disk space, for its pace."""
        if not self._reading or self._intake.over or not self._lossless:
            return self._reading
        return self._intake.due(now_s) and self._delivery.room() and self._shelf.has_room(READ_BYTES, now_s)

    def _watch_lines(self) -> None:
        """Watch exactly the hosts there are, for writing only where a frame is stuck."""
        wanted = {
            line: selectors.EVENT_READ | (selectors.EVENT_WRITE if line.wants_write else 0)
            for line in self._delivery.lines()
        }
        for key in [key for key in self._selector.get_map().values() if isinstance(key.fileobj, Line)]:
            assert isinstance(key.fileobj, Line), "selected above"
            events = wanted.pop(key.fileobj, 0)
            if not events:
                self._selector.unregister(key.fileobj)
            elif events != key.events:
                self._selector.modify(key.fileobj, events)
        for line, events in wanted.items():
            self._selector.register(line, events)

    # -- packets -------------------------------------------------------------------------------------------------------

    def _read(self, now_s: float) -> None:
        for source, batch in self._intake.read(now_s):
            self._take_keys(source, now_s)
            self._take(batch, now_s)
        if self._intake.over:
            self._stop()

    def _take_keys(self, source: Source, now_s: float) -> None:
        """Secrets of TLS sessions, before the packets that they decrypt: a client writes them while it shakes hands."""
        for key_log in source.take_key_logs():
            self._keys.add(key_log)
        note = self._key_log.refresh(now_s) if self._key_log else ""
        if note and self._member.index == 0:  # the others see the same
            self._child.report(now_s, note)

    def _take(self, batch: Batch, now_s: float) -> None:
        step = self._pipeline.packets(batch)
        assigned = step.assigned
        seen = seen_by_id(assigned.records)
        timestamp_ns = step.columns.timestamp_ns
        streams = self._resume.without_stored(batch, assigned.stream_ids)
        if refused := self._shelf.append(batch, streams, timestamp_ns, seen, now_s):
            first_ns, last_ns = int(timestamp_ns.min()), int(timestamp_ns.max())
            self._gaps.refused("packets_not_stored", first_ns, last_ns, packets=refused)
        if self._matching.wants.streams:
            times_ns, ids = timestamp_ns[assigned.order], assigned.records["id"]
            self._matching.keep_streams(ids, times_ns, assigned.starts, assigned.begun, clock.wall_ns())
        self._resume.write(batch, self._shelf.place)
        if len(timestamp_ns):
            self._gaps.saw(int(timestamp_ns[0]), int(timestamp_ns[-1]))
        if self._delivery.wanted("onPacketCaptured"):
            self._deliver_packets(step)
        if self._is_wanted(now_s):
            for items in self._pipeline.items(batch, step):
                self._deliver(items, now_s)
        else:
            self._pipeline.skip(batch, step)
        self._shelf.log(ends_of(assigned.ended.records))
        ended, items = self._pipeline.expire()
        self._deliver(items, now_s)
        self._shelf.log(ends_of(ended))
        self._tell_ends(assigned.ended.records)
        self._tell_ends(ended)

    def _is_wanted(self, now_s: float) -> bool:
        """Whether to dissect; where that has just ended, its last items are delivered."""
        before = self._dissecting
        scripts, recordings = self._delivery.wanted("onItemCaptured"), self._matching.wants.items
        self._dissecting = self._interest.lasts(now_s, scripts=scripts, recordings=recordings)
        if before and not self._dissecting:
            self._deliver(self._pipeline.pause(), now_s)
        self._counters.set("dissect_on", int(self._dissecting))
        return self._dissecting

    def _deliver(self, items: Sequence[LazyItem], now_s: float) -> None:
        if items:
            self._matching.keep_items(items, clock.wall_ns())
            entries = [(item.stream.id, item.index, item.timestamp_ns, item.encode()) for item in items]
            if refused := self._items.append(entries, now_s):
                times_ns = [entry[2] for entry in entries]
                self._gaps.refused("items_not_stored", min(times_ns), max(times_ns), items=refused)
            self._delivery.put_items([(item.stream.id, item.encode(), item) for item in items])

    def _deliver_packets(self, step: Step) -> None:
        columns = step.columns
        told = (columns.drop == 0) & (columns.flags & FRAGMENT != 0)  # flags of a dropped row mean nothing
        fragments = told | (columns.drop == Drop.FRAGMENT)
        wanted = columns.drop != Drop.NOT_TARGETED
        facts = (columns.timestamp_ns, columns.captured_length, columns.wire_length, fragments)
        rows = zip(*(column[wanted] for column in facts), strict=True)
        blobs = [packet_blob(int(at), int(got), int(sent), fragmented=bool(part)) for at, got, sent, part in rows]
        self._delivery.put(KIND_PACKETS, "onPacketCaptured", [(0, blob) for blob in blobs])

    def _tell_ends(self, streams: Records) -> None:
        """``onStreamClosed``, once no item of the stream can come any more."""
        if self._delivery.wanted("onStreamClosed"):
            closing = {stream.id for stream in self._pipeline.closing()}
            self._delivery.put(KIND_STREAMS, "onStreamClosed", self._ended.take(streams, closing))
        else:
            self._ended.forget()

    def _tell_queried(self, number: int, items: bytes, without: Sequence[str]) -> None:
        """``onItemQueried``, for items that somebody fetched."""
        entries = [
            (stream, QUERIED_HEADER.pack(number, position) + blob) for position, stream, blob in queried_items(items)
        ]
        self._delivery.put(KIND_QUERIED, "onItemQueried", entries, without)

    def _wind_up(self, now_s: float) -> None:
        """Live capture: what was in the ring when intake was stopped is read.

        By count: how late the kernel hands a block over depends on the machine's load.
        """
        if not self._intake.behind or now_s >= self._due_s["stop"]:
            self._stop()

    def _stop(self) -> None:
        """No more packets: what is still open becomes items with an error, then the scripts get the rest."""
        if self._stopped:
            return
        self._stopped, self._reading = True, False
        self._input_ended = bool(self._settings.sources) and self._intake.over
        if not self._lossless:
            self._intake.close()
            self._count_lost()
        left, items = self._pipeline.finish()
        self._deliver(items, clock.monotonic_s())
        self._shelf.log(ends_of(left))
        self._tell_ends(left)
        self._tell_refused()
        self._gaps.close(clock.wall_ns())

    # -- time ----------------------------------------------------------------------------------------------------------

    def _tick(self, now_s: float) -> None:
        self._cycles.tick(now_s)
        if now_s >= self._due_s["budgets"]:
            self._due_s["budgets"] = now_s + BUDGET_STEP_S
            self._delivery.check_budgets(now_s)
            self._counters.set("scripts_queue", self._delivery.depth())
            self._matching.refresh(clock.wall_ns())
            self._is_wanted(now_s)
        note = self._resolver.refresh(now_s)
        if note and self._member.index == 0:  # the others see the same
            self._child.report(now_s, note)
        if now_s >= self._due_s["expiry"]:
            self._due_s["expiry"] = now_s + EXPIRY_STEP_S
            self._expire(now_s)
        if self._stopping and not self._stopped:
            self._wind_up(now_s)
        late = now_s >= self._due_s.get("delivery", math.inf)
        if self._stopped and not self._drained and (late or self._delivery.idle()):
            self._drained = True
            self._delivery.give_up()
            self._child.report(now_s)
            self._child.endpoint.send(Drained(input_ended=self._input_ended))

    def _expire(self, now_s: float) -> None:
        copied, journals = Copied.read(self._child.data), keep_sizes(self._child.data)
        wall_ns, packets_bytes = clock.wall_ns(), self._shelf.size_bytes
        self._shelf.expire(now_s, copied, journals, wall_ns=wall_ns, extra_bytes=self._items.size_bytes)
        self._items.expire(now_s, copied, journals, wall_ns=wall_ns, extra_bytes=packets_bytes)
        if not self._lossless:
            self._count_lost()
        self._tell_refused()

    def _count_lost(self) -> None:
        lost = self._intake.lost()
        self._counters.set("capture_lost_total", lost)
        self._gaps.lost(lost, clock.wall_ns())

    def _tell_refused(self) -> None:
        for recording, at_ns in self._matching.dropped:
            self._gaps.refused("streams_not_kept", at_ns, at_ns, streams=1, of=recording)
        self._matching.dropped.clear()
        self._gaps.tell_refused()

    # -- the supervisor ------------------------------------------------------------------------------------------------

    def _on_message(self) -> None:
        received = self._child.endpoint.receive()
        message, descriptors = received if received is not None else (Quit(), [])
        if isinstance(message, AttachHost):
            events, progress = descriptors
            line = Line(message.host, message.pid, events, progress, clock.monotonic_s(), self._member.index)
            self._delivery.attach(message.script, line, message.hooks, message.filters)
        elif isinstance(message, DetachHost):
            self._delivery.detach(message.script, message.host, successor=message.successor)
        elif isinstance(message, Begin):
            self._matching.refresh(clock.wall_ns())
            self._reading = bool(self._settings.sources) and not self._stopped
            self._intake.watch()
        elif isinstance(message, Queried):
            with open(descriptors[0], "rb") as file:
                self._tell_queried(message.number, file.read(), message.without)
        elif isinstance(message, Wanted):
            self._interest.tell(message.by)
            self._shelf.hold(clock.monotonic_s() if self._interest.queried else None)
        elif isinstance(message, StopIntake):
            self._due_s["delivery"] = clock.monotonic_s() + message.deliver_s
            self._on_stop()
        elif isinstance(message, Quit):
            self._over = True

    def _on_stop(self) -> None:
        if self._lossless or not self._reading:
            self._stop()
        elif not self._stopping:
            self._stopping, self._due_s["stop"] = True, clock.monotonic_s() + LAST_READ_S
            self._intake.mark()

    def _ask_to_kill(self, host: int, reason: str) -> None:
        self._child.endpoint.send(KillHost(host, reason))

    def fail(self, message: str) -> None:
        """A source broke in the middle: what was read before stands and is delivered."""
        self._stop()
        self._child.endpoint.send(Failed(message))


def body(child: Child) -> None:
    """Main of the worker process."""
    worker = Worker(child)
    try:
        worker.run()
    except CaptureError as error:
        worker.fail(str(error))
        worker.run()


if __name__ == "__main__":
    run("worker", body)
