"""What a host is born with: sockets to every worker and the broker, a page to count on, its text and its budgets."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from engine.frames.control import SpawnHost
from engine.frames.endpoint import message_pair
from engine.scripting.environment import ScriptEnvironment
from engine.scripting.hosted import Host, Outbox, Script
from engine.scripting.options import ScriptOptions

PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Spawner:
    """Asks the zygote for hosts."""

    options: ScriptOptions
    environment: ScriptEnvironment
    node: str
    user: int
    """Uid that hosts run as, -1 for ours."""
    zygote: Outbox
    workers: int
    """How many there are."""
    dialect: str
    """Of the filters in scripts; likewise ``macros``."""
    macros: Mapping[str, str]

    def spawn(self, number: int, script: Script, now_s: float) -> Host:
        """A host for the text that is next; it is known by its ``number`` until it was forked."""
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(self.workers)]
        events_ours, events_theirs = [ours for ours, _ in pairs], [theirs for _, theirs in pairs]
        broker_ours, broker_theirs = message_pair()
        progress_fd, source_fd = progress_page(), os.memfd_create("source")
        text = script.next_text()
        os.write(source_fd, text)
        os.lseek(source_fd, 0, os.SEEK_SET)
        first, *more = (end.fileno() for end in events_theirs)
        descriptors = (first, broker_theirs.fileno(), progress_fd, source_fd, *more)
        self.zygote.send(self._order(number, script.name), descriptors)
        for end in (*events_theirs, broker_theirs):
            end.close()
        os.close(source_fd)
        return Host(number, script, events_ours, broker_ours, progress_fd, text, now_s)

    def _order(self, number: int, script: str) -> SpawnHost:
        options = self.options.of(script)
        return SpawnHost(
            number,
            script,
            self.environment.of(script),
            self.node,
            options.memory_bytes,
            options.load_cpu_s,
            options.soft_cpu_s,
            options.soft_job_cpu_s,
            self.user,
            self.workers,
            options.sandbox,
            self.dialect,
            dict(self.macros),
        )


def progress_page() -> int:
    """A page of memory to share with a host, which it cannot cut short under its reader (that would be our SIGBUS)."""
    page = os.memfd_create("progress", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(page, PAGE_BYTES)
    fcntl.fcntl(page, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return page
