"""The layers of the jail in the order they are put on, and which of them each mode insists on.

Limits first, then what needs privileges, then giving the privileges up, then what a change of user would have undone
(the parent-death signal, the dumpable flag), at last the filter, behind which none of the others could be put on.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.jail import kernel, landlock, limits, privileges
from engine.jail.numbers import PROCESSORS
from engine.jail.program import build, pack
from engine.jail.rules import allowed

Mode = Literal["standard", "strict", "off"]
MODES = ("standard", "strict", "off")


@dataclass(frozen=True, slots=True)
class Jail:
    """What the supervisor wants of the process."""

    memory_bytes: int
    """Address space, the interpreter included."""
    user: int
    """uid and gid to become; -1: stay who we are."""
    parent: int
    """pid of the zygote, with which this process ends."""
    mode: str = "standard"
    """``standard``, ``strict`` or ``off``."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One thing that the kernel takes away."""

    name: str
    takes: str
    """What a process without it could do, in words."""
    put_on: Callable[[Jail], None]
    """Raises ``OSError`` where this machine does not give it."""
    needed: Literal["always", "standard", "strict"]
    """``always``: in mode off too; ``standard``: in strict too; ``strict``: in standard where it is to be had."""


def _environment(_: Jail) -> None:
    os.environ.clear()
    os.umask(0o077)
    os.chdir("/")


def _limits(jail: Jail) -> None:
    limits.limit_resources(jail.memory_bytes)


def _parent_death(jail: Jail) -> None:
    kernel.die_with_parent()
    if os.getppid() != jail.parent:  # it is gone already
        os._exit(0)


def _filter(_: Jail) -> None:
    machine = os.uname().machine
    if machine not in PROCESSORS:
        raise OSError(errno.ENOSYS, f"no table of system calls for {machine!r}")
    kernel.set_filter(pack(build(PROCESSORS[machine], allowed(os.getpid()))))


def _flag(operation: int, value: int) -> Callable[[Jail], None]:
    return lambda _: kernel.prctl(operation, value)


def _namespace(name: str) -> Callable[[Jail], None]:
    return lambda _: privileges.leave_namespace(name)


_NO_NEW_PRIVS, _UNDUMPABLE = _flag(kernel.PR_SET_NO_NEW_PRIVS, 1), _flag(kernel.PR_SET_DUMPABLE, 0)
LAYERS = (
    Layer("environment", "read variables, work in the folder of its parent", _environment, "always"),
    Layer("session", "signal the group of its parent, own a terminal", lambda _: os.setsid(), "always"),
    Layer("limits", "use any amount of memory, files, core dumps", _limits, "standard"),
    Layer("net", "reach the network interfaces of the machine", _namespace("net"), "strict"),
    Layer("ipc", "reach shared memory and queues of others", _namespace("ipc"), "strict"),
    Layer("uts", "change the host name", _namespace("uts"), "strict"),
    Layer("user", "be root", lambda jail: privileges.change_user(jail.user), "strict"),
    Layer("processes", "start processes and threads", lambda _: limits.forbid_processes(), "strict"),
    Layer("capabilities", "hold a part of root's rights", lambda _: privileges.drop_capabilities(), "standard"),
    Layer("parent_death", "outlive the instance", _parent_death, "always"),
    Layer("no_new_privs", "gain rights by a setuid program", _NO_NEW_PRIVS, "standard"),
    Layer("undumpable", "be traced and read by processes of its user", _UNDUMPABLE, "standard"),
    Layer("landlock", "open paths, use TCP, signal others", lambda _: landlock.forbid_everything(), "strict"),
    Layer("seccomp", "make system calls it has no need of", _filter, "standard"),
)


def wanted(mode: str) -> list[str]:
    """Names of the layers that are put on in this mode, as far as the machine gives them."""
    return [layer.name for layer in LAYERS if mode != "off" or layer.needed == "always"]


def insisted(mode: str, layer: Layer) -> bool:
    """Whether a host may not run without it."""
    return layer.needed == "always" or mode == "strict" or (mode == "standard" and layer.needed == "standard")
