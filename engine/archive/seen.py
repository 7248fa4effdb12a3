"""Which items were met before: several recordings may hold the same one.

An item is the same where node, stream, index and start (to the nanosecond) are. What is kept of it is a hash of 64 bits
in a table of open addressing: 12 to 24 bytes an item, where a set of Python takes 70. Python salts its hash of texts:
nobody can make two items look like one.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

from engine.archive.lines import HIDDEN

MAX_SLOTS = 1 << 24
"""128 MiB, for eleven million items; those that come after count as new."""
_FIRST_SLOTS = 1 << 10
_NUMBER = 0xFFFF_FFFF_FFFF_FFFF
_TOLD_BY = ("stream", "index", "startTime")


class Seen:
    """Items that were met."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _FIRST_SLOTS))
        self._used = 0
        self.full = False
        """No more can be remembered."""

    def is_new(self, item: Mapping[str, Any]) -> bool:
        """Whether it is met for the first time; always where ``redact()`` hides which one it is."""
        told = [item[key] for key in _TOLD_BY]
        if HIDDEN in told:
            return True
        return self._add(hash((_node(item), *map(str, told))) & _NUMBER or 1)

    def _add(self, number: int) -> bool:
        slots, mask = self._slots, len(self._slots) - 1
        at = number & mask
        while found := slots[at]:
            if found == number:
                return False
            at = (at + 1) & mask
        if self._used * 3 >= len(slots) * 2:
            if len(slots) >= MAX_SLOTS:
                self.full = True
                return True
            self._grow()
            return self._add(number)
        slots[at] = number
        self._used += 1
        return True

    def _grow(self) -> None:
        numbers = [number for number in self._slots if number]
        self._slots, self._used = array("Q", bytes(16 * len(self._slots))), 0
        for number in numbers:
            self._add(number)


def _node(item: Mapping[str, Any]) -> tuple[str, str]:
    """Name and address: two machines may have the same name."""
    node = item.get("node")
    return (str(node.get("name")), str(node.get("ip"))) if isinstance(node, Mapping) else (str(node), "")
