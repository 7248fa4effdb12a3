"""When a process that holds many streams looks for cyclic garbage: seldom, and for a bounded share of its time.

Nothing on the way of a packet makes cycles: Python's own habit finds nothing, and looks at all live streams again and
again (a sixth of the CPU time of short connections, a quarter of that of DNS and of 100,000 open connections). What was
there at the start is never looked at. Then there is one collection a minute (0.2 s where 100,000 connections are open),
and the next no sooner than ``SHARE`` times what the last one took: a thousandth of the time at most. A worker, ``remora
query`` and the benchmarks do the same.
"""

from __future__ import annotations

import gc

from engine import clock
from engine.counters import Counters

PAUSE_S = 60.0
SHARE = 1000


class Cycles:
    """Owner of the collector of this process."""

    def __init__(self, counters: Counters) -> None:
        """Call when modules are imported and settings read."""
        self._counters = counters
        gc.freeze()
        gc.disable()
        self._due_s = clock.monotonic_s() + PAUSE_S

    def tick(self, now_s: float) -> None:
        """Collect if it is time; cheap to call after every batch."""
        if now_s < self._due_s:
            return
        begin_s = clock.monotonic_s()
        found = gc.collect()
        took_s = clock.monotonic_s() - begin_s
        self._due_s = now_s + max(PAUSE_S, SHARE * took_s)
        self._counters.add("cycles_collections_total")
        self._counters.add("cycles_objects_total", found)
        self._counters.set("cycles_longest_ms", max(self._counters.get("cycles_longest_ms"), int(took_s * 1000)))
