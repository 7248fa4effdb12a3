"""What would be left on the disk if the power failed now: a model of what was flushed, kept by watching the calls.

Two disks bound what a real one does. The *forgetful* one has file contents as of their last ``fsync`` and names as of
the last ``fsync`` of their folder. The *hasty* one has all names as they are, and contents as of their last ``fsync``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHANGES = ("fsync", "fdatasync", "rename", "replace", "link", "unlink", "rmdir", "mkdir")

Tree = dict[str, bytes]
"""Path below the root, and content."""


class Disk:
    """Of one folder; what is there when it begins counts as flushed."""

    def __init__(self, root: Path, check: Callable[[Disk], None]) -> None:
        """``check`` is called after every change."""
        self._root, self._check = root, check
        self._contents: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._lock = threading.Lock()
        self.changes = 0
        for folder, _, files in os.walk(root):
            self._flush_folder(Path(folder))
            for file in files:
                self._flush_file(Path(folder) / file)

    def forgetful(self) -> Tree:
        """Nothing but what was flushed."""
        return dict(self._walk(self._root.stat().st_ino, ""))

    def hasty(self) -> Tree:
        """All names, flushed contents."""
        paths = [path for path in self._root.rglob("*") if path.is_file()]
        return {str(path.relative_to(self._root)): self._contents.get(path.stat().st_ino, b"") for path in paths}

    def _walk(self, folder: int, prefix: str) -> Iterator[tuple[str, bytes]]:
        for name, inode in self._names.get(folder, {}).items():
            if inode in self._contents:
                yield prefix + name, self._contents[inode]
            else:
                yield from self._walk(inode, f"{prefix}{name}/")

    def _flush_folder(self, path: Path) -> None:
        self._contents.pop(path.stat().st_ino, None)  # numbers of what was deleted are used again
        self._names[path.stat().st_ino] = {entry.name: entry.inode() for entry in os.scandir(path)}

    def _flush_file(self, path: Path) -> None:
        self._names.pop(path.stat().st_ino, None)
        self._contents[path.stat().st_ino] = path.read_bytes()

    def _changed(self, name: str, arguments: tuple[Any, ...]) -> None:
        with self._lock:
            if name in ("fsync", "fdatasync"):
                path = Path(os.readlink(f"/proc/self/fd/{arguments[0]}"))
                if path.is_relative_to(self._root):
                    (self._flush_folder if path.is_dir() else self._flush_file)(path)
            elif name == "mkdir" and (inode := _inode(*arguments)):
                self._contents.pop(inode, None)
                self._names.pop(inode, None)
            self.changes += 1
            self._check(self)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch this process."""
        before = {name: getattr(os, name) for name in CHANGES}

        def wrapped(name: str) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                result = before[name](*arguments, **options)
                self._changed(name, arguments)
                return result

            return call

        try:
            for name in CHANGES:
                setattr(os, name, wrapped(name))
            yield
        finally:
            for name, call in before.items():
                setattr(os, name, call)


def _inode(path: str | Path, *_: Any) -> int:
    """0 where it is not there."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0
