"""The fixed-size records of ``docs/formats.md``: extents, stream log, item index.

A reader takes whole records and ignores what is behind the last of them: it is still being written.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.naming import stream_name

EXTENT = np.dtype(
    [("stream", "<u8"), ("segment", "<u4"), ("length", "<u4"), ("offset", "<u8"), ("timestamp_ns", "<i8")]
)
"""32 bytes: where a run of adjacent packets of one stream lies; ``segment`` is another than the file's for a copy."""

STREAM_RECORD = np.dtype(
    [
        ("stream", "<u8"),
        ("timestamp_ns", "<i8"),
        ("packets", "<u8"),
        ("bytes", "<u8"),
        ("payload_bytes", "<u8"),
        ("client_ip", "V16"),
        ("server_ip", "V16"),
        ("client_port", "<u2"),
        ("server_port", "<u2"),
        ("protocol", "u1"),
        ("event", "u1"),
        ("state", "u1"),
        ("zero", "u1"),
    ]
)
"""80 bytes: one event of a stream."""

ITEM = np.dtype(
    [
        ("stream", "<u8"),
        ("index", "<u4"),
        ("length", "<u4"),
        ("offset", "<u8"),
        ("timestamp_ns", "<i8"),
        ("segment", "<u8"),
    ]
)
"""40 bytes: where an item lies; ``segment`` is zero."""

SEEN, END, ERROR = 1, 2, 3
"""Events of the stream log."""

STATES = ("open", "half_open", "closed", "reset", "idle")
"""States of a stream; the log holds the index."""

PCAP_HEADER_BYTES = 24
_PCAP_HEADER = struct.Struct("<IHHiIII")
_PCAP_MAGIC_NS = 0xA1B23C4D
SNAPLEN = 262_144
"""What the headers of our files say; no frame is longer."""
_STREAM_RECORD = struct.Struct("<QqQQQ16s16sHHBBBB")

Address = bytes
"""16 bytes: IPv6, or IPv4 mapped into it."""

Records = npt.NDArray[np.void]
"""An array of one of the dtypes above."""


class StreamRecord(NamedTuple):
    """One event of a stream, with the stream's counters so far."""

    stream: int
    timestamp_ns: int
    """Of the stream's first packet for ``SEEN``, of its last for the others."""
    packets: int
    bytes: int
    payload_bytes: int
    client_ip: Address
    server_ip: Address
    client_port: int
    server_port: int
    protocol: int
    event: int
    """``SEEN``, ``END`` or ``ERROR``."""
    state: int
    """Index into ``STATES``."""

    @property
    def name(self) -> str:
        """The stream's file name in Kubeshark's form."""
        return stream_name(self.stream, self.protocol)


def unpack_stream_records(data: bytes) -> list[StreamRecord]:
    """The records in ``data``, which holds whole ones only."""
    return [StreamRecord(*fields[:12]) for fields in _STREAM_RECORD.iter_unpack(data)]


def pcap_header(link_type: int) -> bytes:
    """The 24 bytes before the first packet: little-endian, nanoseconds."""
    return _PCAP_HEADER.pack(_PCAP_MAGIC_NS, 2, 4, 0, 0, SNAPLEN, link_type)


def link_type_of(header: bytes) -> int | None:
    """The link type in a segment's header; ``None`` when it is none of ours or not whole."""
    if len(header) < PCAP_HEADER_BYTES:
        return None
    magic, *_, link_type = _PCAP_HEADER.unpack_from(header)
    return int(link_type) if magic == _PCAP_MAGIC_NS else None


def read_records(path: Path, dtype: np.dtype[Any], start: int = 0, limit_bytes: int | None = None) -> Records:
    """The whole records of a file from byte ``start`` on, at most ``limit_bytes`` of them.

    Raises:
        OSError: the file is not there (any more) or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return read_records_at(descriptor, dtype, start, limit_bytes)
    finally:
        os.close(descriptor)


def read_records_at(descriptor: int, dtype: np.dtype[Any], start: int = 0, limit_bytes: int | None = None) -> Records:
    """The same of an open file."""
    available = os.fstat(descriptor).st_size - start
    wanted = available if limit_bytes is None else min(available, limit_bytes)
    data = read_at(descriptor, max(wanted, 0), start)
    return np.frombuffer(data, dtype, len(data) // dtype.itemsize)


def read_at(descriptor: int, length: int, offset: int) -> bytes:
    """``length`` bytes from ``offset`` on, fewer only at the end of the file."""
    data = os.pread(descriptor, length, offset)
    if len(data) == length or not data:
        return data
    parts = [data]
    got = len(data)
    while got < length and (data := os.pread(descriptor, length - got, offset + got)):
        parts.append(data)
        got += len(data)
    return b"".join(parts)
