"""What messages take that wait for their other half, and who must go where that is too much.

Nothing is taken off a sum when a message leaves, which happens in a dozen ways: sums only grow, and are counted anew
when they reach their limit. Then so much goes that the next count is far away.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.items.conversation import Conversation

MESSAGE_BYTES = 512
"""What a message takes besides its bytes: 0.4 to 0.6 kB of objects."""


class Weights:
    """How much a message may take at most: what is beyond the caps of a body and a head is not kept."""

    __slots__ = ("most_bytes",)

    def __init__(self, options: DissectOptions) -> None:
        self.most_bytes = options.max_body_bytes + 2 * options.max_header_bytes  # a head, and the trailers

    def of(self, message: Message) -> int:
        """Bytes of memory, at most."""
        size_bytes = message.size_bytes
        return MESSAGE_BYTES + message.more_bytes + (size_bytes if size_bytes < self.most_bytes else self.most_bytes)

    def waiting(self, conversation: Conversation) -> int:
        """All that waits in this one."""
        return sum(map(self.of, conversation.waiting()))

    def start_to_keep(self, conversations: Iterable[Conversation], room_bytes: int) -> tuple[int, int]:
        """``(bytes of all that waits, the start before which it must go)``, so that ``room_bytes`` are enough.

        A message goes no sooner than those before it in its queue, so it is as young as the youngest of them.
        """
        ages: list[tuple[int, int]] = []
        for conversation in conversations:
            for queue in conversation.queues():
                youngest_ns = 0
                for message in queue:
                    youngest_ns = max(youngest_ns, message.start_ns)
                    ages.append((youngest_ns, self.of(message)))
        total_bytes = left_bytes = sum(weight for _, weight in ages)
        ages.sort()
        start_ns = 0
        for began_ns, weight in ages:
            if left_bytes <= room_bytes and began_ns >= start_ns:
                break
            left_bytes, start_ns = left_bytes - weight, began_ns + 1
        return total_bytes, start_ns
