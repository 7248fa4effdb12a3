"""Limits that the kernel counts, and what a process has open."""

from __future__ import annotations

import os
import resource

MAX_DESCRIPTORS = 32
"""Those of a host that 16 workers send items to are 22."""


def limit_resources(memory_bytes: int) -> None:
    """Memory, open files; no file may grow, no core dumps, nothing locked in memory, no message queues."""
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_NOFILE, MAX_DESCRIPTORS)
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE):
        _limit(kind, 0)


def forbid_processes() -> None:
    """No fork and no thread. The limit counts per user.

    Raises:
        PermissionError: we are root, who is above it.
    """
    if os.getuid() == 0:
        raise PermissionError(1, "root is above this limit")
    _limit(resource.RLIMIT_NPROC, 0)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def close_descriptors(first: int) -> None:
    """Close every descriptor from ``first`` on."""
    most = os.sysconf("SC_OPEN_MAX")
    os.closerange(first, most if most > 0 else 1 << 20)
