"""Where recordings lie, as far as reading them needs: names below a place, and bytes of what has a name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from engine.archive.manifest import ENDING, TREE
from engine.errors import CaptureError

MAX_WHOLE_BYTES = 64 << 20
"""Of a manifest, the only file that is read at once."""


class Store(Protocol):
    """A folder or a bucket that holds the tree of ``docs/formats.md``, or a part of it."""

    where: str
    """For messages."""

    def manifests(self) -> Iterator[str]:
        """The full name of each manifest, in no order.

        Raises:
            CaptureError: the place cannot be listed.
        """

    def shown(self, name: str) -> str:
        """What messages call it: a place that somebody can look at."""

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Bytes ``start`` to ``end`` (not included; None: to its end) of what ``name`` names in full.

        Less where it ends before.

        Raises:
            CaptureError: it is not there, or cannot be read.
        """


class FolderStore:
    """A local folder, or one manifest in it. No link leads out of the folder of a recording, or of this one."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._path = path.absolute()

    def manifests(self) -> Iterator[str]:
        """As ``Store.manifests``; hidden files are being written, and are none."""
        if self._path.is_file():
            yield str(self._path)
            return
        for folder, _, files in os.walk(self._path, onerror=self._unreadable):
            yield from (os.path.join(folder, name) for name in files if name.endswith(ENDING) and name[0] != ".")

    def shown(self, name: str) -> str:
        """Its path."""
        return name

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """As ``Store.read``."""
        self._check_beneath(name)
        try:
            with open(os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # no pipe is waited for
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise CaptureError(name, "a file of a recording", "something that is no file")
                last = status.st_size if end is None else min(end, status.st_size)
                if end is None and last > MAX_WHOLE_BYTES:
                    raise CaptureError(name, f"a manifest of at most {MAX_WHOLE_BYTES} bytes", last)
                file.seek(start)
                return file.read(max(last - start, 0))
        except OSError as error:
            hint = "it may have expired meanwhile, ask again" if isinstance(error, FileNotFoundError) else ""
            raise CaptureError(name, "a file of a recording", error.strerror or str(error), hint) from error

    def _unreadable(self, error: OSError) -> None:
        if isinstance(error, FileNotFoundError) and error.filename != str(self._path):
            return  # its last batch expired just now
        raise CaptureError(str(error.filename), "a folder that can be read", error.strerror or str(error)) from error

    def _check_beneath(self, name: str) -> None:
        at = name.rfind(f"/{TREE}")
        tree = os.path.realpath(name[: name.find("/", at + 1)] if at >= 0 else self._path)
        if not os.path.realpath(name).startswith(f"{tree}/"):
            raise CaptureError(name, f"a file below {tree}", "a link out of it")


def is_recording(path: Path) -> bool:
    """Whether a folder or file is (part of) the tree that recordings lie in."""
    if path.is_file():
        return path.name.endswith(ENDING)
    if any(part.startswith(TREE) for part in path.absolute().parts):
        return True
    try:
        with os.scandir(path) as entries:
            return any(entry.name.startswith(TREE) and entry.is_dir() for entry in entries)
    except OSError:
        return False
