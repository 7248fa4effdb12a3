"""Several captures read one after the other as one source: a folder of them, or the segments of a data folder."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from fnmatch import fnmatch
from itertools import zip_longest
from pathlib import Path

import numpy as np

from engine.capture.batch import Batch
from engine.capture.bytestream import ByteStream
from engine.capture.files import CaptureFile, open_file
from engine.capture.pcapngblocks import SECTION_BYTES
from engine.errors import CaptureError

PATTERNS = tuple(f"*.{form}{packing}" for form in ("pcap", "cap", "pcapng") for packing in ("", ".gz", ".zst"))
PLACE = 1 << 40
"""``Batch.resume`` of a folder is the file's place times this, plus the offset in the file."""
NO_PACKETS = 1 << 63


class CaptureSequence:
    """A ``Source`` of files, in the order given. All are opened at once, while their reader has the right to.

    ``Batch.resume`` is the file's place in that order times 2**40 plus the offset in that file, so that a damaged file,
    which ends before its size, cannot shift those behind it.
    """

    can_wait = True
    due_s = 0.0

    def __init__(
        self, name: str, paths: Sequence[str], index: int, *, start: int = 0, shown: Sequence[str] = ()
    ) -> None:
        """``start`` is a ``Batch.resume``; ``shown``: what messages call the files, where that is not their paths.

        Raises:
            CaptureError: a file cannot be opened, or the first is no capture.
        """
        self.name = name
        self._index = index
        self._place, offset = divmod(start, PLACE)
        self._waiting = _open_all(paths[self._place :], shown[self._place :])
        self._file: CaptureFile | None = None
        self._key_logs: list[bytes] = []
        self._warnings: deque[str] = deque()
        self.ended = False
        self._open_next(offset)

    def read(self) -> Batch | None:
        """The next batch of the current file, or the first of the next.

        Raises:
            CaptureError: a file cannot be opened or read.
        """
        while self._file is not None:
            batch = self._file.read()
            if batch is not None:
                return batch._replace(resume=self._place * PLACE + batch.resume)
            self._warnings += filter(None, [self._file.take_warning()])
            self._key_logs += self._file.take_key_logs()
            self._file.close()
            self._place += 1
            self._open_next()
        return None

    def fileno(self) -> int:
        """Files never have to wait."""
        return -1

    def take_warning(self) -> str:
        """Why a file ended before its end, one after the other."""
        return self._warnings.popleft() if self._warnings else ""

    def take_key_logs(self) -> list[bytes]:
        """Those of all files so far."""
        found, self._key_logs = self._key_logs, []
        return found + (self._file.take_key_logs() if self._file else [])

    def lost(self) -> int:
        """Files lose nothing."""
        return 0

    def close(self) -> None:
        """Give the descriptors back; again is harmless."""
        if self._file is not None:
            self._file.close()
        for stream in self._waiting:
            stream.close()
        self._waiting.clear()
        self._file, self.ended = None, True

    def _open_next(self, offset: int = 0) -> None:
        if not self._waiting:
            self._file, self.ended = None, True
            return
        stream = self._waiting.popleft()
        try:
            self._file = open_file(stream.name, self._index, start=offset, stream=stream)
        except CaptureError:
            self.close()
            raise


def _open_all(paths: Sequence[str], shown: Sequence[str]) -> deque[ByteStream]:
    streams: deque[ByteStream] = deque()
    try:
        for path, name in zip_longest(paths, shown, fillvalue=""):
            streams.append(ByteStream(path, name=name))
    except CaptureError:
        for stream in streams:
            stream.close()
        raise
    return streams


def open_folder(path: str, index: int, *, start: int = 0) -> CaptureSequence:
    """The captures directly in ``path``, in order of their first packets' times; those without packets come last.

    Raises:
        CaptureError: there are none, or one of them is no capture.
    """
    found = captures_in(path)
    if not found:
        raise CaptureError(path, f"a folder with captures ({', '.join(PATTERNS)})", "a folder without any")
    ordered = sorted(found, key=lambda file: (_begin_ns(file), file))
    return CaptureSequence(path, ordered, index, start=start)


def open_data_folder(path: str, index: int, *, start: int = 0) -> CaptureSequence:
    """The segments of a Remora data folder, oldest first.

    Raises:
        CaptureError: it holds no segments.
    """
    segments = sorted(Path(path, "segments").glob("*.pcap"), key=lambda file: (len(file.name), file.name))
    if not segments:
        raise CaptureError(f"data:{path}", "a data folder with segments/*.pcap", "a folder without any")
    return CaptureSequence(f"data:{path}", [str(file) for file in segments], index, start=start)


def captures_in(path: str, folder: int | None = None) -> list[str]:
    """Paths of what lies directly in a folder and is named like a capture; ``folder`` is a descriptor of it.

    Hidden names are none, as for a shell: whoever copies a file writes to one and renames it.
    """
    with os.scandir(path if folder is None else folder) as entries:
        names = [entry.name for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    return [os.path.join(path, name) for name in sorted(names) if any(fnmatch(name, form) for form in PATTERNS)]


def _begin_ns(path: str) -> int:
    begin_ns = first_packet_ns(path)
    return NO_PACKETS if begin_ns is None else begin_ns


def first_packet_ns(path: str, *, growing: bool = False, folder: int | None = None) -> int | None:
    """When the first packet of a file was captured; ``None``: there is none, or the file is growing and has none yet.

    Raises:
        CaptureError: it is no capture.
    """
    stream = ByteStream(path, growing=growing, folder=folder)
    if growing and stream.left() < SECTION_BYTES:
        stream.close()
        return None
    file = open_file(path, 0, stream=stream)
    try:
        batch = file.read()
    finally:
        file.close()
    if batch is None:
        return None
    seconds, nanoseconds = np.frombuffer(batch.buffer, "<u4", 2, int(batch.offsets[0])).tolist()
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
