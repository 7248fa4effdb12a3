"""The table that decode makes of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Columns(NamedTuple):
    """One row per packet of a batch, in capture order; every array has the same length.

    Where ``drop`` is set, only ``timestamp_ns``, ``captured_length`` and ``wire_length`` mean anything.
    """

    timestamp_ns: npt.NDArray[np.int64]
    """Nanoseconds since the epoch, from the capture source, never from us."""
    captured_length: npt.NDArray[np.int64]
    """Frame bytes that were captured."""
    wire_length: npt.NDArray[np.int64]
    """Frame bytes that were on the wire."""
    protocol: npt.NDArray[np.uint8]
    """IP protocol number of the transport: 6 TCP, 17 UDP."""
    source_high: npt.NDArray[np.uint64]
    """Upper half of the source address; IPv4 is held as ``::ffff:a.b.c.d``, mapped into IPv6 (RFC 4291, 2.5.5.2)."""
    source_low: npt.NDArray[np.uint64]
    target_high: npt.NDArray[np.uint64]
    target_low: npt.NDArray[np.uint64]
    source_port: npt.NDArray[np.uint16]
    target_port: npt.NDArray[np.uint16]
    flags: npt.NDArray[np.uint8]
    """TCP flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32; 0 for other transports."""
    sequence: npt.NDArray[np.uint32]
    acknowledgement: npt.NDArray[np.uint32]
    payload_start: npt.NDArray[np.int64]
    """Offset of the transport payload in the batch's buffer."""
    payload_length: npt.NDArray[np.int64]
    """Captured payload bytes."""
    payload_missing: npt.NDArray[np.int64]
    """Payload bytes that the IP packet had and the capture cut off (snap length)."""
    drop: npt.NDArray[np.uint8]
    """A ``Drop`` code, 0 for a packet that goes on."""

    def put(self, rows: npt.NDArray[np.int64] | int, values: Iterable[npt.ArrayLike]) -> None:
        """Write rows; ``values`` has one entry per column."""
        for name, entry in zip(self._fields, values, strict=True):
            getattr(self, name)[rows] = entry


COLUMN_TYPES = ("i8", "i8", "i8", "u1", "u8", "u8", "u8", "u8", "u2", "u2", "u1", "u4", "u4", "i8", "i8", "i8", "u1")
"""NumPy type of each column."""


def blank(rows: int) -> Columns:
    """Columns of zeros, to be filled."""
    return Columns(*(np.zeros(rows, kind) for kind in COLUMN_TYPES))
