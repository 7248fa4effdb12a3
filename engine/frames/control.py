"""What the supervisor and its children say to each other, each over an ``Endpoint`` (descriptor 3 of the child)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

MAX_STREAM_FRAME_BYTES = 16 * 1024 * 1024


class Start(msgspec.Struct, tag="start"):
    """The first message to every child. Descriptors that come with it are named in ``descriptors``, in order."""

    settings: msgspec.Raw
    """``engine.config.Settings`` as msgpack; without secrets."""
    secrets: dict[str, str]
    """Only the shipper gets any: values of the variables that hold secrets."""
    run_id: str
    node: str
    descriptors: list[str]
    """For the worker: ``packets:<interface>`` for each packet socket. ``settings``: where they do not fit a message."""
    worker: int = 0
    """Which of the workers this is; 0 for all other processes."""
    workers: int = 1
    """How many there are."""
    handle_key: bytes = b""
    """Only for the broker: what handles of secrets are made with (``engine.helpers.handles``)."""


class AttachHost(msgspec.Struct, tag="attach_host"):
    """A host is there.

    To the broker with its end of the broker socket, as soon as the host was forked; to the worker with the events
    socket and the progress page (two descriptors, in this order) once the host is ready.
    """

    host: int
    """Never used twice within an instance."""
    script: str
    """The script's name: its file name."""
    hooks: list[str]
    pid: int
    filters: list[str] = []
    """To the worker: as in ``frames.host.Ready``."""
    taken_over: bool = False
    """To a broker that replaces a dead one: the host lives since before, ask it to resend."""


class DetachHost(msgspec.Struct, tag="detach_host"):
    """A host is gone or about to go."""

    host: int
    script: str
    successor: bool
    """Another host of this script follows: keep its undelivered items."""


class Begin(msgspec.Struct, tag="begin"):
    """To the worker: the scripts are loaded, start reading."""


class Queried(msgspec.Struct, tag="queried"):
    """To a worker: show these items to the scripts with ``onItemQueried``.

    A descriptor beside it holds ``[(position, stream, item as msgpack)]`` as msgpack.
    """

    number: int
    """Never used twice within an instance."""
    without: list[str] = []
    """Scripts that are not shown them: they do not answer any more."""


class Wanted(msgspec.Struct, tag="wanted"):
    """To the worker: who wants items besides scripts, which it knows itself."""

    by: list[str]
    """``query``: one is connected. Recordings that are due a worker sees for itself (``keep/jobs``)."""


class StopIntake(msgspec.Struct, tag="stop_intake"):
    """To the worker: read no more; deliver what was read, then ``Drained``."""

    deliver_s: float
    """So long; what no script has begun by then is dropped and counted."""


class Finish(msgspec.Struct, tag="finish"):
    """To the broker: run each script's jobs once if ``jobs``, then ``onShutdown``, then ``Finished``."""

    jobs: bool
    shutdown_s: float


class AskRecordings(msgspec.Struct, tag="ask_recordings"):
    """To the recorder: somebody asks about recordings, over the control socket; answered with ``ToldRecordings``."""

    asked: int
    """Which question."""
    operation: str
    """As ``engine.recording.service`` names it."""
    arguments: dict[str, Any]


class Seal(msgspec.Struct, tag="seal"):
    """To the recorder: copy what is kept, seal everything that is open, then ``Finished``."""


class Flush(msgspec.Struct, tag="flush"):
    """To the shipper: upload what is ready, until ``grace_s`` have passed, then ``Finished``."""

    grace_s: float


class Hurry(msgspec.Struct, tag="hurry"):
    """To the shipper: try everything that waits once now."""


class Quit(msgspec.Struct, tag="quit"):
    """Exit now; nothing is left to say."""


ToChild = (
    Start
    | AttachHost
    | DetachHost
    | Begin
    | Wanted
    | StopIntake
    | Finish
    | AskRecordings
    | Seal
    | Flush
    | Hurry
    | Quit
    | Queried
)


class Up(msgspec.Struct, tag="up"):
    """The child has read its ``Start``, dropped its privileges and is at work."""


class Report(msgspec.Struct, tag="report"):
    """Totals so far, every 200 ms while something moves; also the heartbeat (at least once a second)."""

    counters: dict[str, int]
    note: str = ""
    more: bool = False
    """The next one goes on: there are counters for each script, and a message has a limit."""


