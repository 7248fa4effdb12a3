"""What all streams of a worker hold and let wait is bounded; the largest and the oldest go."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

from engine.counters import Counters, Drop
from engine.dissect.options import DissectOptions
from engine.items.conversation import layers_of
from engine.items.pairing import Items, Pairing
from engine.items.problems import HEAVY_IN_ALL, TOO_MUCH_HELD
from engine.items.waiting import Weights
from engine.streams.stream import Stream


class Pressure:
    """Both bounds; the sums that are held against them only grow between two counts (``waiting``)."""

    __slots__ = ("_counters", "_pairing", "_weights", "heard_bytes", "max_held_bytes", "max_piled_bytes")

    def __init__(self, options: DissectOptions, pairing: Pairing, counters: Counters) -> None:
        self._pairing = pairing
        self._counters = counters
        self._weights = Weights(options)
        self.max_held_bytes = options.max_held_total_bytes
        self.max_piled_bytes = options.max_pending_total_bytes
        """Of ``Pairing.piled_bytes``."""
        self.heard_bytes = 0
        """What dissectors and undecided streams hold, or more: what went out since it was counted is in it."""

    def lighten(self) -> Items:
        """Too many bytes of all streams may wait: those that have waited longest go, down to three quarters."""
        pairing = self._pairing
        layers = [(stream, each) for stream in pairing.waiting.values() for each in layers_of(stream)]
        room_bytes = self.max_piled_bytes // 4 * 3
        pairing.piled_bytes, start_ns = self._weights.start_to_keep((each for _, each in layers), room_bytes)
        if not start_ns:
            return []
        items = [
            item for stream, each in layers for item in pairing.give_up_before(each, stream, start_ns, HEAVY_IN_ALL)
        ]
        self._counters.drop("dissect", Drop.PENDING_BYTES_LIMIT, len(items))
        pairing.piled_bytes = sum(self._weights.waiting(each) for _, each in layers)
        return items

    def cut_short(self, live: Iterable[Stream]) -> Items:
        """Unfinished messages of all streams may take too much: those streams that hold most hold nothing then."""
        held = [(_held(stream), stream) for stream in live]
        self.heard_bytes = sum(held_bytes for held_bytes, _ in held)
        items: Items = []
        room_bytes = self.max_held_bytes // 4 * 3
        for held_bytes, stream in sorted(held, key=itemgetter(0), reverse=True):
            if self.heard_bytes <= room_bytes:
                break
            self.heard_bytes -= held_bytes
            self._counters.drop("dissect", Drop.HELD_LIMIT)
            items += self._pairing.begin_anew(stream, "dissect.maxHeldTotal", TOO_MUCH_HELD)
            self._pairing.waiting.pop(stream.id, None)
        return items


def _held(stream: Stream) -> int:
    """Bytes that the dissectors of ``stream`` hold, and what was heard before there was one."""
    return sum(
        conversation.held_bytes + getattr(conversation.dissector, "held_bytes", 0)  # of hoarders
        for conversation in layers_of(stream)
    )
