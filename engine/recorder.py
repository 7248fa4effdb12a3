"""The recorder: from the keep journals and the segments to sealed batches in the outbox. Uses no network.

Passes go on while a batch is being sealed (a thread: compression of 64 MiB takes a second and more), so that the worker
may delete what was copied. A disk that refuses stops nothing for good: the pass is thrown away and tried again.
"""

from __future__ import annotations

import importlib.metadata
import logging
import math
import selectors
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from engine import clock, keylog
from engine.counters import Counters
from engine.dissect.tls_keylog import KeyRing
from engine.errors import RemoraError, StorageError
from engine.frames.control import AskRecordings, Finished, Notice, Quit, Seal, ToldRecordings
from engine.process import Child, run
from engine.recording.batch_state import BatchState
from engine.recording.collector import Collector
from engine.recording.journal import NO_WORKER, Gap
from engine.recording.options import RecordingOptions
from engine.recording.policy import DEFAULT, Policy, policy_of
from engine.recording.profile import Facts, Profile
from engine.recording.sealing import Origin, build
from engine.recording.service import Service, parts_of
from engine.resolve.static import open_resolver
from engine.shipping.address import checked as check_destination
from engine.shipping.address import credentials_for, destination_text
from engine.shipping.checksum import Crc32c
from engine.shipping.outbox import Upload, UploadFile, clear_leftovers, make_building_folder, publish
from engine.shipping.queue import READY, drop, waiting
from engine.units import format_bytes

PASS_S = 0.5
"""Between two passes; promised is a second."""
RETRY_S = 2.0
"""Between two attempts when the disk refuses."""
FINAL_ATTEMPTS = 3
"""How often a disk that refuses is tried when the instance stops."""
FINISH_STEP_S = 0.01
EXPIRE_NS = 10 * clock.NS_PER_S
"""How often it is looked what has expired."""
COMPLAIN_S = 10.0

_log = logging.getLogger(__name__)


def _version() -> str:
    try:
        return importlib.metadata.version("remora")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"  # run from a checkout that was never installed


VERSION = _version()
"""Of this program, as manifests name it; asked while its files can be read: the recorder gives up that right."""


def seal(data: Path, state: BatchState, origin: Origin, destination: str) -> None:
    """Make a fixed batch an entry of the outbox; the same one when repeated.

    Raises:
        OSError: the disk is full or failing.
    """
    outbox = data / "outbox"
    building = make_building_folder(outbox, f"batch-{state.id}")
    files = build(outbox / "open" / state.id, building, state, origin, Crc32c)
    uploads = [UploadFile(*file) for file in files]
    destination = (state.sealing.profile.destination if state.sealing else "") or destination
    publish(building, outbox, state.id, Upload(destination, credentials_for(destination), uploads))


