"""The keep journal: what worker and broker want kept, told to the recorder through a file.

Append-only, one writer a file (``docs/formats.md``, "Keep journal"). A file and not a message, because the wish must
outlive whoever made it: `fsync` before the call returns costs the broker about 1 ms and is its durable claim.

```
+---------+----------------+---------+-----
| len u32 | entry, msgpack | len u32 | …
+---------+----------------+---------+-----
```
"""

from __future__ import annotations

import logging
import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

ENDING = ".log"
FILE_BYTES = 4 * 1024 * 1024
"""Beyond this a journal goes on in another file: 60,000 wishes. What was read of it need not be kept."""
LENGTH = struct.Struct("<I")
MAX_ENTRY_BYTES = 64 * 1024
"""No writer makes a longer entry; a longer length is damage."""
READ_BYTES = 4 * 1024 * 1024
"""One ``read_journal`` reads at most this much, so that a long journal does not become a large process."""

_log = logging.getLogger(__name__)


class Keep(msgspec.Struct, tag_field="op", tag="keep", frozen=True):
    """Keep this stream's packets from ``from_ns`` to its end, and its items."""

    stream: int
    recording: str
    from_ns: int
    """Timestamp of the first packet wanted; 0: from the stream's first stored packet."""
    at_ns: int
    """Wall clock of the wish."""
    limit: int = 0
    """Of its run, only so many wishes count; 0: all."""
    run: int = 0
    """Which run of the recording it is for."""


class SealNow(msgspec.Struct, tag_field="op", tag="seal", frozen=True):
    """Close the open batches of this recording, if they hold anything."""

    recording: str
    at_ns: int


NO_WORKER = -1


class Gap(msgspec.Struct, tag_field="op", tag="gap", frozen=True):
    """Something was missed of what was on the wire from ``from_ns`` to ``to_ns``, by the capture's clock."""

    worker: int
    """Whose; ``NO_WORKER``: nothing ran."""
    reason: str
    """Of all that a worker sees: ``ring_full`` (the kernel had no room for packets), ``worker_died`` (nobody read until
    its successor did), ``packets_not_stored``, ``items_not_stored`` (the disk or ``tap.storageLimit`` had no room).
    Of one recording: ``streams_not_kept`` (the disk did not take who is to be kept), and what its job missed."""
    from_ns: int
    to_ns: int
    packets: int = 0
    """How many were counted; 0 where nobody did."""
    items: int = 0
    streams: int = 0
    recording: str = ""
    """Which one it concerns; empty: all."""


class Change(msgspec.Struct, tag_field="op", tag="change", frozen=True):
    """A script wants a recording job, or its end."""

    operation: str
    """``create`` or ``stop``."""
    by: str
    """``script NAME``."""
    given: dict[str, Any]
    """Properties of the job, or its name."""
    at_ns: int


Entry = Keep | SealNow | Gap | Change

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)


