"""Items that are no exchange: raw payload and connections. ``data`` says all; request and response are null."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from engine.dissect.message import Message, Problem
from engine.dissect.table import ProtocolRow
from engine.items.item import KEYS, LazyItem, Place
from engine.streams.stream import Stream

DATA_KEYS = (*KEYS, "data")


class Data(Protocol):
    """The content of such an item."""

    @property
    def duration_ns(self) -> int:
        """``elapsedTime``, in nanoseconds."""

    @property
    def response_bytes(self) -> int:
        """``responseSize``."""

    def section(self) -> dict[str, Any]:
        """``data`` of the item: JSON-safe, a new dict."""

    def problem(self) -> Problem | None:
        """What is missing of it."""


class DataItem(LazyItem):
    """As any other item, built as a whole at its first touch. Who sent ``message`` is its ``src``."""

    __slots__ = ("_data",)

    def __init__(
        self,
        stream: Stream,
        index: int,
        row: ProtocolRow,
        place: Place,
        message: Message,
        data: Data,
        error: Problem | None = None,
    ) -> None:
        super().__init__(stream, index, row, place, message, None, error)
        self._data = data

    def whole(self) -> dict[str, Any]:
        """All of it, for who reads it and changes nothing."""
        if not self._built:
            data, self._built = self._data, {"request": None}
            self._built = {
                **super()._whole(),
                "responseSize": data.response_bytes,
                "elapsedTime": data.duration_ns // 1_000_000,
                "data": data.section(),
            }
        self._built["record"] = self.recording
        return self._built

    def __getitem__(self, key: str) -> Any:
        return self.whole()[key]

    def get(self, key: str, default: Any = None) -> Any:
        """``self[key]``, or ``default`` where there is no such key."""
        return self.whole().get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in DATA_KEYS

    def __iter__(self) -> Iterator[str]:
        return iter(DATA_KEYS)

    def __len__(self) -> int:
        return len(DATA_KEYS)
