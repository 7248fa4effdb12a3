"""A query that is connected to a running instance: it is why the instance dissects, and reads along what it stores.

Only the wish goes over the control socket. Items are read where they are stored, like everything else that a worker
made: nobody asks the worker, and an asker that is slow slows nobody.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.controlsocket import connect
from engine.errors import CaptureError
from engine.items.encoding import unpack
from engine.segments.itemtail import ItemTail

if TYPE_CHECKING:
    from engine.archive.recorded import Recorded
    from engine.kfl import Filter

STEP_MS = 50
"""How often it is looked whether items came."""


class Listener:
    """Items of one instance from now on, until it ends or the listener is closed."""

    def __init__(self, data: Path, warn: Callable[[str], None]) -> None:
        """Connect; items that come after this are not missed.

        Raises:
            CaptureError: nothing runs on this data folder.
            RemoraError: the instance refuses.
        """
        self._warn, self._data = warn, data
        self._recorded: Recorded | None = None
        self._tail = ItemTail(data)
        try:
            self._connection = connect(data / "control.sock")
        except (FileNotFoundError, ConnectionRefusedError):
            self._tail.close()
            hint = "without --follow the query reads what is stored"
            raise CaptureError(f"--data {data}", "a running instance", "none", hint) from None
        except OSError as error:
            raise CaptureError(f"{data / 'control.sock'}", "an answer", error) from None

    def ask_recordings(self, wanted: Filter | None) -> None:
        """Let the filter ask about recordings.

        Raises:
            StorageError: what is known of recordings cannot be read.
        """
        if wanted is not None and wanted.recordings:
            from engine.archive.recorded import Recorded  # here and not above: it takes the filter language along

            self._recorded = Recorded(self._data, wanted.recordings)
            for warning in self._recorded.warnings():
                self._warn(warning)

    def of(self, item: dict[str, Any]) -> set[str]:
        """The recordings an item belongs to, as far as is known now, where the filter asks about any."""
        return self._recorded.of(item) if self._recorded is not None else set()

    def batches(self, wanted: Filter | None) -> Iterator[list[dict[str, Any]]]:
        """What came and matches, some times a second; ends when the instance does."""
        ended = select.poll()
        ended.register(self._connection, select.POLLIN)
        over = False
        while not over:
            over = bool(ended.poll(STEP_MS))
            items = map(unpack, self._tail.take())
            if self._recorded is not None:
                self._recorded.refresh()
            found = [item for item in items if wanted is None or wanted.matches(item, self.of(item))]
            if found:
                yield found
        if self._tail.lost:
            self._warn(f"{self._tail.lost} item segments expired before they were read (tap.misc.jsonTTL)")

    def close(self) -> None:
        """Want no more items."""
        self._connection.close()
        self._tail.close()
