"""From ``outbox/ready`` to the destinations, for ever: several entries at a time, verified, then gone.

A destination in trouble is asked by one upload at a time and ever more seldom, whatever the number of entries that wait
for it; the others go on. Only what trying again cannot help leaves the queue unsent, into ``dead``.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine import clock
from engine.counters import Counters, Drop
from engine.errors import StorageError, UploadRefused
from engine.shipping.backoff import CONFIGURATION_S, delay_s
from engine.shipping.choose import Destinations
from engine.shipping.complaints import Complaints
from engine.shipping.destination import DestinationMisconfigured
from engine.shipping.entry import Entry, Lane, bury, clear_sent, read_entry, remove, upload
from engine.shipping.outbox import BODY_FILE
from engine.shipping.queue import DEAD, READY, Attempts, drop, folder_bytes, write_attempts
from engine.shipping.web import Web

REPORT_S = 1.0
"""Between two reports of how attempts fare."""
MAX_REPORTED = 1000
"""Entries in one of them."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Traffic:
    """How a lane is doing."""

    in_flight: int = 0
    failures: int = 0
    """In a row."""
    due_s: float = 0.0
    last_error: str = ""
    complaints: Complaints = field(default_factory=Complaints)


class Shipper:
    """Owns one outbox. One thread calls it; uploads run in threads of their own. Times are monotonic seconds."""

    def __init__(
        self,
        outbox: Path,
        parallel: int,
        destinations: Destinations,
        web: Web,
        secrets: Mapping[str, str],
        counters: Counters,
        random: Callable[[], float],
        dead_limit_bytes: int = 1 << 30,
    ) -> None:
        """Take the outbox.

        Args:
            outbox: the folder.
            parallel: uploads at the same time.
            destinations: those that were made already.
            web: sends what scripts asked for.
            secrets: values of the variables that ``upload.json`` may name as credentials.
            counters: ``shipper_*``.
            random: gives numbers from 0 to 1, for the back-off.
            dead_limit_bytes: of what was refused for good, the oldest goes beyond this.

        Raises:
            StorageError: another shipper has it.
        """
        self._outbox, self._parallel, self._secrets, self._counters = outbox, parallel, secrets, counters
        self._random, self._destinations, self._web = random, destinations, web
        self._dead_limit_bytes = dead_limit_bytes
        self._report_after_s, self._reported = float("-inf"), 0
        self._entries: dict[str, Entry] = {}
        self._flying: set[str] = set()
        self._lanes: dict[Lane, _Traffic] = {}
        self._done: queue.SimpleQueue[tuple[str, Exception | None]] = queue.SimpleQueue()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        self._lock = self._take()
        clear_sent(outbox)

    def _take(self) -> int:
        self._outbox.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._outbox / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise StorageError(f"{self._outbox}: expected no other shipper, got one that runs; stop it first") from None
        return lock

    def fileno(self) -> int:
        """Becomes readable when an upload has ended: call ``step``."""
        return self._wake_reader

    @property
    def pending(self) -> int:
        """Entries that wait or are being uploaded, as of the last ``step``."""
        return len(self._entries)

    @property
    def trouble(self) -> str:
        """What stands between the entries and their destinations; empty where nothing does."""
        return next((traffic.last_error for traffic in self._lanes.values() if traffic.failures), "")

    def step(self, now_s: float) -> None:
        """Take in what ended, look what came, begin what is due."""
        self._take_done(now_s)
        self._scan(now_s)
        for name in list(self._startable(now_s)):
            self._start(name)
        self._counters.set("shipper_pending", self.pending)
        self._report(now_s)

    def hurry(self, now_s: float) -> None:
        """Try everything that waits once more now: the end is near."""
        for entry in self._entries.values():
            entry.due_s = min(entry.due_s, now_s)
        for traffic in self._lanes.values():
            traffic.due_s = min(traffic.due_s, now_s)

    # ---- what came and what is due --------------------------------------------------------------------------------

    def _scan(self, now_s: float) -> None:
        try:
            there = set(os.listdir(self._outbox / "ready"))
        except FileNotFoundError:
            there = set()
        for name in self._entries.keys() - there - self._flying:
            del self._entries[name]  # somebody took it away
        for name in sorted(there - self._entries.keys()):
            try:
                self._entries[name] = read_entry(self._outbox / "ready" / name)
                self._counters.add("shipper_entries_total")
            except UploadRefused as error:
                self._counters.add("shipper_entries_total")
                self._bury(name, error)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._complain(_Traffic(), f"{name}: {error}", now_s)

    def _startable(self, now_s: float) -> Iterator[str]:
        """Entries to begin with now: those that failed least, then the oldest."""
        free = self._parallel - len(self._flying)
        waiting = [(entry.failures, name) for name, entry in self._entries.items() if name not in self._flying]
        for _, name in sorted(waiting):
            entry = self._entries[name]
            traffic = self._lanes.setdefault(entry.lane, _Traffic())
            room = traffic.in_flight == 0 if traffic.failures else True
            if free > 0 and room and now_s >= max(entry.due_s, traffic.due_s):
                free -= 1
                traffic.in_flight += 1
                yield name

    def _start(self, name: str) -> None:
        self._flying.add(name)
        threading.Thread(target=self._run, args=(name, self._entries[name]), name=f"upload-{name}", daemon=True).start()

    def _run(self, name: str, entry: Entry) -> None:
        """Main of an upload's thread."""
        address, credentials = entry.lane
        try:
            if entry.upload.request is not None:
                self._web.send(entry.upload.request, entry.folder / BODY_FILE, name)
            else:
                upload(entry, self._destinations.get(address, self._secrets.get(credentials, "")))
        except Exception as error:
            self._done.put((name, error))
        else:
            self._done.put((name, None))
        os.write(self._wake_writer, b"\0")

    # ---- what ended -----------------------------------------------------------------------------------------------

    def _take_done(self, now_s: float) -> None:
        try:
            os.read(self._wake_reader, 4096)
        except BlockingIOError:
            return
        while not self._done.empty():
            name, error = self._done.get()
            self._flying.discard(name)
            entry = self._entries[name]
            traffic = self._lanes[entry.lane]
            traffic.in_flight -= 1
            if not entry.folder.exists():
                del self._entries[name]  # dropped by an operator while it was on its way
                continue
            try:
                self._settle(name, entry, traffic, error, now_s)
            except OSError as failure:  # renaming it failed: it stays, and is verified again
                self._retry(entry, traffic, failure, now_s)

    def _settle(self, name: str, entry: Entry, traffic: _Traffic, error: Exception | None, now_s: float) -> None:
        if error is None:
            traffic.failures, traffic.last_error = 0, ""
            self._tell(traffic.complaints.finish())
            remove(entry.folder, self._outbox)
            del self._entries[name]
            self._count_stored(name, entry)
        elif isinstance(error, UploadRefused):
            self._bury(name, error)
            del self._entries[name]
        else:
            self._retry(entry, traffic, error, now_s)

    def _count_stored(self, name: str, entry: Entry) -> None:
        if entry.upload.request is not None:
            self._counters.add("shipper_requests_total")
            return
        self._counters.add("shipper_batches_total")
        self._counters.add("shipper_objects_total", len(entry.upload.files))
        self._counters.add("shipper_bytes_total", entry.size_bytes)
        _log.info("batch_stored batch=%s bytes=%d attempts=%d", name, entry.size_bytes, entry.failures + 1)

    def _bury(self, name: str, error: UploadRefused) -> None:
        where = bury(self._outbox / READY / name, self._outbox, str(error))
        self._counters.add("shipper_dead_total")
        _log.error("batch_refused batch=%s reason=%r kept=%s", name, str(error), where)
        self._cap_dead(where)

    def _cap_dead(self, newest: Path) -> None:
        """What was refused must not fill the disk: beyond the limit the oldest goes, loudly; the newest never does."""
        dead = sorted(newest.parent.iterdir(), key=lambda folder: (folder == newest, folder.stat().st_mtime_ns))
        sizes = [folder_bytes(folder) for folder in dead]
        excess = sum(sizes) - self._dead_limit_bytes
        for folder, size in zip(dead[:-1], sizes, strict=False):
            if excess <= 0:
                return
            drop(self._outbox, DEAD, folder.name)
            excess -= size
            self._counters.drop("shipper", Drop.STORAGE_FULL)
            _log.error(
                "dead_batch_deleted batch=%s bytes=%d limit_bytes=%d; raise shipping.deadMaxSize, "
                "see 'remora outbox list'",
                folder.name,
                size,
                self._dead_limit_bytes,
            )

    def _retry(self, entry: Entry, traffic: _Traffic, error: Exception, now_s: float) -> None:
        entry.failures += 1
        traffic.failures += 1
        if isinstance(error, DestinationMisconfigured):
            entry.due_s = traffic.due_s = now_s + CONFIGURATION_S
        else:
            entry.due_s = now_s + delay_s(entry.failures, self._random)
            traffic.due_s = now_s + delay_s(traffic.failures, self._random)
        self._counters.add("shipper_retries_total")
        self._complain(traffic, str(error) or type(error).__name__, now_s)

    def _complain(self, traffic: _Traffic, error: str, now_s: float) -> None:
        traffic.last_error = error
        traffic.complaints.add(error)
        self._tell(traffic.complaints.take(now_s))

    def _tell(self, complaints: Iterable[tuple[str, int]]) -> None:
        for error, times in complaints:
            _log.warning("upload_failed error=%r times=%d waiting=%d", error, times, self.pending)

    def _report(self, now_s: float) -> None:
        """For ``remora outbox list``; what the disk refuses of it is nobody's loss."""
        failing = {name: entry for name, entry in self._entries.items() if entry.failures}
        if now_s < self._report_after_s or not (failing or self._reported):
            return
        self._report_after_s, self._reported = now_s + REPORT_S, len(failing)
        told = dict(sorted(failing.items())[:MAX_REPORTED])
        due_in_s = {
            name: round(max(entry.due_s, self._lanes[entry.lane].due_s) - now_s, 1) for name, entry in told.items()
        }
        errors = {lane[0]: traffic.last_error for lane, traffic in self._lanes.items() if traffic.last_error}
        failures = {name: entry.failures for name, entry in told.items()}
        with contextlib.suppress(OSError):
            write_attempts(self._outbox, Attempts(clock.wall_ns(), failures, due_in_s, errors))

    def close(self) -> None:
        """Give the outbox to somebody else. Call when nothing is being uploaded."""
        os.close(self._lock)
        os.close(self._wake_reader)
        os.close(self._wake_writer)
