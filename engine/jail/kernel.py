"""What the standard library has no function for: a few calls of the C library and the kernel, by ctypes."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from typing import Any

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 22, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION_3 = 0x20080522
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
"""The same on every processor, as all calls since Linux 5.1."""
LANDLOCK_VERSION = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def prctl(operation: int, *arguments: int) -> None:
    """Raises ``OSError`` with what the kernel says."""
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    _check(_libc.prctl(operation, *padded))


def set_filter(program: bytes) -> None:
    """Have every system call of this process judged by ``program``, from now on and for good."""
    steps = ctypes.create_string_buffer(program, len(program))
    description = struct.pack("@HP", len(program) // 8, ctypes.addressof(steps))
    _check(_libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.c_char_p(description)))


def keep_capabilities(kept: int) -> None:
    """No capability but those of the mask ``kept`` is effective or permitted any more, and none is inheritable."""
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    low, high = kept & 0xFFFF_FFFF, kept >> 32
    sets = struct.pack("=6I", low, low, 0, high, high, 0)
    _check(_libc.capset(ctypes.c_char_p(header), ctypes.c_char_p(sets)))


def unshare(namespaces: int) -> None:
    """``os.unshare`` of Python 3.12."""
    _check(_libc.unshare(ctypes.c_int(namespaces)))


def landlock_version() -> int:
    """What Landlock can do here, 1 or more.

    Raises:
        OSError: ENOSYS, EOPNOTSUPP: nothing.
    """
    return _system_call(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION)


def landlock_ruleset(attributes: bytes) -> int:
    """The descriptor of a set of rules that handles ``attributes`` (``struct landlock_ruleset_attr``)."""
    return _system_call(LANDLOCK_CREATE_RULESET, ctypes.c_char_p(attributes), len(attributes), 0)


def landlock_enforce(ruleset: int) -> None:
    """Apply the rules to this process and all it may start; they cannot be lifted."""
    _system_call(LANDLOCK_RESTRICT_SELF, ruleset, 0)


def die_with_parent() -> None:
    """SIGKILL when the parent ends."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _system_call(number: int, *arguments: Any) -> int:
    given = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return _check(int(_libc.syscall(ctypes.c_long(number), *given)))


def _check(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
