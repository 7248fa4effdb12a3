"""``pcap``: the packets of streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.scripting.facades.facade import Remote


class Pcap(Remote):
    """Streams are named as items name them: ``000000000144.pcap``."""

    __slots__ = ()

    def path(self, stream: str) -> Any:
        """The path of a stream's PCAP, for ``file.copy`` and the like; it cannot be written to."""
        return self._calls.call("pcap.path", stream)

    def record(self, stream: str, recording: str) -> Any:
        """Keep this stream, from its first packet to its end, in a recording. Returns once that is certain."""
        return self._calls.call("pcap.record", stream, recording)

    def seal(self, recording: str) -> Any:
        """Close what the recording has collected so far and send it on its way."""
        return self._calls.call("pcap.seal", recording)

    def snapshot(self, selected: Sequence[str] = (), dir: str = "") -> Any:
        """Merge PCAPs into one file of the work folder, in time order; its name.

        ``selected`` names them, none means all; ``dir`` is a folder of the work folder, or the live streams.
        """
        return self._calls.call("pcap.snapshot", selected, dir)

    def nameResolutionHistory(self) -> Any:
        """Unix second -> address -> name: what was known when."""
        return self._calls.call("pcap.nameResolutionHistory")
