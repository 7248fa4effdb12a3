"""The clocks, read only at the edges; pure code takes a number.

*Capture clock*: the largest timestamp seen of a source (nanoseconds since the epoch), never read from the machine.
*Wall clock*: UTC, for cron and schedules. *Monotonic*: TTLs, leases, budgets, back-off.
"""

from __future__ import annotations

import time
from functools import lru_cache

NS_PER_S = 1_000_000_000

wall_ns = time.time_ns
"""Nanoseconds since the epoch, UTC."""

monotonic_s = time.monotonic
"""Seconds of a clock that never goes back and means nothing in itself."""


def cpu_ns_of(pid: int) -> int:
    """CPU time that process ``pid`` has used, in nanoseconds (Linux ``CPUCLOCK_SCHED`` of a foreign process).

    Raises:
        OSError: no such process.
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


def rfc3339(timestamp_ns: int) -> str:
    """``2023-12-19T20:44:30.360984398Z``, always nine digits."""
    seconds, ns = divmod(timestamp_ns, NS_PER_S)
    return f"{_second(seconds)}{str(ns).zfill(9)}Z"  # a format of its own would take twice as long


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    """``2023-12-19T20:44:30.``; many times share it, and it costs 1 µs."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(seconds))
