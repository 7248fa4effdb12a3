"""A real zygote and real hosts, with the other ends of their sockets in the hands of a test."""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from engine.frames.control import FromZygote, HostExited, HostStarted, Quit, SpawnHost
from engine.frames.endpoint import Endpoint, message_pair
from engine.frames.host import (
    ACKNOWLEDGEMENT,
    ENTRY_HEADER,
    FRAME_HEADER,
    KIND_ITEMS,
    PROGRESS,
    Call,
    FromHost,
    JobDone,
    Log,
    Ready,
    Refused,
    Reply,
    RunJob,
    Shutdown,
    ShutdownDone,
)
from engine.scripting.spawning import progress_page

PATIENCE_S = 20.0
"""When a test gives up on a process; no test waits for this."""
MEMORY_BYTES = 512 << 20

ITEM: dict[str, Any] = {
    "stream": "000000000144.pcap",
    "index": 0,
    "protocol": {"name": "http", "version": "1.1", "abbr": "HTTP"},
    "src": {"ip": "10.0.0.1", "port": "51234", "name": "client"},
    "dst": {"ip": "10.0.0.2", "port": "80", "name": "server"},
    "request": {"method": "GET", "path": "/a", "headers": {"Host": "server"}},
    "response": {"status": 200, "headers": {}, "content": {"text": "hello"}},
    "elapsedTime": 3,
}


class Gone(Exception):
    """The other side closed, or did not answer in time."""


