"""Segments that an earlier process left: cut to what is whole, then kept as they are.

A writer that was killed leaves packets without extents, half records, or files without the others. What readers were
told stays: an extent survives if its packets and its stream's ``seen`` record are there.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.capture.options import MAX_WORKERS
from engine.segments.files import numbered, numbers_in, remove_all, size_of
from engine.segments.member import ALONE, Member
from engine.segments.records import (
    ERROR,
    EXTENT,
    PCAP_HEADER_BYTES,
    SEEN,
    STREAM_RECORD,
    Records,
    link_type_of,
    read_records,
)
from engine.segments.rescue import HIDDEN
from engine.segments.segment import ENDINGS, Segment


class Found(NamedTuple):
    """A segment that was found, and what its log says."""

    segment: Segment
    errors: frozenset[int]
    """Streams that had an error."""


def recover(folder: Path, now_s: float, member: Member = ALONE) -> list[Found]:
    """Repair what lies in ``folder`` and is this worker's; by number. Every stream counts as just read.

    Raises:
        OSError: the disk does not allow it.
    """
    for index in range(member.index, MAX_WORKERS, member.count):
        shutil.rmtree(folder / Member(index).named(HIDDEN, ""), ignore_errors=True)
    packets = set(filter(member.owns, numbers_in(folder, "pcap")))
    for ending in ENDINGS[1:]:
        strays = set(filter(member.owns, numbers_in(folder, ending))) - packets
        remove_all(numbered(folder, number, ending) for number in strays)
    found = (_recover_one(folder, number, now_s) for number in sorted(packets))
    return [one for one in found if one]


def highest_number(folder: Path, member: Member = ALONE) -> int:
    """Of any file that a segment of this worker ever had there; the one before its first for none."""
    return member.highest(number for ending in ENDINGS for number in numbers_in(folder, ending))


def _recover_one(folder: Path, number: int, now_s: float) -> Found | None:
    paths = [numbered(folder, number, ending) for ending in ENDINGS]
    packets, index, log = paths
    with packets.open("rb") as file:
        link_type = link_type_of(file.read(PCAP_HEADER_BYTES))
    if link_type is None:
        remove_all(paths)
        return None
    records = read_records(log, STREAM_RECORD) if log.exists() else np.empty(0, STREAM_RECORD)
    extents = read_records(index, EXTENT) if index.exists() else np.empty(0, EXTENT)
    extents = extents[: _whole(extents, records, size_of(packets))]
    end = int(extents["offset"][-1]) + int(extents["length"][-1]) if len(extents) else PCAP_HEADER_BYTES
    for path, size in ((index, extents.nbytes), (log, records.nbytes), (packets, end)):
        _cut(path, size)
    streams = set(np.unique(extents["stream"]).tolist())
    errors = frozenset(records["stream"][records["event"] == ERROR].tolist())
    size = end + extents.nbytes + records.nbytes
    return Found(Segment(number, link_type, now_s, size, extents.nbytes, streams), errors)


def _whole(extents: Records, records: Records, packet_bytes: int) -> int:
    """How many extents from the first on have their packets and their stream's ``seen`` record."""
    seen = records["stream"][records["event"] == SEEN]
    good = (extents["offset"] + extents["length"] <= packet_bytes) & np.isin(extents["stream"], seen)
    return int(np.argmin(good)) if not good.all() else len(extents)


def _cut(path: Path, size: int) -> None:
    if size_of(path) != size or not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)