class Recorder:
    """Passes and seals; times are arguments. One per data folder."""

    def __init__(
        self,
        data: Path,
        run_id: str,
        origin: Origin,
        destination: str,
        options: RecordingOptions,
        counters: Counters,
        idle_s: float = 3600.0,
        facts: Facts = Facts(VERSION),  # noqa: B008 - frozen
        service: Service | None = None,
    ) -> None:
        """As ``Collector``.

        Args:
            data: the data folder.
            run_id: names batches.
            origin: where they come from.
            destination: where sealed batches are to go, unless their recording says another place.
            options: limits.
            counters: ``recorder_*``.
            idle_s: a stream without packets for so long has no end any more.
            facts: what manifests say of a recording beside what its batches hold.
            service: the jobs; none: only scripts record.
        """
        self._facts = facts
        self._data, self._origin, self._destination, self._counters = data, origin, destination, counters
        self._options = options
        self._service, self._policies = service, dict[str, Policy]()
        idle_ns = round(idle_s * clock.NS_PER_S)
        change = service.change if service is not None else lambda _: None
        self._open = partial(Collector, data, run_id, options, counters, idle_ns, self._policy, change)
        self._collector: Collector | None = None
        self._refused: dict[str, int] = {}
        """Streams refused per recording, as far as they were said."""
        self._refused_known, self._refused_after_s = False, -math.inf
        self._expire_after_ns = 0
        self._threads = ThreadPoolExecutor(1, "sealing")
        self._building: dict[str, Future[None]] = {}
        self._failures = 0
        self._pass_after_s = self._build_after_s = self._complain_after_s = -math.inf
        self._refusals = 0
        clear_leftovers(data / "outbox")

    def step(self, now_ns: int, now_s: float, *, everything: bool = False) -> bool:
        """One pass, then seal what is due; whether anything moved. A disk that refuses is left alone for a moment.

        Args:
            now_ns: wall clock.
            now_s: monotonic.
            everything: seal every batch that holds something.
        """
        if now_s < self._pass_after_s:
            return False
        try:
            collector = self._collector = self._collector or self._open()
            self._take_built(collector, now_s)
            self._follow_jobs(collector, now_ns, now_s)
            if self._options.when_full == "oldest" and collector.space.full(now_ns):
                self._make_room(collector)
            moved = collector.collect(now_ns)
            self._say_refused(collector, now_s)
            batches = collector.batches
            due = [state.id for state in batches.filled()] if everything else list(batches.due(now_ns))
            if due:
                collector.freeze(due, self._facts)
            self._build(batches.frozen(), now_s)
        except (OSError, StorageError) as error:
            self._throw_away()
            self._pass_after_s = now_s + RETRY_S
            self._complain(error, now_s)
            return False
        return moved

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def _follow_jobs(self, collector: Collector, now_ns: int, now_s: float) -> None:
        """What begins and ends, what was deleted, what has expired."""
        if self._service is None:
            return
        self._service.totals = lambda: collector.totals
        try:
            self._service.jobs.step(now_ns)
        except StorageError as error:  # it is said and written down later; what is kept is kept all the same
            self._complain(error, now_s)
        self._policies.clear()  # a dict of a few, made again once a pass
        while self._service.released:
            collector.release(self._service.released[-1])
            self._service.jobs.store.released(self._service.released.pop())
        collector.batches.ask(self._service.to_seal)
        self._service.to_seal.clear()
        if not 0 < self._expire_after_ns - now_ns <= EXPIRE_NS:
            self._expire_after_ns = now_ns + EXPIRE_NS
            removed = self._service.expire(now_ns)
            self._counters.add("recorder_batches_expired_total", removed) if removed else None

    def _say_refused(self, collector: Collector, now_s: float) -> None:
        """Streams that found no room, by recording, once in a while."""
        if self._service is None or now_s < self._refused_after_s:
            return
        for name, totals in collector.totals.items():
            count = totals.refused - self._refused.setdefault(name, 0 if self._refused_known else totals.refused)
            if count:
                self._refused[name] = totals.refused
                self._refused_after_s = now_s + COMPLAIN_S
                limit = f"recording.limit ({format_bytes(self._options.limit_bytes)}) is reached"
                hint = "see that its destination takes batches (remora outbox list), or raise it"
                self._service.notice(
                    "error", f"Failed recording ({name}) Error: {count} streams were refused: {limit}; {hint}"
                )
        self._refused_known = True

    def _policy(self, recording: str) -> Policy:
        """What a recording writes; of a job that is over, as long as its streams go on."""
        if self._service is None or recording not in self._service.jobs:
            return DEFAULT
        if recording not in self._policies:
            self._policies[recording] = policy_of(self._service.jobs.job(recording))
        return self._policies[recording]

    @property
    def unsealed(self) -> int:
        """Batches that hold something and are not in the outbox yet."""
        batches = self._collector.batches if self._collector else None
        return len(batches.filled()) + len(batches.frozen()) if batches else 0

    @property
    def settled(self) -> bool:
        """Whether what the last pass saw is in the outbox; a pass that the disk refused saw nothing."""
        return self._collector is not None and not self.unsealed

    @property
    def failures(self) -> int:
        """Refusals of the disk since something was sealed last, or since ``try_again``."""
        return self._failures

    def try_again(self) -> None:
        """Wait no longer after a refusal, and forget how many there were: what comes now is what counts."""
        self._failures, self._pass_after_s, self._build_after_s = 0, -math.inf, -math.inf

    def _make_room(self, collector: Collector) -> None:
        """Delete the oldest batches that wait for their upload, as the operator wants it; said, counted, and told."""
        dropped, space = 0, collector.space
        for entry in waiting(self._data / "outbox"):
            if space.used_bytes < self._options.limit_bytes:
                break
            if (entry.state, entry.kind) == (READY, "batch"):
                collector.lose_batch(unquote(entry.recording))  # before it is gone: a kill must not hide it
                drop(self._data / "outbox", READY, entry.entry)
                space.freed(entry.bytes)
                dropped += 1
        if dropped:
            _log.error(
                "oldest_batches_deleted batches=%d limit_bytes=%d; recording.whenFull is 'oldest': see that the "
                "destination takes batches, or raise recording.limit",
                dropped,
                self._options.limit_bytes,
            )

    def _build(self, frozen: list[BatchState], now_s: float) -> None:
        if now_s < self._build_after_s:
            return
        for state in frozen:
            if state.id not in self._building:
                work = self._threads.submit(seal, self._data, state, self._origin, self._destination)
                self._building[state.id] = work

    def _take_built(self, collector: Collector, now_s: float) -> None:
        for state in collector.batches.frozen():
            if state.id in self._building and self._building[state.id].done():
                error = self._building.pop(state.id).exception()
                if error is None:
                    self._sealed(collector, state)
                elif isinstance(error, OSError):
                    self._build_after_s = now_s + RETRY_S
                    self._complain(error, now_s)
                else:
                    raise error

    def _sealed(self, collector: Collector, state: BatchState) -> None:
        collector.remove(state.id)
        self._failures = 0
        self._counters.add("recorder_batches_total")
        _log.info("batch_sealed batch=%s packets=%d items=%d", state.id, state.packets, state.items)

    def _throw_away(self) -> None:
        """The pass does not count: what was committed is read again from the disk."""
        if self._collector:
            self._collector.close()
        self._collector = None

    def _complain(self, error: OSError | StorageError, now_s: float) -> None:
        self._failures += 1
        self._refusals += 1
        if now_s >= self._complain_after_s:
            _log.error(
                "recorder_waits_for_the_disk error=%r attempts=%d; "
                "what was recorded stays; free space in the data folder",
                str(error),
                self._refusals,
            )
            self._complain_after_s, self._refusals = now_s + COMPLAIN_S, 0

    def close(self) -> None:
        """Wait for the batch that is being built."""
        self._threads.shutdown()
        self._throw_away()