class KeepJournal:
    """The writing end; owned by one process. A file that has grown is left to the recorder, which deletes it."""

    def __init__(self, path: Path, sync: bool) -> None:
        """Open or create; what a killed predecessor wrote in half is cut off.

        Args:
            path: the journal's first file; its folder exists. Later ones are numbered.
            sync: whether each entry is on the disk, not only in the page cache, before the call returns.

        Raises:
            OSError: the file cannot be opened.
        """
        self._path, self._sync = path, sync
        self._number = max((number for number, _ in _files(path.parent, path.name.removesuffix(ENDING))), default=0)
        self._open()

    def _open(self) -> None:
        path = _numbered(self._path, self._number)
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._end = _end_of_entries(path)
        torn = os.fstat(self._descriptor).st_size - self._end
        if torn:
            os.ftruncate(self._descriptor, self._end)
            _log.warning("keep_journal_cut path=%s torn_bytes=%d", path, torn)
        if self._sync:
            _sync_folder(path.parent)

    def keep(self, stream: int, recording: str, from_ns: int, at_ns: int) -> None:
        """Ask for a stream; the wish is written when this returns, and harmless when repeated.

        Raises:
            OSError: not written (disk full); the journal is as it was.
        """
        self._append(Keep(stream, recording, from_ns, at_ns))

    def keep_all(self, wishes: Sequence[Keep]) -> None:
        """Ask for several streams with one write.

        Raises:
            OSError: not written (disk full); the journal is as it was.
        """
        self._append(*wishes)

    def seal(self, recording: str, at_ns: int) -> None:
        """Ask for the open batches of a recording to be sealed now.

        Raises:
            OSError: not written (disk full); the journal is as it was.
        """
        self._append(SealNow(recording, at_ns))

    def gap(self, gap: Gap) -> None:
        """Tell of packets that were missed.

        Raises:
            OSError: not written (disk full); the journal is as it was.
        """
        self._append(gap)

    def change(self, change: Change) -> None:
        """Ask for a recording job, or for its end.

        Raises:
            OSError: not written (disk full); the journal is as it was.
        """
        self._append(change)

    def _append(self, *entries: Entry) -> None:
        if self._end >= FILE_BYTES:
            self._begin_another()
        record = b"".join(LENGTH.pack(len(body)) + body for body in map(_encoder.encode, entries))
        try:
            written = os.write(self._descriptor, record)
            while written < len(record):  # a disk that fills up takes the first part
                written += os.write(self._descriptor, record[written:])
            if self._sync:
                os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(record)

    def _begin_another(self) -> None:
        """Raises ``OSError`` where it cannot be made; then the next entry tries again."""
        before, self._number = self._descriptor, self._number + 1
        try:
            self._open()
        except OSError:
            self._descriptor, self._number = before, self._number - 1
            raise
        os.close(before)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def __enter__(self) -> KeepJournal:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def journals(keep: Path) -> list[Path]:
    """All files of all journals, those of each in the order in which they were written."""
    stems = {path.name.removesuffix(ENDING).partition(".")[0] for path in keep.glob(f"*{ENDING}")}
    return [path for stem in sorted(stems) for _, path in _files(keep, stem)]


def delete_read(keep: Path, read_bytes: dict[str, int]) -> None:
    """Delete files of which every entry was read, but for the last of each journal; and forget what is gone.

    Raises:
        OSError: the disk does not allow it.
    """
    newest = {path.name.partition(".")[0]: path for path in journals(keep)}
    for path in journals(keep):
        is_read = read_bytes.get(path.name, 0) >= path.stat().st_size
        if path != newest[path.name.partition(".")[0]] and is_read:
            path.unlink()
    for name in [name for name in read_bytes if not (keep / name).exists()]:
        del read_bytes[name]


def _files(keep: Path, stem: str) -> list[tuple[int, Path]]:
    """Number and path of each file of a journal, ascending."""
    found = []
    for path in keep.glob(f"{stem}*{ENDING}"):
        match = re.fullmatch(re.escape(stem) + r"(?:\.(\d+))?" + re.escape(ENDING), path.name)
        if match:
            found.append((int(match[1] or 0), path))
    return sorted(found)


def _numbered(path: Path, number: int) -> Path:
    """``broker.log``, then ``broker.1.log``."""
    return path.with_name(f"{path.name.removesuffix(ENDING)}.{number}{ENDING}") if number else path


def read_journal(path: Path, offset: int) -> tuple[list[Entry], int]:
    """The entries behind ``offset`` and the offset behind them; a journal that does not exist yet is empty.

    An incomplete entry at the end is not read: it is still being written, or its writer died and the next one cuts it
    off. At most about ``READ_BYTES`` are read at a time: call again until the offset stays.
    """
    try:
        with path.open("rb") as journal:
            journal.seek(offset)
            data = journal.read(READ_BYTES)
    except FileNotFoundError:
        return [], offset
    entries: list[Entry] = []
    at = 0
    while (entry := _entry_at(data, at)) is not None:
        entries.append(entry[0])
        at = entry[1]
    return entries, offset + at


def _entry_at(data: bytes, at: int) -> tuple[Entry, int] | None:
    """The entry at ``at`` and where the next begins; ``None`` where no whole entry lies."""
    if at + LENGTH.size > len(data):
        return None
    (length,) = LENGTH.unpack_from(data, at)
    end = at + LENGTH.size + length
    if not 0 < length <= MAX_ENTRY_BYTES or end > len(data):
        return None
    try:
        return _decoder.decode(data[at + LENGTH.size : end]), end
    except msgspec.DecodeError:
        return None


def _end_of_entries(path: Path) -> int:
    offset, moved = 0, True
    while moved:
        _, end = read_journal(path, offset)
        moved, offset = end > offset, end
    return offset


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
