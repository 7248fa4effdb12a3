"""The ``file`` helper: a script's work folder, and copies out of ``pcaps/``."""

from __future__ import annotations

import gzip
import os
import secrets
import stat
import tarfile
from collections.abc import Callable

from engine.clock import NS_PER_S
from engine.helpers.calls import helper
from engine.helpers.confine import WorkPathError, parts_of
from engine.helpers.folder import Draft, WorkFolder, write_all
from engine.helpers.replies import LastCall
from engine.helpers.view import Reading, in_view, writable

_COPY_BYTES = 1 << 20


class File:
    """One script's files. What it reads from ``pcaps/`` is made at that moment; nothing there can be changed."""

    def __init__(self, folder: WorkFolder, reading: Reading, last_call: LastCall, wall_ns: Callable[[], int]) -> None:
        self._folder, self._reading, self._last_call, self._wall_ns = folder, reading, last_call, wall_ns

    @helper("file.write", slow=True)
    def write(self, path: str, text: str) -> None:
        """Create or replace a file."""
        with self._folder.draft() as draft:
            write_all(draft.descriptor, text.encode())
            self._folder.publish(draft, writable(path), durable=False)

    @helper("file.append", once=True)
    def append(self, path: str, text: str) -> None:
        """Add to a file; create it where missing."""
        parts = writable(path)
        size = self._last_call.begun_with(self._folder.size(parts))
        if size is not None:
            self._folder.cut(parts, size)
        self._folder.append(parts, text.encode())

    @helper("file.copy", slow=True)
    def copy(self, source: str, target: str) -> None:
        """Copy a file, durably; into ``target`` under its own name where that is a folder."""
        source_parts = parts_of(source)
        parts = self._target(source_parts, target)
        if in_view(source_parts) and len(source_parts) == 2:
            with self._reading.stream(source_parts[1]) as draft:
                self._folder.publish(draft, parts, durable=True)
        else:
            with self._reading.opened(source) as descriptor, self._folder.draft() as draft:
                _copy(descriptor, draft)
                self._folder.publish(draft, parts, durable=True)

    @helper("file.move", slow=True, once=True)
    def move(self, source: str, target: str) -> None:
        """Rename a file or folder; into ``target`` under its own name where that is a folder."""
        parts = writable(source)
        if not parts:
            raise WorkPathError(source, "expected a path below the work folder, got the folder itself")
        moved = self._last_call.begun_with(self._folder.inode(parts))
        if moved is None or not self._was_moved(parts, target, moved):
            self._folder.move(parts, self._target(parts, target))

    def _was_moved(self, parts: tuple[str, ...], target: str, inode: int) -> bool:
        places = (writable(target), (*writable(target), parts[-1]))
        return self._folder.state(parts) is None and inode in map(self._folder.inode, places)

    @helper("file.delete", slow=True)
    def delete(self, path: str) -> None:
        """Delete a file, or a folder with all it holds; nothing there is fine."""
        parts = writable(path)
        if not parts:
            raise WorkPathError(path, "expected a path below the work folder, got the folder itself")
        self._folder.delete(parts)

    @helper("file.mkdir")
    def mkdir(self, path: str) -> None:
        """Make a folder and its parents; one that is there is fine."""
        self._folder.make_folder(writable(path))

    @helper("file.mkdirTemp", once=True)
    def mkdir_temp(self, name: str = "", folder: str = "") -> str:
        """Make a folder of a new name that begins with ``name``; its path."""
        parts = (*writable(folder), _one_name(f"{name}{secrets.token_hex(6)}"))
        self._folder.make_folder(writable("/".join(parts)), exist_ok=False)
        return "/".join(parts)

    @helper("file.temp", once=True)
    def temp(self, name: str = "", folder: str = "", ending: str = "txt") -> str:
        """Make an empty file of a new name that begins with ``name``; its path."""
        parts = (*writable(folder), _one_name(f"{name}{secrets.token_hex(6)}.{ending}"))
        with self._folder.draft() as draft:
            self._folder.publish(draft, writable("/".join(parts)), durable=False, replace=False)
        return "/".join(parts)

    @helper("file.tar", slow=True, once=True)
    def tar(self, folder: str) -> str:
        """Pack a folder as ``kubeshark_<unix seconds>.tar.gz`` in the work folder's root; its name."""
        parts = writable(folder)
        if not self._folder.is_folder(parts):
            raise WorkPathError(folder, "expected a folder")
        seconds = self._wall_ns() // NS_PER_S
        with self._folder.draft() as draft:
            self._pack(parts, draft, seconds)
            return self._folder.publish_as(draft, f"kubeshark_{seconds}", ".tar.gz")

    def _pack(self, parts: tuple[str, ...], draft: Draft, seconds: int) -> None:
        with (
            open(draft.descriptor, "wb", closefd=False) as raw,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=seconds) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            for path, state in list(self._folder.files(parts)):
                entry = tarfile.TarInfo("/".join(path[len(parts) - 1 if parts else 0 :]))
                entry.mtime, entry.mode = int(state.st_mtime), 0o755 if stat.S_ISDIR(state.st_mode) else 0o644
                if stat.S_ISDIR(state.st_mode):
                    entry.type = tarfile.DIRTYPE
                    archive.addfile(entry)
                    continue
                with self._folder.opened(path, os.O_RDONLY) as descriptor:
                    entry.size = os.fstat(descriptor).st_size
                    archive.addfile(entry, open(descriptor, "rb", closefd=False))  # noqa: SIM115  # closes nothing

    def _target(self, source: tuple[str, ...], target: str) -> tuple[str, ...]:
        parts = writable(target)
        if self._folder.is_folder(parts):
            return writable("/".join((*parts, source[-1]))) if source else parts
        return parts


def _one_name(name: str) -> str:
    if "/" in name:
        raise WorkPathError(name, "expected a name without '/'")
    return name


def _copy(descriptor: int, draft: Draft) -> None:
    while os.sendfile(draft.descriptor, descriptor, None, _COPY_BYTES):
        pass
