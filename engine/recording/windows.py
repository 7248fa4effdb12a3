"""Which packets and items of which streams go into which recording. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.recording.batch_state import NEVER_NS

StreamIds = npt.NDArray[np.uint64]


class Windows:
    """For each recording, the streams in it and for each of those the times ``from_ns <= t < until_ns``."""

    def __init__(self) -> None:
        self._of: dict[str, dict[int, tuple[int, int]]] = {}

    def add(self, stream: int, recording: str, from_ns: int, until_ns: int = NEVER_NS) -> None:
        """One more; two of the same stream and recording that touch become one."""
        streams = self._of.setdefault(recording, {})
        if stream in streams:
            from_ns, until_ns = min(from_ns, streams[stream][0]), max(until_ns, streams[stream][1])
        streams[stream] = (from_ns, until_ns)

    def add_all(self, stream: int, recordings: Mapping[str, int]) -> None:
        """Everything from ``recordings[name]`` on."""
        for recording, from_ns in recordings.items():
            if from_ns != NEVER_NS:
                self.add(stream, recording, from_ns)

    def streams(self) -> StreamIds:
        """All streams in it, each once."""
        return np.array(sorted({stream for streams in self._of.values() for stream in streams}), np.uint64)

    def masks(self, table: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        """Per recording, which rows of a table with ``stream`` and ``timestamp_ns`` are in it; those with any."""
        for recording, of in self._of.items():
            streams = np.array(sorted(of), np.uint64)
            bounds = np.array([of[stream] for stream in streams.tolist()], np.int64)
            at = np.minimum(np.searchsorted(streams, table["stream"]), len(streams) - 1)
            time_ns = table["timestamp_ns"]
            mask = (streams[at] == table["stream"]) & (time_ns >= bounds[at, 0]) & (time_ns < bounds[at, 1])
            if mask.any():
                yield recording, mask
