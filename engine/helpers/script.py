"""What the broker holds of a script, and of each host that runs it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec

from engine.frames.endpoint import Endpoint
from engine.frames.host import Call, FromHost, Reply
from engine.helpers.bucket import TokenBucket
from engine.helpers.calls import Methods, methods_of
from engine.helpers.console import ScriptConsole
from engine.helpers.file import File
from engine.helpers.folder import WorkFolder
from engine.helpers.instance import Instance, Limits
from engine.helpers.jobs import Jobs
from engine.helpers.pcap import Pcap
from engine.helpers.query import Query
from engine.helpers.recordings import Recordings
from engine.helpers.replies import LastCall
from engine.helpers.schedule import Schedule
from engine.helpers.state import State
from engine.helpers.timers import Timers
from engine.helpers.utils import Utils
from engine.helpers.vendor import Gcs, Web
from engine.helpers.view import Reading


@dataclass(slots=True, eq=False)
class RunningJob:
    """A run that waits for its ``JobDone``."""

    run: int
    tag: str
    since_s: float
    """Monotonic."""
    cpu_ns: int | None
    """The host's CPU clock when it began; None where our predecessor began it, and perhaps died before sending."""


@dataclass(slots=True, eq=False)
class Listening:
    """Console lines that wait for their ``LinesHeard``."""

    number: int
    since_s: float
    """Monotonic."""
    cpu_ns: int
    """The host's CPU clock when they were sent."""


@dataclass(slots=True, eq=False)
class Host:
    """One attached host."""

    number: int
    script: Script
    endpoint: Endpoint[FromHost]
    pid: int
    taken_over: bool
    methods: Methods
    last_call: LastCall
    timers: Timers
    timer_ran: bool = False
    """Its last run was a timer: a job that is due goes first."""
    ready: bool = False
    hooks: frozenset[str] = frozenset()
    lines: deque[tuple[str, str]] = field(default_factory=deque)
    """``(level, text)`` of console lines that it is to be told."""
    heard: int = 0
    """The number of the last lines it was sent."""
    listening: Listening | None = None
    refused: bool = False
    gone: bool = False
    """Its socket is not read any more: it is to be killed, or closed its end."""
    serving: Call | None = None
    delayed: bool = False
    """That call had to wait for ``scripting.calls``."""
    replied: Reply | None = None
    next_seq: int | None = None
    """The number of its next call; None before its first."""
    job: RunningJob | None = None
    asked_to_shut_down: bool = False
    shut_down: bool = False
    """It answered ``Shutdown``."""

    def send(self, message: msgspec.Struct) -> bool:
        """Whether it took the message; one that does not read, or is not there, does not."""
        try:
            self.endpoint.send(message)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            return False
        return True


@dataclass(slots=True, eq=False)
class Script:
    """One script by name; usually with one host, with two while it is replaced."""

    name: str
    limits: Limits
    folder: WorkFolder
    schedule: Schedule
    console: ScriptConsole
    calls: TokenBucket | None
    """None: any number."""
    hosts: list[Host] = field(default_factory=list)
    busy: bool = False
    """A slow call works in its folder."""
    waiting: deque[Host] = field(default_factory=deque)
    """Hosts whose call waits for the slow one; each has one at most."""
    held: deque[Host] = field(default_factory=deque)
    """Hosts whose call came before its time (``scripting.calls``)."""

    @property
    def active(self) -> Host | None:
        """The host that runs its jobs: the newest that is ready."""
        ready = [host for host in self.hosts if host.ready and not host.gone]
        return max(ready, key=lambda host: host.number, default=None)


def open_script(instance: Instance, name: str) -> Script:
    """A script's folder, jobs and console."""
    home, limits = instance.data / "scripts" / name, instance.limits_of(name)
    folder = WorkFolder(home, limits.work_folder)
    console = ScriptConsole(instance.console, name, limits.log_lines_per_s, instance.counters)
    calls = TokenBucket(limits.calls_per_s) if limits.calls_per_s else None
    return Script(name, limits, folder, Schedule(home, instance.zone), console, calls)


def open_host(
    instance: Instance, script: Script, number: int, endpoint: Endpoint[FromHost], pid: int, *, taken_over: bool
) -> Host:
    """A host of ``script`` with everything it may call."""
    reading = Reading(script.folder, instance.streams)
    prefix = f"{instance.node}_{instance.node_ip}_{instance.run_id}"
    home = instance.data / "scripts" / script.name
    last_call, handles = LastCall(home, number, taken_over=taken_over), instance.handles_of(script.name)
    timers = Timers(instance.monotonic_s)

    def enqueue(descriptor: int, object_name: str, bucket: str, variable: str) -> None:
        instance.enqueue(descriptor, object_name, bucket, variable, script.name, script.limits.upload_bytes)

    methods = methods_of(
        (
            timers,
            File(script.folder, reading, last_call, instance.wall_ns),
            Pcap(script.folder, reading, instance.streams, instance.keeping, instance.names, instance.wall_ns),
            Jobs(script.schedule, number, instance.wall_ns),
            Gcs(reading, enqueue, prefix, handles),
            Web(instance.send, handles),
            Recordings(
                instance.data, script.name, instance.keeping, instance.wall_ns, instance.dialect, instance.macros
            ),
            Utils(instance.node),
            Query(number, script.name, instance.show, instance.monotonic_s),
            State(home, lambda: all(host.number <= number for host in script.hosts if host.ready and not host.gone)),
        )
    )
    return Host(number, script, endpoint, pid, taken_over, methods, last_call, timers, replied=last_call.reply)
