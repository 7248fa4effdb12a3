"""Replay at the speed of the capture: packets come out when as much time has passed as had passed between them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from engine.capture.batch import RECORD_HEADER_BYTES, Batch, Source

STEP_S = 0.005
"""Packets come out in steps of 5 ms: nobody notices, and a batch holds more than one of them."""


class PacedSource:
    """A ``Source`` around another. It never sleeps: ``due_s`` says when ``read`` will have something."""

    can_wait = True

    def __init__(self, source: Source, now_s: Callable[[], float]) -> None:
        """``now_s`` is a monotonic clock; the first packet comes out at once."""
        self.name, self.due_s = source.name, 0.0
        self._source, self._now_s = source, now_s
        self._batch: Batch | None = None  # what is left of it
        self._times_ns: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._offset_ns: int | None = None  # capture time minus our time
        self._latest_ns = 0

    @property
    def ended(self) -> bool:
        """No more packets will come."""
        return self._batch is None and self._source.ended

    def read(self) -> Batch | None:
        """The packets that are due.

        Raises:
            CaptureError: the source broke.
        """
        now_ns = int(self._now_s() * 1e9)
        if self._batch is None:
            self._take(self._source.read(), now_ns)
        if self._batch is None or self._offset_ns is None:
            self.due_s = self._source.due_s
            return None
        count = int(np.searchsorted(self._times_ns, now_ns + self._offset_ns, "right"))
        due = self._split(self._batch, count)
        self.due_s = self._next_due_s(now_ns)
        return due

    def fileno(self) -> int:
        """That of the source while nothing is held back."""
        return -1 if self._batch is not None else self._source.fileno()

    def take_warning(self) -> str:
        """That of the source."""
        return self._source.take_warning()

    def take_key_logs(self) -> list[bytes]:
        """Those of the source."""
        return self._source.take_key_logs()

    def lost(self) -> int:
        """Whatever the source lost."""
        return self._source.lost()

    def close(self) -> None:
        """Close the source."""
        self._batch = None
        self._source.close()

    def _take(self, batch: Batch | None, now_ns: int) -> None:
        if batch is None:
            return
        times_ns = np.maximum.accumulate(timestamps_ns(batch))  # a packet that is out of order comes with its successor
        self._times_ns = np.maximum(times_ns, self._latest_ns)
        self._latest_ns = int(self._times_ns[-1])
        self._batch = batch
        if self._offset_ns is None:
            self._offset_ns = int(times_ns[0]) - now_ns

    def _split(self, batch: Batch, count: int) -> Batch | None:
        """Its first ``count`` packets; the rest stays."""
        if count == len(batch.offsets):
            self._batch = None
            return batch
        if not count:
            return None
        last = int(batch.offsets[count - 1])
        cut = last + RECORD_HEADER_BYTES + int.from_bytes(batch.buffer[last + 8 : last + 12], "little")
        self._batch = batch._replace(offsets=batch.offsets[count:])
        self._times_ns = self._times_ns[count:]
        return batch._replace(offsets=batch.offsets[:count], end=cut, resume=batch.resume - (batch.end - cut))

    def _next_due_s(self, now_ns: int) -> float:
        if self._batch is None or self._offset_ns is None:
            return 0.0
        return max((int(self._times_ns[0]) - self._offset_ns) / 1e9, now_ns / 1e9 + STEP_S)


def timestamps_ns(batch: Batch) -> npt.NDArray[np.int64]:
    """When each packet of a batch was captured."""
    window: npt.NDArray[np.void] = np.ndarray((len(batch.buffer) - 7,), "V8", batch.buffer, strides=(1,))
    stamps = window[batch.offsets].view("<u4").reshape(-1, 2).astype(np.int64)
    return stamps[:, 0] * 1_000_000_000 + stamps[:, 1]
