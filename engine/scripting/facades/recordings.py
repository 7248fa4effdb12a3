"""``recordings``: recording jobs that a script makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.scripting.facades.facade import Remote


class Recordings(Remote):
    """A script's own jobs; ``pcap.record`` keeps single streams, these follow a filter and a schedule."""

    __slots__ = ()

    def create(
        self,
        name: str,
        kfl: str = "",
        start: str = "",
        iterations: int = 1,
        duration: str | float = 0,
        expiration: str | float = 0,
        redact: Sequence[str] = (),
        packets: bool | None = None,
        fromStart: bool = False,
        format: str = "",
    ) -> Any:
        """Record what a filter matches, by a schedule; nothing, where this job is there already.

        Numbers are minutes. A job of this script with other properties takes its place; one that is over begins again.
        """
        properties = {
            "start": start,
            "iterations": iterations,
            "duration": duration,
            "expiration": expiration,
            "redact": list(redact),
            "packets": packets,
            "fromStart": fromStart,
            "format": format or None,
        }
        return self._calls.call("recordings.create", name, kfl, properties)

    def stop(self, name: str) -> Any:
        """Keep no further streams in a job of this script."""
        return self._calls.call("recordings.stop", name)

    def list(self) -> Any:
        """This script's jobs that are not over: ``name``, ``kfl``, ``state``, ``ends``, ``next``."""
        return self._calls.call("recordings.list")
