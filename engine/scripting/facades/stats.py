"""``stats``: what the script misses, so that it can say so instead of being quietly wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.scripting.facades.facade import Facade, fill


@dataclass(slots=True)
class Standing:
    """What the host was told last."""

    dropped: dict[int, int] = field(default_factory=dict)
    """By worker, as ``waiting``."""
    waiting: dict[int, int] = field(default_factory=dict)
    delayed: int = 0
    """Helper calls that had to wait."""

    def tell(self, worker: int, dropped: int, waiting: int) -> None:
        """A frame has come."""
        self.dropped[worker], self.waiting[worker] = dropped, waiting

    def count_delay(self) -> None:
        """A helper call had to wait."""
        self.delayed += 1


class Stats(Facade):
    """Numbers of this script, as of the frame of items that it works on. They are no functions."""

    __slots__ = ("_standing",)

    _standing: Standing

    def __init__(self, standing: Standing) -> None:
        fill(self, _standing=standing)

    @property
    def dropped(self) -> int:
        """Items, packets and ends of streams that were thrown away because this script was too slow, or gone."""
        return sum(self._standing.dropped.values())

    @property
    def waiting(self) -> int:
        """What is behind the items that it works on."""
        return sum(self._standing.waiting.values())

    @property
    def callsDelayed(self) -> int:
        """Helper calls that had to wait, because it makes more than ``scripting.calls`` a second."""
        return self._standing.delayed
