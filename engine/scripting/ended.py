"""Streams that ended, on their way to ``onStreamClosed``: each waits until no item of it can come any more."""

from __future__ import annotations

from collections.abc import Container

import msgspec

from engine.naming import stream_name
from engine.streams.register import Records

_encode = msgspec.msgpack.Encoder().encode


class EndedStreams:
    """Of one worker."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, bytes]] = []

    def forget(self) -> None:
        """Nobody listens."""
        self._waiting.clear()

    def take(self, ended: Records, closing: Container[int]) -> list[tuple[int, bytes]]:
        """``(stream, its name as msgpack)`` of what ended for good; ``closing``: ids of what may bring items yet."""
        ids, protocols = ended["id"].tolist(), ended["protocol"].tolist()
        named = [
            (number, _encode(stream_name(number, protocol))) for number, protocol in zip(ids, protocols, strict=True)
        ]
        every = self._waiting + named
        self._waiting = [entry for entry in every if entry[0] in closing]
        return [entry for entry in every if entry[0] not in closing]
