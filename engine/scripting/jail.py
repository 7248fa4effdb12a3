"""The process around a script: limits, privileges and ties that the kernel enforces, by ctypes and nothing else.

What a script can do after it broke out of the language is what this leaves it. Layers are applied in the order of
``confine``: limits first, then what needs privileges, then giving the privileges up, then what a change of user would
have undone (the parent-death signal, the dumpable flag).
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import struct
from dataclasses import dataclass

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION_3 = 0x20080522
LAST_CAPABILITY = 63
MAX_DESCRIPTORS = 32
"""Those of a host that 16 workers send items to are 22."""

_libc = ctypes.CDLL(None, use_errno=True)


class JailBroken(Exception):
    """A mandatory layer could not be had; nothing of a script may run."""


@dataclass(frozen=True, slots=True)
class Jail:
    """What the supervisor wants of the process."""

    memory_bytes: int
    """Address space, the interpreter included."""
    user: int
    """uid and gid to become; -1: stay who we are."""
    parent: int
    """pid of the zygote, with which this process ends."""


def confine(jail: Jail) -> list[str]:
    """Lock this process down for good; the names of the layers it obtained.

    Descriptors were closed before, because only the caller knows which are needed.

    A change of user needs CAP_SETUID, which root in a container may lack; then it is missing from the answer.

    Raises:
        JailBroken: any other layer is not to be had.
    """
    layers = ["descriptors"]
    os.environ.clear()
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    try:
        layers += ["environment", "session"]
        layers.append(limit_resources(jail.memory_bytes))
        if jail.user >= 0 and os.geteuid() == 0:
            layers += change_user(jail.user)
        layers.append(drop_capabilities())
        if os.getuid() != 0:
            layers.append(forbid_processes())
        layers.append(die_with(jail.parent))
        layers.append(forbid_new_privileges())
        layers.append(forbid_dumps())
    except OSError as error:
        raise JailBroken(f"the jail could not be built behind {layers[-1]!r}: {error.strerror}") from None
    return layers


def close_descriptors(first: int) -> None:
    """Close every descriptor from ``first`` on."""
    most = os.sysconf("SC_OPEN_MAX")
    os.closerange(first, most if most > 0 else 1 << 20)


def limit_resources(memory_bytes: int) -> str:
    """Memory, open files, no file may grow, no core dumps, nothing locked in memory."""
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_NOFILE, MAX_DESCRIPTORS)
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE):
        _limit(kind, 0)
    return "limits"


def forbid_processes() -> str:
    """No fork and no thread; the limit counts per user and root is above it."""
    _limit(resource.RLIMIT_NPROC, 0)
    return "processes"


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def change_user(user: int) -> list[str]:
    """Become ``user``, group of the same number, no other groups, as far as we may."""
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except PermissionError:
        return []
    return ["user"]


def drop_capabilities() -> str:
    """No capability in any set, now or after an exec; needs no privilege itself."""
    for capability in range(LAST_CAPABILITY + 1):
        if _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0 and ctypes.get_errno() in (
            errno.EINVAL,  # past the last one the kernel knows
            errno.EPERM,  # without CAP_SETPCAP the bounding set stays; no_new_privs makes it meaningless
        ):
            break
    _libc.prctl(PR_CAP_AMBIENT, ctypes.c_ulong(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    header, nothing = struct.pack("=Ii", CAPABILITY_VERSION_3, 0), bytes(24)
    _check(_libc.capset(ctypes.c_char_p(header), ctypes.c_char_p(nothing)))
    return "capabilities"


def die_with(parent: int) -> str:
    """SIGKILL when ``parent`` ends; at once if it is gone already."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    return "parent_death"


def forbid_new_privileges() -> str:
    """No exec gives more than we have; filters need it, too."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    return "no_new_privs"


def forbid_dumps() -> str:
    """No core file, no ptrace and no look into /proc/self by processes of the same user."""
    _prctl(PR_SET_DUMPABLE, 0)
    return "undumpable"


def _prctl(operation: int, argument: int) -> None:
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(operation, ctypes.c_ulong(argument), zero, zero, zero))


def _check(result: int) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
