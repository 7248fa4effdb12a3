"""Packets of batches as capture files in a folder: only the gzip members that a span of time needs are fetched.

The members of one recording and node follow each other in one file, since each holds whole packets and all have one
form: a year of batches needs one descriptor, and a stream that goes on from batch to batch is one stream.

What is damaged is found here, where its batch is known: a whole file by its SHA-256, and where that is wrong, or a part
is fetched, each member by unpacking it. A damaged one is left out, and its time is told.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import IO, NamedTuple

from engine.archive.catalogue import NS_PER_MS, Batch
from engine.archive.lines import pieces, unpacked
from engine.archive.manifest import File
from engine.clock import rfc3339
from engine.recording.names import component
from engine.units import Span

_LAST_NS = (1 << 63) - 1


class Fetched(NamedTuple):
    """The packets of some batches of one recording and node, in the order of time."""

    recording: str
    paths: list[Path]
    """Several where their form changed."""
    bytes: int

    @property
    def shown(self) -> list[str]:
        """What messages call ``paths``."""
        return [f"the packets of recording {self.recording!r}"] * len(self.paths)


def fetch(batches: Iterable[Batch], span: Span, folder: Path, warn: Callable[[str], None]) -> list[Fetched]:
    """Write what lies in ``span`` into ``folder``; ``warn`` is told what is damaged.

    Raises:
        CaptureError: a file cannot be read.
        OSError: ``folder`` is full.
    """
    found = []
    for number, ((recording, _, _), several) in enumerate(groupby(sorted(batches, key=_line), key=_line)):
        paths: list[Path] = []
        stem = folder / f"{number:06d}-{component(recording)[:100]}"
        size = sum(_append(stem, paths, *part, warn) for part in _parts(several, span))
        for path in paths:
            path.with_suffix(".head").unlink()
        if paths:
            found.append(Fetched(recording, paths, size))
    return found


def _line(batch: Batch) -> tuple[str, str, str]:
    """What its packets are a part of. Sorting keeps the order in which batches were opened."""
    return batch.manifest.recording, batch.manifest.cluster, batch.manifest.node


def _parts(batches: Iterable[Batch], span: Span) -> Iterator[tuple[Batch, int, int]]:
    for batch in batches:
        file = batch.manifest.files["pcap"]
        if batch.manifest.packets and (wanted := _wanted(file, span)) is not None:
            yield batch, *wanted


def _wanted(file: File, span: Span) -> tuple[int, int] | None:
    """``(start, end)`` of the wanted members, which lie in the order of time; None where there are none."""
    ends = [member.offset for member in file.members[1:]] + [file.bytes]
    wanted = [
        (member.offset, end)
        for member, end in zip(file.members, ends, strict=True)
        if member.first_ns // NS_PER_MS <= span.until_ms and member.last_ns // NS_PER_MS >= span.since_ms
    ]
    return (wanted[0][0], wanted[-1][1]) if wanted else None


def _append(stem: Path, paths: list[Path], batch: Batch, start: int, end: int, warn: Callable[[str], None]) -> int:
    """Add the members to the newest file, or begin another where this batch has another head; how many bytes."""
    file = batch.manifest.files["pcap"]
    name = batch.path("pcap")
    head = b"".join(pieces(batch.store, name, 0, file.members[0].offset))
    if not _is_whole(head):
        warn(f"{batch.shown('pcap')}: its head is damaged: none of its packets can be read")
        return 0
    fits = bool(paths) and paths[-1].with_suffix(".head").read_bytes() == head
    if not fits:
        path = stem.with_name(f"{stem.name}-{len(paths):04d}{'.pcapng.gz' if '.pcapng' in file.name else '.pcap.gz'}")
        paths.append(path)
        path.write_bytes(head)
        path.with_suffix(".head").write_bytes(head)
    with paths[-1].open("ab") as target:
        begin = target.tell()
        _copy(batch, head, start, end, target, warn)
        return target.tell() - begin + (0 if fits else len(head))


def _copy(batch: Batch, head: bytes, start: int, end: int, target: IO[bytes], warn: Callable[[str], None]) -> None:
    file, name, begin = batch.manifest.files["pcap"], batch.path("pcap"), target.tell()
    if file.sha256 and (start, end) == (len(head), file.bytes):
        digest = hashlib.sha256(head)
        for piece in pieces(batch.store, name, start, end):
            digest.update(piece)
            target.write(piece)
        if digest.hexdigest() == file.sha256:
            return
        target.seek(begin)
        target.truncate()
    ends = [*(member.offset for member in file.members[1:]), file.bytes]
    for member, until in zip(file.members, ends, strict=True):
        if start <= member.offset < end and not _copy_member(batch, member.offset, until, target):
            since, last = _clock(member.first_ns), _clock(member.last_ns)
            where = f"{batch.shown('pcap')}: the packets from {since} to {last}"
            warn(f"{where} are damaged and left out (member at {member.offset})")


def _clock(timestamp_ns: int) -> str:
    return rfc3339(min(max(timestamp_ns, 0), _LAST_NS))[:19] + "Z"  # a manifest may say anything


def _copy_member(batch: Batch, start: int, end: int, target: IO[bytes]) -> bool:
    """Whether it is whole; else nothing of it stays."""
    begin, copied = target.tell(), pieces(batch.store, batch.path("pcap"), start, end)
    try:
        deque(unpacked(_also_written(copied, target)), 0)
    except (EOFError, zlib.error):
        target.seek(begin)
        target.truncate()
        return False
    return True


def _is_whole(packed: bytes) -> bool:
    try:
        deque(unpacked(iter([packed])), 0)
    except (EOFError, zlib.error):
        return False
    return True


def _also_written(copied: Iterable[bytes], target: IO[bytes]) -> Iterator[bytes]:
    for piece in copied:
        target.write(piece)
        yield piece
