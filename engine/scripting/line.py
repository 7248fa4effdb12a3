"""The worker's end of one script host: one frame that it works on, perhaps one behind it, acknowledged by entries."""

from __future__ import annotations

import mmap
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from engine import clock
from engine.capture.options import MAX_WORKERS
from engine.frames.host import ACKNOWLEDGEMENT, ENTRY_HEADER, FRAME_HEADER, PROGRESS

SOCKET_BYTES = 1 << 20
"""Kernel buffer of the events socket: a frame of 256 ordinary items fits."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """Something that waits for a script."""

    kind: int
    """``KIND_ITEMS`` or ``KIND_PACKETS``."""
    stream: int
    """The stream whose lease the entry holds; 0 for none."""
    blob: bytes


class Acknowledged(NamedTuple):
    """What one read from a host told."""

    entries: list[Entry]
    errors: int = 0
    aborted: int = 0
    """Of the errors, those whose CPU budget was spent."""
    matched: int = 0
    violation: str = ""
    """What no honest host says. What came before it counts, what comes after it is thrown away unread."""


class Line:
    """One host: its events socket, its progress page, the frame it works on and the one behind it."""

    def __init__(self, host: int, pid: int, events_fd: int, progress_fd: int, now_s: float, worker: int = 0) -> None:
        """Takes over both descriptors; ``worker``: which of the workers we are."""
        self.host, self.pid = host, pid
        self._socket = socket.socket(fileno=events_fd)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        self._progress = mmap.mmap(progress_fd, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ)
        os.close(progress_fd)
        self.under_way: list[Entry] = []
        """Of the frame that the host works on, and of the one behind it."""
        self._frames: deque[tuple[int, int]] = deque()
        """``(sequence, entries)`` of both."""
        self._done = 0
        """Entries of the first of them that are acknowledged."""
        self._finished = 0
        """Entries of all frames before it."""
        self._sequence = 0
        self._unsent = memoryview(b"")
        self._unread = b""
        self._broken = False
        self._base = (0, 0, now_s)
        """``(started, CPU ns, monotonic s)`` when the running entry was first seen."""
        self._acknowledged_s = now_s
        self._slot = worker * PROGRESS.size
        self._page, self._stirred_s = b"", now_s
        """What the host has begun for all workers, and when it last began something."""

    def fileno(self) -> int:
        """For ``selectors``."""
        return self._socket.fileno()

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return not self.under_way

    @property
    def busy(self) -> bool:
        """Not ready for a frame, not even for one behind that it works on."""
        return len(self._frames) > 1 or bool(self._unsent)

    @property
    def wants_write(self) -> bool:
        """Part of a frame did not fit into the socket."""
        return bool(self._unsent)

    def send(self, entries: list[Entry], now_s: float, dropped: int = 0, waiting: int = 0) -> None:
        """Begin a frame; the entries are all of one kind. ``dropped``, ``waiting``: for the script to know."""
        assert not self.busy, "one frame and one behind it"
        self._sequence += 1
        parts = [b"" for _ in range(2 * len(entries) + 1)]
        parts[1::2] = [ENTRY_HEADER.pack(len(entry.blob)) for entry in entries]
        parts[2::2] = [entry.blob for entry in entries]
        body_bytes = sum(map(len, parts)) + FRAME_HEADER.size - 4
        parts[0] = FRAME_HEADER.pack(body_bytes, entries[0].kind, len(entries), self._sequence, dropped, waiting)
        if self.idle:
            self._acknowledged_s = now_s
        self.under_way += entries
        self._frames.append((self._sequence, len(entries)))
        self._unsent = memoryview(b"".join(parts))
        self.write()

    def write(self) -> None:
        """Send as much as the socket takes; a broken socket is noticed when it is read, a closed one takes nothing."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self._unsent = memoryview(b"")

    def read(self, now_s: float) -> Acknowledged | None:
        """Take acknowledgements; ``None`` when the host is gone. Total: a host may send anything."""
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return Acknowledged([])
        except ConnectionResetError:
            return None
        if not data:
            return None
        return Acknowledged([]) if self._broken else self._take(self._unread + data, now_s)

    def _take(self, data: bytes, now_s: float) -> Acknowledged:
        entries: list[Entry] = []
        errors_total = aborted_total = matched_total = position = 0
        while len(data) - position >= ACKNOWLEDGEMENT.size:
            sequence, done, errors, aborted, matched, _ = ACKNOWLEDGEMENT.unpack_from(data, position)
            position += ACKNOWLEDGEMENT.size
            expected_sequence, count = self._frames[0] if self._frames else (self._sequence, 0)
            if sequence != expected_sequence or not self._done < done <= count:
                # Not one that says nothing new, either: each would renew the patience of ``overdue``.
                self._broken = True
                expected = f"frame {expected_sequence}, entry {self._done + 1} to {count}"
                violation = f"expected an acknowledgement of {expected}, got frame {sequence}, entry {done}"
                return Acknowledged(entries, errors_total, aborted_total, matched_total, violation)
            fresh = self.under_way[self._done : done]
            entries += fresh
            errors_total += min(errors, len(fresh))
            aborted_total += min(aborted, errors, len(fresh))
            matched_total += min(matched, len(fresh))
            self._done, self._acknowledged_s = done, now_s
            if done == count:
                self._finished += done
                self.under_way, self._done = self.under_way[done:], 0
                self._frames.popleft()
        self._unread = data[position:]
        return Acknowledged(entries, errors_total, aborted_total, matched_total)

    def unfinished(self) -> tuple[Entry | None, list[Entry]]:
        """``(the entry that was running, those behind it)``; the progress page is believed only within the frames."""
        started = self._started() - self._finished
        waiting = self.under_way[self._done :]
        running = min(max(started - self._done, 0), len(waiting))
        # Entries before the running one were finished but not yet acknowledged: they go again (at least once).
        if running == 0:
            return None, waiting
        return waiting[running - 1], waiting[: running - 1] + waiting[running:]

    def overdue(
        self, now_s: float, cpu_s: float, wall_s: float, job_wall_s: float, cpu_ns: Callable[[int], int]
    ) -> str:
        """Why the running hook call is over its budget, or nothing. Waiting and sleeping cost wall time only."""
        if not self.under_way:
            return ""
        page = self._progress[: PROGRESS.size * MAX_WORKERS]
        if page != self._page:
            self._page, self._stirred_s = page, now_s
        started = min(self._started(), self._finished + len(self.under_way))
        if started <= self._finished + self._done:  # not begun: a job or another worker's frame, with their own budgets
            waited_s = now_s - max(self._acknowledged_s, self._stirred_s)
            return f"no answer for {waited_s:.0f} s" if waited_s > wall_s + job_wall_s else ""
        try:
            used_ns = cpu_ns(self.pid)
        except OSError:
            return ""  # it just died; its socket will say so
        if started > self._base[0]:
            self._base = (started, used_ns, now_s)
        spent_s = (used_ns - self._base[1]) / clock.NS_PER_S
        if spent_s > cpu_s:
            return f"a hook call used more than {cpu_s:g} s of CPU"
        if now_s - max(self._acknowledged_s, self._base[2]) > wall_s:
            return f"a hook call took more than {wall_s:g} s"
        return ""

    def _started(self) -> int:
        return int(PROGRESS.unpack_from(self._progress, self._slot)[0])

    def close(self) -> None:
        """Give both descriptors back; the host sees its end of input."""
        self._unsent = memoryview(b"")
        self._progress.close()
        self._socket.close()
