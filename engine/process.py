"""What every child of the supervisor does first and last: read ``Start``, drop privileges, report, fail in words."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import pwd
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from engine import log
from engine.config import Settings
from engine.counters import Counters
from engine.errors import RemoraError
from engine.frames.control import Failed, Start, ToChild, Up, reports_of
from engine.frames.endpoint import Endpoint
from engine.jail.privileges import FILE_RIGHTS, drop_capabilities

CONTROL_FD = 3
REPORT_INTERVAL_S = 0.2
HEARTBEAT_S = 1.0
LATE_IMPORTS = {"numpy": "numpy.ma", "requests": "netrc", "weakref": "gc"}
"""What libraries import when it is first needed: too late for a process that may not read their files any more.

``numpy.unique`` needs ``numpy.ma``; requests asks ``netrc`` for every upload; weakref imports gc at the end.
"""


@dataclass(slots=True)
class Child:
    """One child process: its line to the supervisor, its settings, its counters. Paths are below ``data``."""

    endpoint: Endpoint[ToChild]
    start: Start
    settings: Settings
    descriptors: dict[str, int]
    """What came with ``Start``, by the name the supervisor gave it."""
    data: Path
    """The data folder; also the working directory, so that it can be reached after the privileges are gone."""
    counters: Counters = field(default_factory=Counters)
    _reported: dict[str, int] = field(default_factory=dict)
    _report_due_s: float = 0.0
    _heartbeat_due_s: float = 0.0

    def up(self, prepare: Callable[[], None] = lambda: None) -> None:
        """Drop what is not needed any more and say that work begins. Call when files are open and modules imported.

        Args:
            prepare: what is to be done in between, with the rights that are left.
        """
        for library, late in LATE_IMPORTS.items():
            if library in sys.modules:
                importlib.import_module(late)
        drop_privileges(self.data)
        prepare()
        self.endpoint.send(Up())

    def report(self, now_s: float, note: str = "") -> None:
        """Send the totals if they moved and 200 ms have passed, or as a heartbeat after a second."""
        if now_s < self._report_due_s and not note:
            return
        totals = dict(self.counters.snapshot())
        if totals == self._reported and now_s < self._heartbeat_due_s and not note:
            return
        self._reported, self._report_due_s, self._heartbeat_due_s = (
            totals,
            now_s + REPORT_INTERVAL_S,
            now_s + HEARTBEAT_S,
        )
        self.tell_totals(note)

    def tell_totals(self, note: str = "") -> None:
        """Send them, whenever that was done last."""
        for part in reports_of(dict(self.counters.snapshot()), note):
            self.endpoint.send(part)


def drop_privileges(data: Path) -> None:
    """As root: become the owner of the data folder, or nobody where that is root. Else: nothing to drop.

    Root in a container may lack the right to change users: then it stays root in name, of whose rights it keeps
    those on files, for the data folder belongs to somebody else.
    """
    if os.getuid() != 0:
        return
    owner = data.stat()
    user, group = (owner.st_uid, owner.st_gid) if owner.st_uid else nobody()
    try:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)  # leaving uid 0 clears every capability
    except PermissionError:
        drop_capabilities(kept=FILE_RIGHTS)


def nobody() -> tuple[int, int]:
    """Uid and gid of the user nobody."""
    with contextlib.suppress(KeyError):
        entry = pwd.getpwnam("nobody")
        return entry.pw_uid, entry.pw_gid
    return 65534, 65534


def run(name: str, body: Callable[[Child], None]) -> None:
    """Main of a child: ``body`` runs until it returns; an error of ours becomes one message to the supervisor."""
    log.start_logging(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    endpoint: Endpoint[ToChild] = Endpoint(socket.socket(fileno=CONTROL_FD), ToChild)
    try:
        body(_first_message(endpoint))
    except RemoraError as error:
        with contextlib.suppress(OSError):
            endpoint.send(Failed(str(error)))
        sys.exit(1)
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(0)  # the supervisor is gone: nobody to work for
    except Exception:
        logging.exception("process_died process=%s", name)
        sys.exit(70)


def _first_message(endpoint: Endpoint[ToChild]) -> Child:
    received = endpoint.receive()
    if received is None:
        sys.exit(0)
    start, descriptors = received
    assert isinstance(start, Start), "the supervisor speaks first, and begins with Start"
    named = dict(zip(start.descriptors, descriptors, strict=True))
    settings = msgspec.msgpack.decode(_settings(start, named), type=Settings)
    data = Path(settings.data)
    os.chdir(data)
    os.umask(0o077)
    return Child(endpoint, start, settings, named, Path("."))


def _settings(start: Start, descriptors: dict[str, int]) -> bytes:
    if "settings" not in descriptors:
        return bytes(start.settings)
    with open(descriptors.pop("settings"), "rb") as file:
        return file.read()
