"""Paths of scripts, confined by the descriptor of the work folder and not by the string.

``openat2(RESOLVE_BENEATH)`` makes the kernel refuse whatever leaves the folder, symbolic links included, in one call of
about 2 µs; where it is missing (before Linux 5.6, some container filters) each component is opened by itself without
following links, which is the same for three times the price. ``..`` is refused before either is asked.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Sequence

from engine.errors import PathEscape, StorageError

MAX_DEPTH = 32
"""Folders below one another; keeps every walk shallow."""
MAX_NAME_BYTES = 255

_SYS_OPENAT2 = 437  # the same on every architecture
_RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x02, 0x04, 0x08


class WorkPathError(StorageError):
    """A path inside the work folder that cannot be used as asked."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path[:300]!r}: {reason}")


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_libc = ctypes.CDLL(None, use_errno=True)


def parts_of(path: str) -> tuple[str, ...]:
    """The components of a path relative to the work folder; ``()`` is the folder itself.

    Raises:
        PathEscape: absolute, or with a ``..``.
        WorkPathError: a NUL, a name over 255 bytes, or too deep.
    """
    if path.startswith("/"):
        raise PathEscape(path[:300])
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts:
        raise PathEscape(path[:300])
    if "\0" in path:
        raise WorkPathError(path, "expected a path without NUL characters")
    longest = max((len(part.encode()) for part in parts), default=0)
    if longest > MAX_NAME_BYTES:
        raise WorkPathError(path, f"expected names of at most {MAX_NAME_BYTES} bytes, got {longest}")
    if len(parts) > MAX_DEPTH:
        raise WorkPathError(path, f"expected at most {MAX_DEPTH} folders below one another, got {len(parts)}")
    return parts


def open_beneath(root: int, parts: Sequence[str], flags: int, mode: int = 0o600) -> int:
    """A descriptor of what lies at ``parts`` below the folder ``root``, whatever symbolic links somebody planted.

    Raises:
        PathEscape: a link, or another way out of ``root``.
        OSError: as ``open``.
    """
    return _open(root, parts, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, mode)


def open_by_kernel(root: int, parts: Sequence[str], flags: int, mode: int) -> int:
    """``open_beneath`` by one ``openat2``."""
    flags &= ~os.O_NOFOLLOW  # would make a link to a folder "not a directory"; RESOLVE_NO_SYMLINKS covers it
    how = _OpenHow(
        flags, mode if flags & os.O_CREAT else 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS
    )
    path = os.fsencode("/".join(parts) or ".")
    descriptor = int(_libc.syscall(_SYS_OPENAT2, root, path, ctypes.byref(how), ctypes.sizeof(how)))
    if descriptor >= 0:
        return descriptor
    code = ctypes.get_errno()
    if code in (errno.ELOOP, errno.EXDEV):
        raise PathEscape("/".join(parts))
    raise OSError(code, os.strerror(code), "/".join(parts))


def open_by_steps(root: int, parts: Sequence[str], flags: int, mode: int) -> int:
    """``open_beneath`` one component at a time, none of which may be a link."""
    folder = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    try:
        for part in parts[:-1]:
            below = _step(folder, part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, 0, parts)
            os.close(folder)
            folder = below
        return _step(folder, parts[-1] if parts else ".", flags, mode, parts)
    finally:
        os.close(folder)


def _step(folder: int, part: str, flags: int, mode: int, parts: Sequence[str]) -> int:
    try:
        return os.open(part, flags, mode, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and _is_link(folder, part):
            raise PathEscape("/".join(parts)) from None
        raise OSError(error.errno, os.strerror(error.errno or 0), "/".join(parts)) from None


def _is_link(folder: int, part: str) -> bool:
    return stat.S_ISLNK(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode)


def _kernel_has_openat2() -> bool:
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(open_by_kernel(root, (), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0))
    except OSError:
        return False
    finally:
        os.close(root)
    return True


_open = open_by_kernel if _kernel_has_openat2() else open_by_steps
