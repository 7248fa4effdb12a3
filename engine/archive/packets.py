"""Packets of batches as capture files in a folder: only the gzip members that a span of time needs are fetched.

The members of one recording and node follow each other in one file, since each holds whole packets and all have one
form: a year of batches needs one descriptor, and a stream that goes on from batch to batch is one stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from engine.archive.catalogue import NS_PER_MS, Batch
from engine.archive.lines import pieces
from engine.archive.manifest import File
from engine.units import Span


class Fetched(NamedTuple):
    """The packets of some batches of one recording and node, in the order of time."""

    recording: str
    paths: list[Path]
    """Several where their form changed."""
    bytes: int


def fetch(batches: Iterable[Batch], span: Span, folder: Path) -> list[Fetched]:
    """Write what lies in ``span`` into ``folder``.

    Raises:
        CaptureError: a file cannot be read.
        OSError: ``folder`` is full.
    """
    found = []
    for number, ((recording, _, _), several) in enumerate(groupby(sorted(batches, key=_line), key=_line)):
        paths: list[Path] = []
        size = sum(_append(folder / f"{number:06d}", paths, *part) for part in _parts(several, span))
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


def _append(stem: Path, paths: list[Path], batch: Batch, start: int, end: int) -> int:
    """Add the members to the newest file, or begin another where this batch has another head; how many bytes."""
    file = batch.manifest.files["pcap"]
    name = batch.path("pcap")
    head = b"".join(pieces(batch.store, name, 0, file.members[0].offset))
    fits = bool(paths) and paths[-1].with_suffix(".head").read_bytes() == head
    if not fits:
        path = stem.with_name(f"{stem.name}-{len(paths):04d}{'.pcapng.gz' if '.pcapng' in file.name else '.pcap.gz'}")
        paths.append(path)
        path.write_bytes(head)
        path.with_suffix(".head").write_bytes(head)
    with paths[-1].open("ab") as target:
        for piece in pieces(batch.store, name, start, end):
            target.write(piece)
    return end - start + (0 if fits else len(head))
