"""Counters of all processes, added up; those of the dead stay in the sums."""

from __future__ import annotations

from collections.abc import Mapping

from engine.counters import Drop

LARGEST = ("script_lag_ms", "dissect_on", "recordings_due")
"""Levels of which the largest counts where several workers have them; of all others the sum."""


class Totals:
    """What the processes reported last, and what their predecessors had counted."""

    def __init__(self) -> None:
        self._latest: dict[str, dict[str, int]] = {}
        self._past: dict[str, int] = {}
        self._begun: dict[str, dict[str, int]] = {}

    def report(self, process: str, counters: Mapping[str, int], *, more: bool = False) -> None:
        """The newest totals of one process, or a part of them; they count once they are whole."""
        whole = {**self._begun.pop(process, {}), **counters}
        (self._begun if more else self._latest)[process] = whole

    def bury(self, process: str) -> Mapping[str, int]:
        """It died: what only grows stays in the sums, levels go; its last counters."""
        self._begun.pop(process, None)
        counters = self._latest.pop(process, {})
        for name, count in counters.items():
            if name.endswith("_total") or "_total{" in name:
                self._past[name] = self._past.get(name, 0) + count
        return counters

    def give_up_undelivered(self, counters: Mapping[str, int]) -> int:
        """Count what waited for scripts in a dead worker, as far as its last report says, 200 ms before at most."""
        dropped = sum(count for name, count in counters.items() if name.startswith("scripts_dropped_total{"))
        waiting = counters.get("scripts_entries_total", 0) - counters.get("scripts_delivered_total", 0) - dropped
        if waiting > 0:
            name = f"scripts_dropped_total{{reason={Drop.NOT_DELIVERED.name.lower()}}}"
            self._past[name] = self._past.get(name, 0) + waiting
        return max(waiting, 0)

    def sums(self, *more: Mapping[str, int]) -> dict[str, int]:
        """Over all processes, and ``more``."""
        totals = dict(self._past)
        for counters in (*self._latest.values(), *more):
            for name, count in counters.items():
                known = totals.get(name, 0)
                totals[name] = max(known, count) if name.startswith(LARGEST) else known + count
        return totals
