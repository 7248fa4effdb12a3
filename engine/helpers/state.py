"""The ``state`` of a script: bytes that its host saves, ``<data>/scripts/<script>/state.msgpack``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.errors import QuotaExceeded
from engine.frames.host import MAX_STATE_BYTES
from engine.helpers.calls import helper


class State:
    """One host's way to the state of its script. Never decoded here."""

    def __init__(self, home: Path, is_newest: Callable[[], bool]) -> None:
        """``is_newest``: whether no later host of the script runs; an old one must not overwrite what that saved."""
        self._path, self._hidden, self._is_newest = home / "state.msgpack", home / ".state.msgpack", is_newest

    @helper("state.load")
    def load(self) -> bytes:
        """What was saved last; nothing where nothing was."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""

    @helper("state.save")
    def save(self, data: bytes) -> None:
        """Replace it. Without a flush: this survives our death, and after the machine's the file is old or new."""
        if len(data) > MAX_STATE_BYTES:
            raise QuotaExceeded("state", MAX_STATE_BYTES, len(data))
        if self._is_newest():
            self._hidden.write_bytes(data)
            self._hidden.replace(self._path)
