"""Several pcap files into one, in the order of time.

Each file is read once to note where its records lie (24 bytes a record), then the records are copied in the order of
their timestamps; equal ones keep the order of the files. Output: little-endian, nanoseconds.
"""

from __future__ import annotations

import mmap
import os
import struct
from array import array
from typing import NamedTuple

from engine.errors import QuotaExceeded, StorageError
from engine.helpers.folder import write_all

_FILE_HEADER, _RECORD_HEADER = 24, 16
_MAGIC_NS, _MAGIC_US = 0xA1B23C4D, 0xA1B2C3D4
_SNAPLEN = 262_144
_NS = 1_000_000_000
_WRITE_BYTES = 1 << 20
ETHERNET = 1


class PcapDamaged(StorageError):
    """A file that is no pcap file, or not a whole one."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


class _Form(NamedTuple):
    """How one file is written."""

    order: str
    """``<`` or ``>``."""
    unit_ns: int
    link_type: int


class Merge:
    """Collects files with ``add``, writes them with ``write``. One spool, so that many files cost one descriptor."""

    def __init__(self, spool: int, limit_bytes: int) -> None:
        """``spool`` is an empty file, open for reading and writing; it takes a copy of every file, up to a limit."""
        self._spool, self._spooled, self._limit_bytes = spool, 0, limit_bytes
        self._link_type: int | None = None
        self._orders: list[str] = []
        self._timestamps_ns, self._places, self._lengths = array("q"), array("Q"), array("I")
        self._sources = array("I")

    def add(self, name: str, descriptor: int) -> None:
        """Take all records of an open file; ``name`` is for messages.

        Raises:
            PcapDamaged: not a pcap file, cut off, or of another link type than the ones before.
            QuotaExceeded: all together are larger than the limit.
            OSError: the disk is full.
        """
        size = os.fstat(descriptor).st_size
        if self._spooled + size > self._limit_bytes:
            raise QuotaExceeded(f"work folder, snapshot with {name!r}", self._limit_bytes, self._spooled + size)
        form = _form(name, os.pread(descriptor, _FILE_HEADER, 0))
        if self._link_type not in (None, form.link_type):
            reason = f"expected link type {self._link_type} as in the other files, got {form.link_type}"
            raise PcapDamaged(name, f"{reason}; make one snapshot of each")
        self._link_type = form.link_type
        self._orders.append(form.order)
        with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as data:
            self._note(name, data, form)
            write_all(self._spool, data)
        self._spooled += size

    def _note(self, name: str, data: mmap.mmap, form: _Form) -> None:
        header, source, size = struct.Struct(form.order + "IIII"), len(self._orders) - 1, len(data)
        at = _FILE_HEADER
        while at < size:
            if at + _RECORD_HEADER > size:
                raise PcapDamaged(name, f"cut off inside the record at byte {at}")
            seconds, fraction, captured, _ = header.unpack_from(data, at)
            if at + _RECORD_HEADER + captured > size or fraction * form.unit_ns >= _NS:
                raise PcapDamaged(name, f"cut off or damaged in the record at byte {at}")
            self._timestamps_ns.append(seconds * _NS + fraction * form.unit_ns)
            self._places.append(self._spooled + at)
            self._lengths.append(captured)
            self._sources.append(source)
            at += _RECORD_HEADER + captured

    def write(self, descriptor: int) -> int:
        """Write the merged file; how many records it holds.

        Raises:
            OSError: the disk is full.
        """
        link_type = ETHERNET if self._link_type is None else self._link_type
        out = bytearray(struct.pack("<IHHiIII", _MAGIC_NS, 2, 4, 0, 0, _SNAPLEN, link_type))
        if self._places:
            with mmap.mmap(self._spool, self._spooled, access=mmap.ACCESS_READ) as data:
                for record in sorted(range(len(self._places)), key=self._timestamps_ns.__getitem__):
                    out += self._record(data, record)
                    if len(out) >= _WRITE_BYTES:
                        write_all(descriptor, out)
                        out = bytearray()
        write_all(descriptor, out)
        return len(self._places)

    def _record(self, data: mmap.mmap, record: int) -> bytes:
        at, captured = self._places[record], self._lengths[record]
        (length,) = struct.unpack_from(self._orders[self._sources[record]] + "I", data, at + 12)
        seconds, ns = divmod(self._timestamps_ns[record], _NS)
        return (
            struct.pack("<IIII", seconds, ns, captured, length)
            + data[at + _RECORD_HEADER : at + _RECORD_HEADER + captured]
        )


def _form(name: str, head: bytes) -> _Form:
    if len(head) == _FILE_HEADER:
        for order in ("<", ">"):
            magic, major, _, _, _, _, link_type = struct.unpack(order + "IHHiIII", head)
            if magic in (_MAGIC_NS, _MAGIC_US) and major == 2:
                return _Form(order, 1 if magic == _MAGIC_NS else 1000, link_type & 0x0FFF_FFFF)
    raise PcapDamaged(name, "expected a pcap file (pcapng is not one)")
