"""The outbox: a folder, and nothing beside it. An entry is one folder below ``ready/``, whole or not there.

Built under ``tmp/``, each file flushed to the disk, then renamed: a power cut at any moment leaves the entry in
``ready/`` with every byte, or not at all. Who asked is told only after the rename is on the disk.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
from pathlib import Path

import msgspec

from engine.errors import StorageError, UploadRefused
from engine.shipping.address import BUCKET_SCHEME, checked
from engine.shipping.checksum import copy_with_checksum

UPLOAD_FILE = "upload.json"
BODY_FILE = "body"
MAX_NAME_BYTES = 1024
"""Google's limit of an object's name."""
MAX_COMPONENT_BYTES = 255
"""What Linux file systems take between two slashes."""

NO_LIMIT = -1
MAX_WAITING_PUTS = 1000
"""Files of one owner that may wait, whatever their size."""

_serial = itertools.count()


class UploadFile(msgspec.Struct, frozen=True):
    """One file of an entry; size and checksum are those of the moment it was made."""

    file: str
    """Its name in the entry's folder."""
    name: str
    """Its name at the destination, below the prefix."""
    bytes: int
    crc32c: str


class Request(msgspec.Struct, frozen=True):
    """An HTTP request that a script asked for; its body is the file ``body`` of the entry."""

    method: str
    url: str
    """Absolute, or ``secret:NAME:``; only then may it be a secret."""
    headers: dict[str, str]
    """Values may hold ``secret:NAME:``."""


class Upload(msgspec.Struct, frozen=True, omit_defaults=True):
    """``upload.json``: what goes where, in this order."""

    destination: str
    """``gs://bucket/prefix``, or a folder (a relative one lies in the data folder)."""
    credentials: str
    """The variable that holds the key, or empty; never the key itself."""
    files: list[UploadFile]
    request: Request | None = None
    """Sent instead of files; ``destination`` is its origin, or ``secret:NAME:`` as in its URL."""


def enqueue_file(
    outbox: Path,
    source_fd: int,
    name: str,
    bucket: str,
    credentials: str,
    owner: str = "",
    limit_bytes: int = NO_LIMIT,
) -> None:
    """Take a copy of an open file and promise its upload; the copy is durable when this returns.

    The same content under the same name twice is one entry. Other content under a name that was used before is taken
    too, and refused by the destination, which never overwrites.

    Args:
        outbox: ``<data>/outbox``.
        source_fd: a regular file; read from its beginning, its position is left alone.
        name: the object's name, such as ``<NODE_NAME>_<NODE_IP>_<RUN_ID>/<FILENAME>``.
        bucket: a bucket, ``gs://bucket/prefix``, or an absolute folder.
        credentials: the variable whose key the shipper takes, or empty for application default credentials.
        owner: whose file it is; the same content of two owners is two entries.
        limit_bytes: of the files of this owner that wait.

    Raises:
        UploadRefused: no object can have this name, or too much of this owner waits.
        ConfigError: no bucket can have this name.
        StorageError: the copy could not be written; nothing was enqueued.
    """
    check_name(name)
    has_scheme = bucket.startswith(("/", BUCKET_SCHEME))
    destination = checked("bucket", bucket if has_scheme else BUCKET_SCHEME + bucket)
    mine = f"put-{hashlib.sha256(owner.encode()).hexdigest()[:8]}"
    building = make_building_folder(outbox, f"put-{os.getpid()}-{next(_serial)}")
    try:
        size, crc32c = _copy(source_fd, building / "content")
        upload = Upload(destination, credentials, [UploadFile("content", name, size, crc32c)])
        identity = hashlib.sha256(msgspec.json.encode(upload)).hexdigest()[:24]
        entry = f"{mine}{identity}"
        if not (outbox / "ready" / entry).exists():
            _check_room(outbox, mine, size, limit_bytes)
        publish(building, outbox, entry, upload)
    except OSError as error:
        raise StorageError(f"{name}: not enqueued for upload: {error.strerror or error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)  # gone already, unless something failed


def _check_room(outbox: Path, prefix: str, size_bytes: int, limit_bytes: int) -> None:
    """Raises ``UploadRefused`` where the entries that begin with ``prefix`` leave no room for another."""
    if limit_bytes == NO_LIMIT:
        return
    waiting_bytes = count = 0
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(outbox / "ready"):
            if entry.name.startswith(prefix):
                count += 1
                with contextlib.suppress(FileNotFoundError):  # on its way out
                    waiting_bytes += (Path(entry.path) / "content").stat().st_size
    if count >= MAX_WAITING_PUTS or waiting_bytes + size_bytes > limit_bytes:
        raise UploadRefused(
            f"{count} files of {waiting_bytes} bytes wait for their upload already, of {MAX_WAITING_PUTS} and"
            f" {limit_bytes}; see why they do not leave"
        )


def publish(built: Path, outbox: Path, entry: str, upload: Upload) -> None:
    """Make the folder ``built`` the entry ``entry``, durably; if ``entry`` is there already, it is the same one.

    Raises:
        OSError: the disk is full or failing; ``built`` is where it was, or in ``ready`` and perhaps not durable:
            building and publishing again settles it.
    """
    (built / UPLOAD_FILE).write_bytes(msgspec.json.encode(upload))
    for path in built.iterdir():
        sync(path)
    sync(built)
    ready = outbox / "ready"
    if not ready.exists():
        ready.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync(outbox)
    try:
        built.rename(ready / entry)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        shutil.rmtree(built)
    sync(ready)


def make_building_folder(outbox: Path, name: str) -> Path:
    """``tmp/<name>``, empty."""
    building = outbox / "tmp" / name
    if building.exists():
        shutil.rmtree(building)
    building.mkdir(mode=0o700, parents=True)
    return building


def clear_leftovers(outbox: Path) -> None:
    """For the recorder's start: remove what a killed one (``batch-…``) or broker (``put-<pid>-…``) was building."""
    with contextlib.suppress(FileNotFoundError):
        for folder in (outbox / "tmp").iterdir():
            kind, _, rest = folder.name.partition("-")
            if kind == "batch" or (kind == "put" and not _alive(rest.partition("-")[0])):
                shutil.rmtree(folder)


def check_name(name: str) -> None:
    """Refuse what is no object name at Google or no path below a folder.

    Raises:
        UploadRefused: empty, too long, absolute, with a control character, or with an empty, ``.`` or ``..`` part.
    """
    parts = name.split("/")
    try:
        long = len(name.encode()) > MAX_NAME_BYTES or any(len(p.encode()) > MAX_COMPONENT_BYTES for p in parts)
    except UnicodeEncodeError:
        long = True
    if long or any(part in ("", ".", "..") for part in parts) or not name.isprintable():
        shown = name[:80].encode("unicode_escape").decode()
        raise UploadRefused(
            f"{shown!r}: expected an object name of at most {MAX_NAME_BYTES} bytes in printable characters, "
            f"with at most {MAX_COMPONENT_BYTES} between slashes, none of them '.', '..' or empty"
        )


def sync(path: Path) -> None:
    """``fsync`` a file or a folder.

    Raises:
        OSError: it is not there or the disk failed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _At:
    """Reads a descriptor from its beginning without moving its position."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._offset = descriptor, 0

    def read(self, size: int, /) -> bytes:
        data = os.pread(self._descriptor, size, self._offset)
        self._offset += len(data)
        return data


def _copy(source_fd: int, target: Path) -> tuple[int, str]:
    with target.open("xb") as copy:
        return copy_with_checksum(_At(source_fd), copy)


def _alive(pid: str) -> bool:
    if not pid.isdecimal() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
