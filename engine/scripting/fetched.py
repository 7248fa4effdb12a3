"""``onItemQueried`` in a host: items that somebody fetched, and what the script wants to be shown instead of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from engine.frames.host import QUERIED_HEADER
from engine.scripting.calls import Calls, HelperError
from engine.scripting.plain import NotPlain, plain
from hooks.items import Item

PART_BYTES = 48 * 1024
"""Of one message to the broker."""

_encode = msgspec.msgpack.Encoder().encode


class Fetched(NamedTuple):
    """An item, and which one of which query it is."""

    number: int
    position: int
    item: Item

    @classmethod
    def decode(cls, blob: bytes) -> Fetched:
        """An entry of ``KIND_QUERIED``."""
        number, position = QUERIED_HEADER.unpack_from(blob)
        return cls(number, position, Item.decode(blob[QUERIED_HEADER.size :]))


class Showing:
    """Collects what the hook returns, and sends it before the frame is acknowledged."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._answers: dict[int, list[tuple[int, bytes | None]]] = {}

    def ask(self, hook: Callable[[Any], Any], fetched: Fetched) -> None:
        """Call the hook; where it raises, the item is shown as it is.

        Raises:
            HelperError: it returned something that is no item.
            Whatever the hook raises.
        """
        changed: bytes | None = None
        try:
            changed = _changed(fetched.item, hook(fetched.item))
        finally:
            self._answers.setdefault(fetched.number, []).append((fetched.position, changed))

    def send(self) -> None:
        """Tell the broker what there is.

        Raises:
            HelperError: it did not take it.
        """
        answers, self._answers = self._answers, {}
        for number, each in answers.items():
            data = _encode(each)
            for start in range(0, len(data), PART_BYTES):
                last = start + PART_BYTES >= len(data)
                self._calls.call("query.show", number, data[start : start + PART_BYTES], last)


def _changed(item: Item, shown: Any) -> bytes | None:
    """The item to show, None for the one that was fetched."""
    if shown is None or shown is item:
        return None
    try:
        copied = plain(shown)
    except NotPlain as error:
        raise HelperError(str(error)) from None
    if type(copied) is not dict:
        raise HelperError(f"expected an item, a dict or nothing to be returned, got {type(shown).__name__}")
    try:
        return _encode(copied)
    except OverflowError:
        raise HelperError("expected integers of at most 64 bits") from None
