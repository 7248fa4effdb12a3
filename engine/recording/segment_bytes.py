"""Bytes of extents and items, read from their segments: neighbours with one read, what is gone not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.recording.packets import Packets, packets_in
from engine.segments.files import numbered
from engine.segments.neighbours import read_rows
from engine.segments.records import PCAP_HEADER_BYTES, Records, link_type_of, read_at


class Piece(NamedTuple):
    """Packets of one segment, end to end."""

    data: bytes
    packets: Packets
    """Their offsets are in ``data``."""


def read_packets(folder: Path, number: int, extents: Records) -> Piece | None:
    """The packets of ``extents``; ``None`` where the segment is gone or is none of ours.

    Raises:
        OSError: the disk failed.
    """
    try:
        descriptor = os.open(numbered(folder, number, "pcap"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        link_type = link_type_of(read_at(descriptor, PCAP_HEADER_BYTES, 0))
        data = read_rows(descriptor, extents, f"segment {number}")
    finally:
        os.close(descriptor)
    if link_type is None or data is None:
        return None
    packets = packets_in(data, extents["stream"], extents["length"])
    packets["link_type"] = link_type
    return Piece(data, packets)


def read_items(folder: Path, number: int, rows: Records) -> list[tuple[int, bytes]]:
    """Stream and msgpack of each item; none where the item segment is gone.

    Raises:
        OSError: the disk failed.
    """
    try:
        descriptor = os.open(numbered(folder, number, "items"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        data = read_rows(descriptor, rows, f"item segment {number}")
    finally:
        os.close(descriptor)
    if data is None:
        return []
    stops = np.cumsum(rows["length"].astype(np.int64)).tolist()
    return [
        (s, data[stop - n : stop])
        for s, n, stop in zip(rows["stream"].tolist(), rows["length"].tolist(), stops, strict=True)
    ]
