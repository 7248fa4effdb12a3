"""A script's work folder: opened once, everything below it reached through its descriptor, its size limited.

New content is written beside the folder, in ``tmp``, and renamed into it: a script sees all of a file or none. What
it may hold is limited (``engine.helpers.space``).
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from engine.helpers.confine import MAX_DEPTH, WorkPathError, open_beneath
from engine.helpers.space import FOLDER, NOTHING, Room, Space, charge, charge_of

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Draft:
    """A file that is being made, outside the work folder and in the same file system."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name, self.descriptor = name, descriptor


def write_all(descriptor: int, data: bytes | bytearray | mmap.mmap) -> None:
    """All of ``data``; a disk that fills up takes the first part of it and then raises."""
    with memoryview(data) as view:
        at = 0
        while at < len(view):
            at += os.write(descriptor, view[at:])


class WorkFolder:
    """``<data>/scripts/<script>/work``, shared by the hosts of one script; owned by the broker."""

    def __init__(self, home: Path, limit: Room) -> None:
        """``home`` is ``<data>/scripts/<script>``; made where missing, its ``tmp`` emptied."""
        for folder in (home / "work", home / "tmp"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root = os.open(home / "work", _FOLDER | os.O_CLOEXEC)
        self._tmp = os.open(home / "tmp", _FOLDER | os.O_CLOEXEC)
        _empty(self._tmp)
        self.limit = limit
        """What it may hold; a file that is being made beside it is never larger."""
        self._space = Space(limit, lambda: self._count(()))

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._root)
        os.close(self._tmp)

    @property
    def used(self) -> Room:
        """What lies in it, as charged."""
        return self._space.used

    # -- looking -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def opened(self, parts: tuple[str, ...], flags: int) -> Iterator[int]:
        """A regular file below the folder.

        Raises:
            PathEscape, WorkPathError: not such a path, or not a regular file.
            OSError: as ``open``.
        """
        descriptor = open_beneath(self._root, parts, flags)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise WorkPathError("/".join(parts), "expected a file, got a folder or a special file")
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def folder(self, parts: tuple[str, ...]) -> Iterator[int]:
        """A folder below the folder, or itself."""
        descriptor = open_beneath(self._root, parts, _FOLDER)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def state(self, parts: tuple[str, ...]) -> os.stat_result | None:
        """What lies there, links not followed; ``None``: nothing."""
        if not parts:
            return os.fstat(self._root)
        try:
            with self.folder(parts[:-1]) as parent:
                return os.stat(parts[-1], dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def size(self, parts: tuple[str, ...]) -> int:
        """Of a file, or -1 where nothing lies."""
        state = self.state(parts)
        return state.st_size if state is not None else -1

    def inode(self, parts: tuple[str, ...]) -> int:
        """What stays the same when it is moved; 0 where nothing lies."""
        state = self.state(parts)
        return state.st_ino % (1 << 63) if state is not None else 0

    def is_folder(self, parts: tuple[str, ...]) -> bool:
        """Whether a folder lies there."""
        state = self.state(parts)
        return state is not None and stat.S_ISDIR(state.st_mode)

    def files(self, parts: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], os.stat_result]]:
        """Everything below a folder except links and special files, folders before what they hold, in order of name."""
        with self.folder(parts) as descriptor:
            names = sorted(entry.name for entry in os.scandir(descriptor))
            states = [(name, os.stat(name, dir_fd=descriptor, follow_symlinks=False)) for name in names]
        for name, state in states:
            if stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode):
                yield (*parts, name), state
            if stat.S_ISDIR(state.st_mode):
                yield from self.files((*parts, name))

    # -- changing ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def draft(self) -> Iterator[Draft]:
        """A new file to fill; removed at the end unless it was published."""
        name = secrets.token_hex(8)
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=self._tmp)
        try:
            yield Draft(name, descriptor)
        finally:
            os.close(descriptor)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._tmp)

    def publish(self, draft: Draft, parts: tuple[str, ...], *, durable: bool, replace: bool = True) -> None:
        """Give the draft its name; with ``durable`` it is on the disk when this returns.

        Raises:
            QuotaExceeded: it does not fit.
            FileExistsError: the name is taken and ``replace`` is false.
            OSError: no such folder, or the disk is full.
        """
        if not parts:
            raise WorkPathError("", "expected the name of a file")
        before = self.state(parts)
        if before is not None and stat.S_ISDIR(before.st_mode):
            raise WorkPathError("/".join(parts), "expected a file, got a folder")
        size = os.stat(draft.name, dir_fd=self._tmp).st_size
        more = charge_of(size).minus(charge(before))
        with self._space.claimed("/".join(parts), more), self.folder(parts[:-1]) as parent:
            if durable:
                _sync(draft.name, self._tmp)
            act = os.rename if replace else os.link
            act(draft.name, parts[-1], src_dir_fd=self._tmp, dst_dir_fd=parent)
            if durable:
                os.fsync(parent)

    def publish_as(self, draft: Draft, stem: str, ending: str) -> str:
        """Publish durably in the root as ``stem + ending``; where that is taken ``stem_2``, ``stem_3`` and so on."""
        number = 1
        while True:
            name = f"{stem}{ending}" if number == 1 else f"{stem}_{number}{ending}"
            try:
                self.publish(draft, (name,), durable=True, replace=False)
                return name
            except (FileExistsError, WorkPathError):
                number += 1

    def append(self, parts: tuple[str, ...], data: bytes) -> None:
        """Add to a file, or make it; where not everything fits on the disk, nothing is added."""
        before = self.state(parts)
        size = before.st_size if before is not None else 0
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with (
            self._space.claimed("/".join(parts), charge_of(size + len(data)).minus(charge(before))),
            self.opened(parts, flags) as file,
        ):
            try:
                write_all(file, data)
            except OSError:
                os.ftruncate(file, size)
                raise

    def cut(self, parts: tuple[str, ...], size: int) -> None:
        """Make a file as long as it was; -1: it was not there."""
        before = self.state(parts)
        if before is None or before.st_size == size:
            return
        if size < 0:
            self.delete(parts)
            return
        with (
            self._space.claimed("/".join(parts), charge_of(size).minus(charge(before))),
            self.opened(parts, os.O_WRONLY) as file,
        ):
            os.ftruncate(file, size)

    def move(self, source: tuple[str, ...], target: tuple[str, ...]) -> None:
        """Rename; an existing file at ``target`` is replaced."""
        moved, replaced = self.state(source), self.state(target)
        if moved is None:
            raise FileNotFoundError(2, "no such file or folder", "/".join(source))
        if stat.S_ISDIR(moved.st_mode):
            height = max((len(parts) for parts, _ in self.files(source)), default=len(source)) - len(source)
            if len(target) + height > MAX_DEPTH:
                raise WorkPathError("/".join(target), f"expected at most {MAX_DEPTH} folders below one another")
        with self.folder(source[:-1]) as old, self.folder(target[:-1]) as new:
            os.rename(source[-1], target[-1], src_dir_fd=old, dst_dir_fd=new)
        if replaced is not None and replaced.st_ino != moved.st_ino:
            self._space.free(charge(replaced))

    def make_folder(self, parts: tuple[str, ...], *, exist_ok: bool = True) -> None:
        """Make a folder and its parents."""
        for depth in range(1, len(parts) + 1):
            with self.folder(parts[: depth - 1]) as parent, self._space.claimed("/".join(parts), FOLDER):
                try:
                    os.mkdir(parts[depth - 1], 0o700, dir_fd=parent)
                except FileExistsError:
                    if depth == len(parts) and not exist_ok:
                        raise
                    self._space.free(FOLDER)
                    with self.folder(parts[:depth]):
                        pass  # it is one, and no link

    def delete(self, parts: tuple[str, ...]) -> None:
        """Remove a file, or a folder with all it holds; nothing there is fine."""
        state = self.state(parts)
        if state is None:
            return
        with self.folder(parts[:-1]) as parent:
            if stat.S_ISDIR(state.st_mode):
                freed = self._count(parts).plus(FOLDER)
                shutil.rmtree(parts[-1], dir_fd=parent)
            else:
                freed = charge(state)
                os.unlink(parts[-1], dir_fd=parent)
        self._space.free(freed)

    def _count(self, parts: tuple[str, ...]) -> Room:
        return functools.reduce(Room.plus, (charge(state) for _, state in self.files(parts)), NOTHING)


def _sync(name: str, folder: int) -> None:
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _empty(folder: int) -> None:
    for entry in list(os.scandir(folder)):
        os.unlink(entry.name, dir_fd=folder)