MAX_REPORT_BYTES, MAX_NOTE_CHARACTERS = 32 << 10, 4 << 10
"""Of the counters and the note in one message; together they are below the limit of an endpoint."""


def reports_of(counters: Mapping[str, int], note: str = "") -> Iterator[Report]:
    """Totals of a process, in as many messages as they need."""
    part: dict[str, int] = {}
    size = 0
    for name, count in counters.items():
        size += 4 * len(name) + 16
        if part and size > MAX_REPORT_BYTES:
            yield Report(part, more=True)
            part, size = {}, 4 * len(name) + 16
        part[name] = count
    yield Report(part, note[:MAX_NOTE_CHARACTERS])


class HostReady(msgspec.Struct, tag="host_ready"):
    """From the broker: a script was loaded."""

    host: int
    hooks: list[str]
    layers: list[str]
    warnings: list[str]
    filters: list[str] = []
    title: str = ""


class HostRefused(msgspec.Struct, tag="host_refused"):
    """From the broker: a script was not loaded."""

    host: int
    reasons: list[str]


class KillHost(msgspec.Struct, tag="kill_host"):
    """From worker or broker: this host broke a budget or the protocol."""

    host: int
    reason: str


class ConsoleLine(msgspec.Struct, tag="console_line"):
    """From the broker: a line a script wrote, limited and escaped."""

    script: str
    level: str
    text: str


class Drained(msgspec.Struct, tag="drained"):
    """From the worker: input has ended (or intake stopped) and every item is acknowledged."""

    input_ended: bool


class ToldRecordings(msgspec.Struct, tag="told_recordings"):
    """From the recorder: an answer, or the next part of one."""

    asked: int
    rows: list[dict[str, Any]] = []
    done: dict[str, Any] | None = None
    """With the last part."""
    error: str = ""


class Notice(msgspec.Struct, tag="notice"):
    """From the recorder: a line for the console, as scripts write them."""

    level: str
    text: str


class Finished(msgspec.Struct, tag="finished"):
    """The answer to ``Finish``, ``Seal`` and ``Flush``."""

    remaining: int = 0
    """What could not be done: batches not yet shipped, hosts that did not answer."""
    note: str = ""


class Failed(msgspec.Struct, tag="failed"):
    """The child cannot go on and a restart would not help; ``message`` is for the operator."""

    message: str
    wrong_use: bool = False


class Shown(msgspec.Struct, tag="shown"):
    """From the broker: a part of what a script wants to be shown instead of the items of a ``Queried``."""

    number: int
    script: str
    host: int
    part: bytes
    """Of ``[(position, item as msgpack or None)]`` as msgpack; hostile."""
    last: bool


FromChild = (
    Up
    | Report
    | HostReady
    | HostRefused
    | KillHost
    | ConsoleLine
    | Drained
    | ToldRecordings
    | Notice
    | Finished
    | Failed
    | Shown
)


class SpawnHost(msgspec.Struct, tag="spawn_host"):
    """To the zygote, with descriptors: events socket, broker socket, progress page, source text (a memfd).

    Behind them the events sockets of further workers.
    """

    host: int
    script: str
    environment: dict[str, str]
    """What the script sees as ``env``; secrets are opaque handles already."""
    node: str
    memory_bytes: int
    load_cpu_s: float
    """CPU for compiling the script and running its top level."""
    soft_cpu_s: float
    """CPU after which a hook call is abandoned."""
    job_cpu_s: float
    """The same for a job."""
    user: int
    """uid and gid to run as, where the zygote may change them; -1: as it is."""
    workers: int = 1
    """How many events sockets there are."""
    sandbox: str = "standard"
    """``standard``, ``strict`` or ``off``: which layers of the jail it is put in."""
    dialect: str = "auto"
    """The language of its filters."""
    macros: dict[str, str] = {}
    """The macros of its filters."""


class HostStarted(msgspec.Struct, tag="host_started"):
    """From the zygote."""

    host: int
    pid: int


class HostExited(msgspec.Struct, tag="host_exited"):
    """From the zygote; ``status`` as ``os.waitstatus_to_exitcode`` gives it (negative: the signal)."""

    host: int
    status: int


ToZygote = SpawnHost | Quit
FromZygote = HostStarted | HostExited
