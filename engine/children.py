"""The supervisor's side of one child process: start it, talk to it without ever waiting, start it again."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

import engine
from engine.clock import cpu_ns_of
from engine.errors import ProtocolViolation
from engine.frames.endpoint import Endpoint, message_pair

FIRST_RESTART_S, LAST_RESTART_S, HEALTHY_S = 0.1, 30.0, 60.0
SILENT_S, BUSY_SILENT_S = 30.0, 600.0
"""A child reports once a second: after so long without a word it hangs, and so much later if it used CPU meanwhile."""
IDLE_CPU_NS = 50_000_000
"""What a child that hangs may have used: less than this."""
HOPELESS = 8
"""So many ends by its own fault in a row, 13 s in all, and a restart will not help."""
KILLED = (-signal.SIGKILL, -signal.SIGTERM)
"""Ends that somebody else brought about."""
CONTROL_FD = 3


class Mailbox:
    """Messages to one child, in order. While it is dead they go nowhere: its successor is told what it needs."""

    def __init__(self) -> None:
        self.endpoint: Endpoint[Any] | None = None
        self._waiting: deque[tuple[msgspec.Struct, list[int]]] = deque()

    def send(self, message: msgspec.Struct, descriptors: tuple[int, ...] = ()) -> None:
        """Send now, or as soon as the child reads; the descriptors may be closed when this returns."""
        if self.endpoint is not None:
            self._waiting.append((message, [os.dup(descriptor) for descriptor in descriptors]))
            self.flush()

    @property
    def backlog(self) -> bool:
        """Messages wait for the child to read."""
        return bool(self._waiting)

    def flush(self) -> None:
        """Send what the socket takes."""
        while self._waiting and self.endpoint is not None:
            message, descriptors = self._waiting[0]
            try:
                self.endpoint.send(message, descriptors)
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                self.drop()  # it died; receiving says so
                return
            self._forget()

    def drop(self) -> None:
        """Forget what waits."""
        while self._waiting:
            self._forget()

    def _forget(self) -> None:
        for descriptor in self._waiting.popleft()[1]:
            os.close(descriptor)


class ChildProcess:
    """One of worker, broker, recorder, shipper, zygote."""

    def __init__(self, name: str, module: str, incoming: Any) -> None:
        self.name, self._module, self._incoming = name, module, incoming
        self.mailbox = Mailbox()
        self.pid = 0
        """0 while it is dead."""
        self.up = False
        self.restart_s: float | None = None
        self.deaths = 0
        self.faults = 0
        """Those of the deaths in a row that nobody else brought about."""
        self.heard_s = 0.0
        """When it said something last."""
        self._cpu_ns = 0
        """What it had used by then."""
        self._born_s = 0.0

    @property
    def alive(self) -> bool:
        """Started and not known to be dead."""
        return self.pid != 0

    @property
    def endpoint(self) -> Endpoint[Any]:
        """The line to it."""
        assert self.mailbox.endpoint is not None, "only a living child has one"
        return self.mailbox.endpoint

    def start(self, now_s: float, log_fd: int, *, stdin: bool = False) -> None:
        """Exec a fresh interpreter with a clean environment, its log lines into ``log_fd``; ``stdin``: it gets ours.

        Raises:
            OSError: no memory or no process is left; it is tried again after ``restart_s``.
        """
        ours, theirs = message_pair()
        os.set_blocking(ours.fileno(), False)
        self.restart_s = now_s + 1.0
        with theirs:
            try:
                self.pid = self._spawn(theirs.fileno(), log_fd, stdin)
            except OSError:
                ours.close()
                raise
        self.mailbox.endpoint = Endpoint(ours, self._incoming)
        self.up, self.restart_s, self._born_s = False, None, now_s
        self.heard_s, self._cpu_ns = now_s, 0

    def _spawn(self, control_fd: int, log_fd: int, stdin: bool) -> int:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", self._module],
            _environment(),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, control_fd, CONTROL_FD),
                (os.POSIX_SPAWN_DUP2, log_fd, 1),
                (os.POSIX_SPAWN_DUP2, log_fd, 2),
                *([] if stdin else [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]),
            ],
        )

    def receive(self, now_s: float) -> list[Any] | None:
        """Messages that are there; ``None`` when the child is dead."""
        messages: list[Any] = []
        self.heard_s, self._cpu_ns = now_s, self._used_ns()
        try:
            while len(messages) < 64:
                received = self.endpoint.receive()
                if received is None:
                    return messages or None
                messages.append(received[0])
        except BlockingIOError:
            pass
        except ProtocolViolation:
            self.kill()  # our own child speaks nonsense: replace it
        return messages

    def bury(self, now_s: float) -> int:
        """After its death: its exit status; plans the restart."""
        assert self.alive, "buried once"
        self.mailbox.drop()
        self.endpoint.close()
        self.mailbox.endpoint, self.up = None, False
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        if now_s - self._born_s > HEALTHY_S:
            self.deaths = self.faults = 0
        self.deaths += 1
        self.faults += status not in KILLED
        self.restart_s = now_s + min(FIRST_RESTART_S * 2 ** (self.deaths - 1), LAST_RESTART_S)
        return status

    def hangs(self, now_s: float) -> bool:
        """It is alive and has said nothing for too long. The zygote never does: it works when it is asked to."""
        silent_s = now_s - self.heard_s
        if not self.alive or self.name == "zygote" or silent_s < SILENT_S:
            return False
        return silent_s > BUSY_SILENT_S or self._used_ns() - self._cpu_ns < IDLE_CPU_NS

    def _used_ns(self) -> int:
        """CPU so far; none of a child that has just died."""
        try:
            return cpu_ns_of(self.pid)
        except OSError:
            return 0

    def kill(self) -> None:
        """End it now."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)  # ours and not yet waited for: the number is still its own

    def wait(self, patience_s: float) -> None:
        """Wait for its exit, then make sure of it."""
        if self.alive:
            descriptor = os.pidfd_open(self.pid)
            exited = select.poll()
            exited.register(descriptor, select.POLLIN)
            if not exited.poll(patience_s * 1000):
                self.kill()
            os.close(descriptor)
            os.waitpid(self.pid, 0)
            self.pid = 0


def _environment() -> dict[str, str]:
    """Nothing of the operator's environment but what Python needs to run."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(Path(engine.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",  # 0.05 s of start-up and a thread per core for nothing
    }