def main(child: Child) -> None:
    """The loop: a pass, then sleep until the next or until the supervisor speaks."""
    settings = child.settings
    resolver, keys = open_resolver(settings.resolve), KeyRing()
    key_log = keylog.follow(settings.tls, keys)
    services: list[Service] = []
    child.up(lambda: services.append(open_service(child)))  # what is due is published before packets are read
    (service,) = services
    recorder = Recorder(
        child.data,
        child.start.run_id,
        Origin(settings.recording.cluster, child.start.node),
        destination_text(settings.shipping),
        settings.recording,
        child.counters,
        2 * max(settings.streams.tcp_timeout_s, settings.streams.udp_timeout_s),
        Facts(
            VERSION,
            partial(profile_of, service, settings.recording),
            resolver.history,
            keys.lines_of,
            partial(missed_of, service),
        ),
        service,
    )
    selector = selectors.DefaultSelector()
    selector.register(child.endpoint, selectors.EVENT_READ)
    while True:
        resolver.refresh(clock.monotonic_s())  # what it has to tell, the worker tells
        if key_log is not None:
            key_log.refresh(clock.monotonic_s())  # likewise
        recorder.step(clock.wall_ns(), clock.monotonic_s())
        child.report(clock.monotonic_s())
        if selector.select(PASS_S):
            received = child.endpoint.receive()
            if received is None or isinstance(received[0], Quit):
                break
            if isinstance(received[0], AskRecordings):
                answer(service, child, received[0])
            if isinstance(received[0], Seal):
                child.endpoint.send(finish(recorder, child))
    service.jobs.rest(clock.wall_ns())
    service.close()
    recorder.close()


