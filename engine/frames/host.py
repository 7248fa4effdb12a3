"""What a script host says to the workers (items) and to the broker (everything else).

Worker to host, on a stream socket (descriptor 3 of the host; further workers from 7 on), length-prefixed because frames
are large::

    +---------+----------+-------+---------+-------------+-------------+  n times  +---------+------------------+
    | len u32 | kind u16 | n u16 | seq u64 | dropped u64 | waiting u32 |           | len u32 | entry as msgpack |
    +---------+----------+-------+---------+-------------+-------------+           +---------+------------------+

``len`` counts the bytes after itself; ``dropped`` entries were thrown away for this script so far, ``waiting`` are
behind this frame. Host to worker, on the same socket, fixed size::

    +---------+----------+------------+-------------+-------------+------------+
    | seq u64 | done u32 | errors u32 | aborted u32 | matched u32 | cpu_ns u64 |   32 bytes
    +---------+----------+------------+-------------+-------------+------------+

``done`` entries of frame ``seq`` are finished (the frame when done = n); ``errors``, ``aborted`` (errors because the
CPU budget was spent) and ``matched`` are of the entries since the previous acknowledgement; ``cpu_ns`` is the host's
CPU clock. A host acknowledges at the end of a frame, and after an entry once 50 ms have passed since it last did. It
finishes a frame before it begins one of another worker.

The progress page (descriptor 5, one shared page): for each worker a ``<u64>``, the count of its entries *started* since
the host began. The worker reads it when a host died, to know which entry was running; any value is possible in it, none
is trusted beyond that.

Host and broker: an ``Endpoint`` (descriptor 4), messages below.
"""

from __future__ import annotations

import struct

import msgspec

FRAME_HEADER = struct.Struct("<IHHQQI")
ENTRY_HEADER = struct.Struct("<I")
ACKNOWLEDGEMENT = struct.Struct("<QIIIIQ")
PROGRESS = struct.Struct("<Q")
QUERIED_HEADER = struct.Struct("<II")
"""Number of the query, position of the item in it."""

KIND_ITEMS = 1
KIND_PACKETS = 2
"""Entries are ``PacketInfo`` arrays: timestamp_ns, captureLength, length, truncated, fragmented."""
KIND_STREAMS = 3
"""Entries are names of streams that ended."""
KIND_QUERIED = 4
"""Entries are items that somebody fetched, each behind a ``QUERIED_HEADER``; the broker gets what the hook returns."""

MAX_FRAME_ENTRIES = 256
MAX_FRAME_BYTES = 16 * 1024 * 1024

EVENTS_FD, BROKER_FD, PROGRESS_FD, SOURCE_FD = 3, 4, 5, 6
"""The only descriptors a host has besides 0, 1, 2 (all three /dev/null). The source is closed once it was read."""
MORE_EVENTS_FD = 7
"""Where the events sockets of the second worker and of those behind it begin."""


def events_fds(workers: int) -> tuple[int, ...]:
    """The events socket of each worker."""
    return (EVENTS_FD, *range(MORE_EVENTS_FD, MORE_EVENTS_FD + workers - 1))


def host_fds(workers: int) -> tuple[int, ...]:
    """Where the descriptors go that come with ``SpawnHost``, in their order."""
    return (EVENTS_FD, BROKER_FD, PROGRESS_FD, SOURCE_FD, *events_fds(workers)[1:])


MAX_FILTERS, MAX_FILTERS_CHARACTERS = 64, 8192
"""Of one script: how many, and how long all together; they travel in one message."""

MAX_STATE_BYTES = 56 * 1024
"""Of a script's ``state`` as msgpack; it travels in one message."""


class Ready(msgspec.Struct, tag="ready", forbid_unknown_fields=True):
    """The script was compiled and its top level ran."""

    hooks: list[str]
    layers: list[str]
    """Jail layers that this host obtained, such as ``no_new_privs``."""
    warnings: list[str]
    filters: list[str] = []
    """KFL: an item that none of them matches is not sent. Empty: each is."""
    title: str = ""


class Refused(msgspec.Struct, tag="refused", forbid_unknown_fields=True):
    """The script was not loaded; every reason at once."""

    reasons: list[str]


class Call(msgspec.Struct, tag="call", forbid_unknown_fields=True):
    """A helper call. ``seq`` grows by one; the host sends one call at a time and waits for its reply."""

    seq: int
    helper: str
    """``file.copy``, ``pcap.record`` …"""
    args: list[msgspec.Raw]


class Log(msgspec.Struct, tag="log", forbid_unknown_fields=True):
    """A console line; one-way."""

    level: str
    """``log`` or ``error``."""
    text: str
    quiet: bool = False
    """Written while the script listened to another line: nobody is told of it, or two scripts could echo for ever."""


class JobDone(msgspec.Struct, tag="job_done", forbid_unknown_fields=True):
    """The answer to ``RunJob``."""

    run: int
    error: str
    """Empty when the job passed."""
    cpu_ns: int


class ShutdownDone(msgspec.Struct, tag="shutdown_done", forbid_unknown_fields=True):
    """The answer to ``Shutdown``; the host exits after it."""

    error: str


class LinesHeard(msgspec.Struct, tag="lines_heard", forbid_unknown_fields=True):
    """The answer to ``Lines``."""

    number: int


FromHost = Ready | Refused | Call | Log | JobDone | ShutdownDone | LinesHeard


class Reply(msgspec.Struct, tag="reply", forbid_unknown_fields=True):
    """The answer to the call with the same ``seq``."""

    seq: int
    error: str
    """Empty when the call succeeded; else what the script's exception says."""
    value: msgspec.Raw
    delayed: bool = False
    """The script makes more calls a second than it may (``scripting.calls``): this one had to wait."""


class RunJob(msgspec.Struct, tag="run_job", forbid_unknown_fields=True):
    """Run the job with this tag, between two hooks."""

    run: int
    tag: str
    timer: int = 0
    """The number of a ``setTimeout`` instead; 0: a job."""


class Shutdown(msgspec.Struct, tag="shutdown", forbid_unknown_fields=True):
    """Run ``onShutdown``, answer, exit."""


class Lines(msgspec.Struct, tag="lines", forbid_unknown_fields=True):
    """Call ``onLogCall`` for each ``(level, text)``, between two hooks."""

    number: int
    lines: list[tuple[str, str]]


class Resend(msgspec.Struct, tag="resend", forbid_unknown_fields=True):
    """A new broker took over: send the call that still waits for a reply again, and an unanswered ``JobDone``."""


ToHost = Reply | RunJob | Shutdown | Resend | Lines
