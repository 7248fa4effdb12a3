"""Counters and the one list of reasons for which something is thrown away.

``<stage>_<noun>_total`` only grows. For every stage, in = out + dropped; ``tests`` add it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class Drop(IntEnum):
    """Why something was thrown away. Codes 1 to 63 fit a column of ``Columns.drop``."""

    NONE = 0
    UNKNOWN_LINK_TYPE = 1
    NOT_IP = 2
    """ARP, LLDP and other frames that carry no IP packet, in a tunnel too."""
    CUT_BY_SNAPLEN = 3
    """The capture cut the frame inside a header that is needed."""
    BAD_HEADER = 4
    """A version, header length or total length that no sender sends."""
    FRAGMENT = 5
    """A fragment that came before the one that tells the ports; that one was not in the same batch."""
    UNSUPPORTED_TRANSPORT = 6
    """An IP protocol without streams here."""
    EXTENSION_HEADER = 7
    """More IPv6 extension headers than any sender sends."""
    NOT_TARGETED = 8
    """A capture filter (``tap.regex``, ``tap.namespaces``) left it out."""
    NESTED_TOO_DEEP = 9
    """Tunnels in tunnels, more than anybody builds."""

    RING_FULL = 64
    """The kernel dropped it before we saw it."""
    STREAM_LIMIT = 65
    REASSEMBLY_LIMIT = 66
    BODY_LIMIT = 67
    PENDING_LIMIT = 68
    """Too many requests of one stream waited for their response, or were open."""
    SCRIPT_QUEUE_FULL = 69
    SCRIPT_GONE = 70
    STORAGE_FULL = 71
    RATE_LIMIT = 72
    ABANDONED = 73
    """A script host died while it ran this item's hook."""
    NOT_DELIVERED = 74
    """It still waited for a script when a stopped instance had no more time, or when the worker died."""
    SCRIPT_REPLACED = 75
    """It waited for a script whose new version has a filter that leaves it out."""
    PENDING_BYTES_LIMIT = 76
    """Messages that waited for their other half took too much memory, in one stream or in all."""
    HELD_LIMIT = 77
    """Unfinished messages of all streams took too much memory: what there was of some went out."""


class Counters:
    """Named totals of one process. One owner; others get a copy by message."""

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}

    def add(self, name: str, count: int = 1) -> None:
        """``name`` is ``<stage>_<noun>_total``."""
        self._totals[name] = self._totals.get(name, 0) + count

    def drop(self, stage: str, reason: Drop, count: int = 1) -> None:
        """Count ``count`` things that ``stage`` threw away because of ``reason``."""
        self.add(f"{stage}_dropped_total{{reason={reason.name.lower()}}}", count)

    def set(self, name: str, value: int) -> None:
        """A level rather than a total, such as a queue's depth."""
        self._totals[name] = value

    def get(self, name: str) -> int:
        """The total of ``name``; 0 where nothing was counted."""
        return self._totals.get(name, 0)

    def dropped(self, stage: str) -> int:
        """All that ``stage`` dropped, whatever the reason."""
        prefix = f"{stage}_dropped_total{{"
        return sum(count for name, count in self._totals.items() if name.startswith(prefix))

    def snapshot(self) -> Mapping[str, int]:
        """A copy that may leave the process."""
        return dict(self._totals)
