"""A script as the supervisor knows it, and the processes that host it."""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

import msgspec


class Outbox(Protocol):
    """Where messages to one child go; the child may be dead, then they go nowhere."""

    def send(self, message: msgspec.Struct, descriptors: tuple[int, ...] = ()) -> None:
        """Send or drop."""


@dataclass(slots=True)
class Host:
    """One forked child, from its birth to its exit."""

    number: int
    script: Script
    events: list[socket.socket]
    """The end of each worker, until the workers have them."""
    broker: socket.socket
    """The broker's end; a copy stays here for a successor of the broker."""
    progress_fd: int
    text: bytes
    born_s: float
    pid: int = 0
    memory_bytes: int = 0
    """Of RAM, when it was looked at last."""
    hooks: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    """Of the jail, as the host says: known only once it is ready."""
    ready: bool = False
    retired: bool = False
    """Its exit is expected: replaced, removed, refused."""
    introduced: bool = False
    """A broker was told of it, perhaps one that died since."""
    known: bool = False
    """The broker that lives now was told of it."""
    killed: bool = False
    """It was sent SIGKILL; its exit follows."""


@dataclass(slots=True)
class Script:
    """One script: a name, its text, and the hosts it has had."""

    name: str
    text: bytes
    """What the folder holds."""
    loaded: bytes | None = None
    """What was loaded last, and has not been put out since."""
    refused: bytes | None = None
    """What was refused last; it is not tried again."""
    state: str = "loading"
    """``loading``, ``running``, ``refused``, ``restarting``, ``quarantined``."""
    digest: str = ""
    title: str = ""
    """What the script that was loaded last says of itself."""
    host: Host | None = None
    candidate: Host | None = None
    reasons: list[str] = field(default_factory=list)
    crashes_s: deque[float] = field(default_factory=deque)
    restart_s: float | None = None
    lost: bool = False
    """Its host went with the worker or the zygote; it gets a new one when that is back."""

    def next_text(self) -> bytes:
        """What a new host is to run: what the folder holds, unless that was refused."""
        return self.loaded if self.loaded is not None and self.text == self.refused else self.text