def profile_of(service: Service, options: RecordingOptions, recording: str) -> Profile:
    """What the batches of a recording show of it; of one that scripts keep, what the configuration says."""
    profile = Profile(format=options.format, with_secrets=options.with_secrets)
    if recording not in service.jobs:
        return profile
    job = service.jobs.job(recording)
    usual = options.with_secrets and job.format != "pcap"  # a pcap holds no keys
    with_secrets = usual if job.with_secrets is None else job.with_secrets
    return Profile(job.kfl, job.dialect if job.kfl else "", job.format or options.format, with_secrets, job.destination)


def missed_of(service: Service, recording: str) -> list[Gap]:
    """When a job was on and nothing ran, as manifests tell it."""
    if recording not in service.jobs:
        return []
    gaps = sorted(service.jobs.store.gaps(recording), key=lambda gap: gap.until_ns)
    return [Gap(NO_WORKER, gap.why.replace(" ", "_"), gap.from_ns, gap.until_ns) for gap in gaps]


def open_service(child: Child) -> Service:
    """The jobs, with those of the configuration."""
    settings, now_ns = child.settings, clock.wall_ns()
    service = Service(
        child.data,
        child.start.run_id,
        now_ns,
        lambda level, text: child.endpoint.send(Notice(level, text)),
        dialect=settings.filters.dialect,
        macros=settings.filters.macros,
        check_destination=check_destination,
        default_destination=destination_text(settings.shipping),
        dissects=settings.dissect.enabled,
    )
    service.configure(settings.recording.all_jobs, now_ns)
    return service


def answer(service: Service, child: Child, asked: AskRecordings) -> None:
    """One question about recordings, in parts that fit a message."""
    try:
        rows, done = service.answer(asked.operation, asked.arguments, clock.wall_ns())
    except (RemoraError, OSError) as error:
        child.endpoint.send(ToldRecordings(asked.asked, error=str(error)))
        return
    for part in parts_of(rows):
        child.endpoint.send(ToldRecordings(asked.asked, part))
    child.endpoint.send(ToldRecordings(asked.asked, done=done))


def finish(recorder: Recorder, child: Child) -> Finished:
    """Copy what is kept, seal all of it, and tell the last totals, whenever the last report was."""
    seal_everything(recorder, lambda: child.report(clock.monotonic_s()))
    child.tell_totals()
    return remainder(recorder.unsealed, recorder.failures, child.settings.data)


def seal_everything(recorder: Recorder, between: Callable[[], None]) -> None:
    """Passes until nothing is open; what the disk refuses ``FINAL_ATTEMPTS`` times from now on remains."""
    quiet = 0
    recorder.try_again()  # a disk that refused a moment ago may take it now
    while recorder.failures < FINAL_ATTEMPTS and quiet < 2:
        moved = recorder.step(clock.wall_ns(), clock.monotonic_s(), everything=True)
        quiet = 0 if moved or not recorder.settled else quiet + 1
        between()
        time.sleep(FINISH_STEP_S)


def remainder(unsealed: int, failures: int, data: str) -> Finished:
    """What to say at the end: who was refused to the last does not know how much is open, only that something is."""
    left = max(unsealed, int(failures >= FINAL_ATTEMPTS))
    return Finished(
        left, f"{left} or more batches could not be sealed; they wait in {data}/outbox/open" if left else ""
    )


if __name__ == "__main__":
    run("recorder", main)
