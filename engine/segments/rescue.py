"""Rescue: what is leased moves out of segments that must go, so that a slow script holds its streams, not segments.

The copies lie in a segment of their own, which appears whole. An extent there names the segment in which it lay first:
``segment`` differs from the number of the file. For each stream and such segment only the copies in the file with the
highest number count, so that readers see every packet once, whichever of the files they find.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.segments.files import numbered
from engine.segments.member import ALONE, Member
from engine.segments.neighbours import read_rows
from engine.segments.records import EXTENT, SEEN, STREAM_RECORD, Records, read_records
from engine.segments.segment import ENDINGS, Segment, SegmentWriter

HIDDEN = ".rescue"
"""Folder beside the segments in which the copies are made; each worker has one."""
MAX_SHARE = 0.5
"""A segment of which more is leased stays as it is: copying it would free too little."""


class Rescued(NamedTuple):
    """What a rescue made."""

    segment: Segment
    """Holds the copies."""
    emptied: list[Segment]
    """Everything leased in these was copied: they may go."""


def newest(parts: Sequence[tuple[int, Records]]) -> list[tuple[int, Records]]:
    """Extents of files by number, ascending, without those of which a later file holds a copy."""
    is_copy = [rows["segment"] != number for number, rows in parts]
    if not any(one.any() for one in is_copy):
        return list(parts)
    copied = [rows[["stream", "segment"]][one] for (_, rows), one in zip(parts, is_copy, strict=True)]
    found: list[tuple[int, Records]] = []
    for at, (number, rows) in enumerate(parts):
        later = np.concatenate(copied[at + 1 :]) if at + 1 < len(parts) else copied[at][:0]
        found.append((number, rows[~np.isin(rows[["stream", "segment"]], later)] if len(later) else rows))
    return found


def rescue(
    folder: Path,
    number: int,
    segments: Iterable[Segment],
    leased: Set[int],
    room_bytes: int,
    now_s: float,
    member: Member = ALONE,
) -> Rescued | None:
    """Copy the packets of ``leased`` streams out of ``segments``, into segment ``number``.

    Args:
        folder: ``segments`` of the data folder.
        number: of the new segment; not used where there is nothing to rescue.
        segments: closed ones, in the order in which they should go.
        leased: ids of streams.
        room_bytes: the most that the new segment may hold.
        now_s: monotonic.
        member: whose segments they are.

    Raises:
        OSError: the disk does not take it; nothing has changed.
    """
    hidden = folder / member.named(HIDDEN, "")
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.mkdir(mode=0o700)
    try:
        return _rescue(folder, hidden, number, segments, leased, room_bytes, now_s)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _rescue(
    folder: Path,
    hidden: Path,
    number: int,
    segments: Iterable[Segment],
    leased: Set[int],
    room_bytes: int,
    now_s: float,
) -> Rescued | None:
    writer: SegmentWriter | None = None
    emptied: list[Segment] = []
    for segment in segments:
        if writer is not None and segment.link_type != writer.link_type:
            continue
        rows = _leased_rows(folder, segment, leased, room_bytes - (writer.size_bytes if writer else 0))
        if rows is None:
            continue
        writer = writer or SegmentWriter(hidden, number, segment.link_type, now_s)
        if _copy(folder, segment, rows, writer):
            emptied.append(segment)
    if writer is None:
        return None
    made = writer.close(0.0)
    if not emptied:
        return None
    for ending in reversed(ENDINGS):
        os.rename(numbered(hidden, number, ending), numbered(folder, number, ending))
    return Rescued(made, emptied)


def _leased_rows(folder: Path, segment: Segment, leased: Set[int], room_bytes: int) -> Records | None:
    """Extents to copy; ``None`` where copying them frees too little or takes too much room."""
    rows = read_records(numbered(folder, segment.number, "idx"), EXTENT)
    rows = rows[np.isin(rows["stream"], np.fromiter(leased & segment.streams, np.uint64))]
    size = int(rows["length"].sum()) + rows.nbytes + len(leased & segment.streams) * STREAM_RECORD.itemsize
    fits = size <= min(room_bytes, MAX_SHARE * segment.size_bytes)
    return rows if fits and len(rows) else None


def _copy(folder: Path, segment: Segment, rows: Records, writer: SegmentWriter) -> bool:
    """Append ``rows`` of ``segment``; whether all of them are there.

    Raises:
        OSError: the disk is full or failing.
    """
    descriptor = os.open(numbered(folder, segment.number, "pcap"), os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = read_rows(descriptor, rows, f"segment {segment.number}")
    finally:
        os.close(descriptor)
    if data is None:
        return False
    extents = rows.copy()
    extents["offset"] = writer.packet_bytes + np.cumsum(rows["length"], dtype=np.uint64) - rows["length"]
    seen, records = _seen(folder, segment, set(rows["stream"].tolist()) - writer.streams)
    if writer.append(data, extents, seen, records, segment.written_s) < len(extents):
        raise writer.error or OSError(f"segment {writer.number}: expected {len(extents)} extents to be written")
    return True


def _seen(folder: Path, segment: Segment, streams: Set[int]) -> tuple[list[int], bytes]:
    """The newest ``seen`` record of each of these streams in the segment's log."""
    log = read_records(numbered(folder, segment.number, "streams"), STREAM_RECORD)
    log = log[(log["event"] == SEEN) & np.isin(log["stream"], np.fromiter(streams, np.uint64))]
    latest = {stream: at for at, stream in enumerate(log["stream"].tolist())}
    return list(latest), b"".join([log[at : at + 1].tobytes() for at in latest.values()])