def readable(descriptor: Any) -> None:
    """Wait until there is something to read."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(PATIENCE_S * 1000):
        raise Gone("nothing came")


class HostEnds:
    """What worker and broker hold of one host."""

    def __init__(self, number: int, workers: int = 1) -> None:
        self.number = number
        self.pid = 0
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(workers)]
        self.lines_of_workers = [ours for ours, _ in pairs]
        self.events = self.lines_of_workers[0]
        """That of the worker that the methods below play."""
        self.events_theirs = [theirs for _, theirs in pairs]
        broker, self.broker_theirs = message_pair()
        self.broker: Endpoint[Any] = Endpoint(broker, FromHost)
        self.progress_fd = progress_page()
        self.progress = mmap.mmap(self.progress_fd, 4096)
        self.sequence = self.aborted = 0
        self.missed = (0, 0)
        """What a frame says was dropped, and waits."""
        self.delayed = False
        """Answers say that their call had to wait."""
        self.answers: dict[str, Any] = {}
        """Helper -> what it answers; an exception is an error."""
        self.asked: list[tuple[Any, ...]] = []
        """``(helper, argument, …)`` of every call."""
        self.lines: list[str] = []
        """``level: text`` of every console line."""
        self.warnings: list[str] = []
        self.layers: list[str] = []
        self.hooks: list[str] = []
        self.filters: list[str] = []

    # -- broker --------------------------------------------------------------------------------------------------------

    def next(self) -> Any:
        """The next message that is neither a console line nor a call; those are noted and answered."""
        while True:
            message = self.receive()
            if isinstance(message, Log):
                self.lines.append(f"{message.level}: {message.text}")
            elif isinstance(message, Call):
                self.answer(message)
            else:
                return message

    def receive(self) -> Any:
        """The next message, whatever it is."""
        readable(self.broker.fileno())
        received = self.broker.receive()
        if received is None:
            raise Gone("the host closed its broker socket")
        return received[0]

    def answer(self, call: Call) -> None:
        """Note a call and reply."""
        self.asked.append((call.helper, *(msgspec.msgpack.decode(argument) for argument in call.args)))
        answer = self.answers.get(call.helper)
        error = str(answer) if isinstance(answer, Exception) else ""
        value = msgspec.msgpack.encode(None if error else answer)
        self.broker.send(Reply(call.seq, error, msgspec.Raw(value), self.delayed))

    def ready(self) -> list[str]:
        """Hooks of the loaded script."""
        message = self.next()
        assert isinstance(message, Ready), message
        self.warnings, self.layers = message.warnings, message.layers
        self.hooks, self.filters = message.hooks, message.filters
        return message.hooks

    def refused(self) -> list[str]:
        """Why the script was not loaded."""
        message = self.next()
        assert isinstance(message, Refused), message
        return message.reasons

    def run_job(self, tag: str, run: int = 1) -> JobDone:
        """Ask for a job and wait for its end."""
        self.broker.send(RunJob(run, tag))
        message = self.next()
        assert isinstance(message, JobDone), message
        return message

    def run_timer(self, number: int, run: int = 1) -> JobDone:
        """Say that a ``setTimeout`` is due and wait for its end."""
        self.broker.send(RunJob(run, f"setTimeout {number}", number))
        message = self.next()
        assert isinstance(message, JobDone), message
        return message

    def shut_down(self) -> str:
        """Ask for the end; the error of ``onShutdown``."""
        self.broker.send(Shutdown())
        message = self.next()
        assert isinstance(message, ShutdownDone), message
        return message.error

    def drain(self) -> None:
        """Take the console lines and calls that are there."""
        poll = select.poll()
        poll.register(self.broker.fileno(), select.POLLIN)
        while poll.poll(0):
            message = self.receive()
            assert isinstance(message, Log), message
            self.lines.append(f"{message.level}: {message.text}")

    # -- worker --------------------------------------------------------------------------------------------------------

    def send(self, entries: list[Any], kind: int = KIND_ITEMS) -> int:
        """Send one frame; its sequence."""
        self.sequence += 1
        body = b""
        for entry in entries:
            blob = entry if isinstance(entry, bytes) else msgspec.msgpack.encode(entry)
            body += ENTRY_HEADER.pack(len(blob)) + blob
        size = len(body) + FRAME_HEADER.size - ENTRY_HEADER.size
        self.events.sendall(FRAME_HEADER.pack(size, kind, len(entries), self.sequence, *self.missed) + body)
        return self.sequence

    def acknowledgement(self) -> tuple[int, int, int, int, int]:
        """``(seq, done, errors, matched, cpu_ns)``; what was aborted is added up."""
        data = b""
        while len(data) < ACKNOWLEDGEMENT.size:
            self._wait_for_events()
            more = self.events.recv(ACKNOWLEDGEMENT.size - len(data))
            if not more:
                raise Gone("the host closed its events socket")
            data += more
        sequence, done, errors, aborted, matched, cpu_ns = ACKNOWLEDGEMENT.unpack(data)
        self.aborted += aborted
        return sequence, done, errors, matched, cpu_ns

    def _wait_for_events(self) -> None:
        """Serve the broker's socket while the worker's has nothing."""
        poll = select.poll()
        poll.register(self.events, select.POLLIN)
        poll.register(self.broker.fileno(), select.POLLIN)
        while True:
            ready = poll.poll(PATIENCE_S * 1000)
            if not ready:
                raise Gone("nothing came")
            if any(descriptor == self.events.fileno() for descriptor, _ in ready):
                return
            message = self.receive()
            if isinstance(message, Call):
                self.answer(message)
            elif isinstance(message, Log):
                self.lines.append(f"{message.level}: {message.text}")

    def deliver(self, *entries: Any, kind: int = KIND_ITEMS) -> tuple[int, int]:
        """Send a frame and wait for its end: ``(errors, matched)``."""
        self.send(list(entries) or [ITEM], kind)
        errors_total = matched_total = 0
        while True:
            _, done, errors, matched, _ = self.acknowledgement()
            errors_total, matched_total = errors_total + errors, matched_total + matched
            if done == max(len(entries), 1):
                self.drain()
                return errors_total, matched_total

    def started(self, worker: int = 0) -> int:
        """What the progress page says."""
        return int(PROGRESS.unpack_from(self.progress, PROGRESS.size * worker)[0])

    def given(self, source_fd: int) -> tuple[int, ...]:
        """Descriptors that go to the host."""
        first, *more = (end.fileno() for end in self.events_theirs)
        return first, self.broker_theirs.fileno(), self.progress_fd, source_fd, *more

    def close(self) -> None:
        """Our ends; the host ends with them. Harmless when repeated."""
        if self.progress.closed:
            return
        for line in self.lines_of_workers:
            line.close()
        self.broker.close()
        self.progress.close()
        os.close(self.progress_fd)


class Zygote:
    """A zygote process, and the supervisor's end of its control socket."""

    def __init__(self, wrapper: Sequence[str] = (), prelude: str = "") -> None:
        """``wrapper`` is a command that runs another one; ``prelude`` Python that runs before the zygote's own."""
        ours, theirs = message_pair()
        self.process = subprocess.Popen(
            [*wrapper, sys.executable, "-c", _BOOT, str(theirs.fileno()), prelude], env={}, pass_fds=[theirs.fileno()]
        )
        theirs.close()
        self.control: Endpoint[Any] = Endpoint(ours, FromZygote)
        self.numbers = 0
        self.ends: list[HostEnds] = []
        self.exits: dict[int, int] = {}

    def spawn(
        self,
        source: str | bytes,
        *,
        name: str = "test.py",
        environment: dict[str, str] | None = None,
        memory_bytes: int = MEMORY_BYTES,
        user: int = -1,
        answers: dict[str, Any] | None = None,
        workers: int = 1,
        sandbox: str = "standard",
    ) -> HostEnds:
        """Fork a host for ``source``."""
        self.numbers += 1
        ends = HostEnds(self.numbers, workers)
        self.ends.append(ends)
        ends.answers.update(answers or {})
        source_fd = os.memfd_create("source")
        os.write(source_fd, source if isinstance(source, bytes) else source.encode())
        os.lseek(source_fd, 0, os.SEEK_SET)
        budgets = 2.0, 0.2, 10.0
        message = SpawnHost(
            ends.number, name, environment or {}, "node-1", memory_bytes, *budgets, user, workers, sandbox
        )
        self.control.send(message, ends.given(source_fd))
        os.close(source_fd)
        for end in ends.events_theirs:
            end.close()
        ends.broker_theirs.close()
        while not ends.pid:
            message = self.receive()
            if isinstance(message, HostStarted) and message.host == ends.number:
                ends.pid = message.pid
        return ends

    def receive(self) -> Any:
        """The next message; exits are noted."""
        readable(self.control.fileno())
        received = self.control.receive()
        if received is None:
            raise Gone("the zygote closed its control socket")
        message, _ = received
        if isinstance(message, HostExited):
            self.exits[message.host] = message.status
        return message

    def exit_status(self, ends: HostEnds) -> int:
        """Wait for the end of a host."""
        while ends.number not in self.exits:
            self.receive()
        return self.exits[ends.number]

    def kill(self, ends: HostEnds) -> int:
        """End a host from outside, as the supervisor does."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(ends.pid, signal.SIGKILL)
        return self.exit_status(ends)

    def close_hosts(self, first: int) -> None:
        """Close our ends of all hosts but the ``first`` ones."""
        for ends in self.ends[first:]:
            ends.close()
        del self.ends[first:]

    def close(self) -> int:
        """Ask it to quit; its exit status."""
        with contextlib.suppress(OSError):  # it may be gone, or its socket closed by the test
            self.control.send(Quit())
        self.control.close()
        self.close_hosts(0)
        return self.process.wait(PATIENCE_S)


_BOOT = r"""
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.closerange(4, 4096)
prelude = f"from engine.scripting import zygote\n{sys.argv[2]}\nzygote.main()"
how = ["-c", prelude] if sys.argv[2] else ["-m", "engine.scripting.zygote"]
os.execve(sys.executable, [sys.executable, *how], {})
"""


@contextlib.contextmanager
def running_zygote(wrapper: Sequence[str] = (), prelude: str = "") -> Iterator[Zygote]:
    """A zygote for the length of a ``with``."""
    zygote = Zygote(wrapper, prelude)
    try:
        yield zygote
    finally:
        zygote.close()
