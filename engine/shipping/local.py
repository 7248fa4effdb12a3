"""A folder as destination, with the promises of a bucket: verified, durable, never overwritten.

Written under a hidden name, flushed, checked, then given its name with ``link``, which fails where the name is taken
(``rename`` would overwrite).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from pathlib import Path

from engine.errors import UploadError
from engine.shipping.checksum import copy_with_checksum
from engine.shipping.destination import DestinationMisconfigured, LocalDamage, OtherContent
from engine.shipping.outbox import check_name, sync

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
_OPERATOR = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)


class LocalFolder:
    """Files below ``root``, which is made when the first one comes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        """One file at a time: a hidden name belongs to whoever holds it."""

    def put(self, local: Path, name: str, size: int, crc32c: str) -> None:
        """As ``Destination.put``."""
        check_name(name)
        target = self._root / name
        try:
            with self._lock:
                if not self._holds(target, (size, crc32c)):
                    self._store(local, target, (size, crc32c))
        except OSError as error:
            what = f"{target}: {error.strerror or error}"
            if error.errno in _OPERATOR:
                raise DestinationMisconfigured(f"{what}; let this user write there, or name another folder") from error
            raise UploadError(what) from error

    def _holds(self, target: Path, wanted: tuple[int, str]) -> bool:
        try:
            with target.open("rb") as stored:
                found = copy_with_checksum(stored, None)
        except FileNotFoundError:
            return False
        if found != wanted:
            raise OtherContent(str(target), wanted, found)
        self._make_durable(target)  # whoever stored it may have been killed before
        return True

    def _store(self, local: Path, target: Path, wanted: tuple[int, str]) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        hidden = target.with_name(f".{hashlib.sha256(target.name.encode()).hexdigest()[:32]}.part")
        try:
            with local.open("rb") as source, hidden.open("wb") as copy:
                found = copy_with_checksum(source, copy)
                copy.flush()
                os.fsync(copy.fileno())
            if found != wanted:
                raise LocalDamage(local, wanted, found)
            _give_name(hidden, target)
        except FileExistsError:
            self._holds(target, wanted)
        finally:
            with contextlib.suppress(OSError):
                hidden.unlink(missing_ok=True)
        self._make_durable(target)

    def _make_durable(self, target: Path) -> None:
        """Flush every folder between the file and the one that holds ``root``."""
        folder = target.parent
        while folder != self._root:
            sync(folder)
            folder = folder.parent
        sync(self._root)
        sync(self._root.parent)


def _give_name(hidden: Path, target: Path) -> None:
    """Name a file, where the name is free.

    Raises:
        FileExistsError: it is not.
    """
    try:
        os.link(hidden, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():  # a file system without links (FAT, some network mounts): as near as it gets
            raise FileExistsError(target) from None
        hidden.replace(target)
