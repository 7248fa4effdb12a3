"""Several workers, one data folder: each writes segments, item segments and stream ids that are its own alone.

Segment numbers are split into ranges, and the range alone says who writes: a reader need not know how many workers
there are, and a run with another number of them changes nothing about what lies there. Stream ids are dealt out in
turn (id mod number of workers), so that they stay short and name their worker within a run.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass

from engine.capture.options import MAX_WORKERS

NUMBERS = 250_000_000
"""Segment numbers of one worker: 4 TB a day for 2.7 years. Extents have 32 bits for all of them."""
assert NUMBERS * MAX_WORKERS < 1 << 32, "a number of the last worker fits"


def range_of(number: int) -> int:
    """Whose number this is: the index of a worker, of this run or an earlier one."""
    return number // NUMBERS


def newest_of_each(numbers: Iterable[int]) -> set[int]:
    """The highest number of each range: the only files that are ever written to."""
    return set({range_of(number): number for number in sorted(numbers)}.values())


@dataclass(frozen=True, slots=True)
class Member:
    """One of several workers that share a data folder."""

    index: int = 0
    count: int = 1

    def owns(self, number: int) -> bool:
        """Whether this worker deletes that segment. Those of workers that are no more go round."""
        return range_of(number) % self.count == self.index

    def highest(self, numbers: Iterable[int]) -> int:
        """The highest number of the own range; the one before its first where there is none."""
        return max((number for number in numbers if range_of(number) == self.index), default=self.index * NUMBERS)

    def checked(self, number: int) -> int:
        """``number``, which is about to be used.

        Raises:
            OSError: it is behind the end of the range; it would be another worker's.
        """
        if range_of(number) != self.index:
            raise OSError(errno.EOVERFLOW, "no segment numbers are left; start with a new data folder")
        return number

    def id_behind(self, stream: int) -> int:
        """The lowest stream id of this worker that is higher than ``stream``."""
        return stream + 1 + (self.index - stream - 1) % self.count

    def named(self, stem: str, ending: str) -> str:
        """A file of this worker: ``stem.ending`` for the first, ``stem-2.ending`` for the third."""
        return f"{stem}-{self.index}{ending}" if self.index else f"{stem}{ending}"


ALONE = Member()
"""The only worker there is."""
