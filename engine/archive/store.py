"""Where recordings lie, as far as reading them needs: names below a place, and bytes of what has a name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from engine.archive.manifest import ENDING
from engine.errors import CaptureError


class Store(Protocol):
    """A folder or a bucket that holds the tree of ``docs/formats.md``, or a part of it."""

    where: str
    """For messages."""

    def manifests(self) -> Iterator[str]:
        """The full name of each manifest, in no order.

        Raises:
            CaptureError: the place cannot be listed.
        """

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Bytes ``start`` to ``end`` (not included; None: to its end) of what ``name`` names in full.

        Raises:
            CaptureError: it is not there, or cannot be read.
        """


class FolderStore:
    """A local folder, or one manifest in it."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._path = path.absolute()

    def manifests(self) -> Iterator[str]:
        """As ``Store.manifests``; hidden files are being written, and are none."""
        if self._path.is_file():
            yield str(self._path)
            return
        for folder, _, files in os.walk(self._path):
            yield from (os.path.join(folder, name) for name in files if name.endswith(ENDING) and name[0] != ".")

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """As ``Store.read``."""
        try:
            with open(name, "rb") as file:
                file.seek(start)
                return file.read() if end is None else file.read(end - start)
        except OSError as error:
            raise CaptureError(name, "a file of a recording", error.strerror or str(error)) from error


def is_recording(path: Path) -> bool:
    """Whether a folder or file is (part of) the tree that recordings lie in."""
    if path.is_file():
        return path.name.endswith(ENDING)
    if any(part.startswith("recording=") for part in path.absolute().parts):
        return True
    try:
        with os.scandir(path) as entries:
            return any(entry.name.startswith("recording=") and entry.is_dir() for entry in entries)
    except OSError:
        return False
