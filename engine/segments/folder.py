"""The data folder of an instance: made, locked, measured, emptied; and the stream ids it hands out."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import pwd
import shutil
from pathlib import Path
from typing import IO

from engine.errors import ConfigError
from engine.segments.files import numbered, numbers_in
from engine.segments.member import ALONE, Member
from engine.segments.records import STREAM_RECORD, read_records

FORMAT = 1
FOLDERS = (
    "segments",
    "items",
    "keep",
    "scripts",
    "outbox/open",
    "outbox/tmp",
    "outbox/ready",
    "outbox/dead",
    "recordings",
)
ID_BLOCK = 4096
_RETRY_IDS = 16
_MINE = {"lock"}
"""What an empty data folder may hold."""

log = logging.getLogger(__name__)


# ---- making ---------------------------------------------------------------------------------------------------------


def open_folder(data: Path, node: str, created_ns: int) -> None:
    """Make the data folder and what it consists of, or complete it; call it as the user who starts Remora.

    Root gives a new one to nobody, so that children without privileges can write; what is added to an existing one
    belongs to its owner.

    Raises:
        ConfigError: it is no folder, holds something else, has another format, or may not be written.
    """
    try:
        _make(data, node, created_ns)
    except OSError as error:
        raise ConfigError("--data", "a folder that can be written", str(data), error.strerror or str(error)) from error


def give_to(data: Path, name: str) -> None:
    """Make the data folder and all in it belong to the user ``name``, whom the children then become.

    Raises:
        ConfigError: no such user, or we are not root.
    """
    if os.getuid() != 0:
        raise ConfigError("--user", "to be started by root", f"uid {os.getuid()}", "leave it out to run as you are")
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ConfigError("--user", "the name of a user of this machine", name) from None
    for parent, _, files in os.walk(data):
        for path in (parent, *(os.path.join(parent, file) for file in files)):
            os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def _make(data: Path, node: str, created_ns: int) -> None:
    new = not data.exists()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    instance = data / "instance.json"
    if instance.exists():
        _check_format(instance)
    elif {entry.name for entry in data.iterdir()} - _MINE:
        raise ConfigError("--data", "a data folder, or an empty or new one", str(data), "name another folder")
    else:
        new = True
    user, group = _owner(data, new)
    _give(data, user, group, 0o700)
    for name in FOLDERS:
        for folder in reversed([data / name, *(data / name).parents][: name.count("/") + 1]):
            folder.mkdir(mode=0o700, exist_ok=True)
            _give(folder, user, group, 0o700)
    if not instance.exists():
        hidden = data / ".instance.json"
        hidden.write_text(json.dumps({"format": FORMAT, "created_ns": created_ns, "node": node}) + "\n")
        _give(hidden, user, group, 0o600)
        hidden.replace(instance)


def _check_format(instance: Path) -> None:
    try:
        found = json.loads(instance.read_bytes()).get("format")
    except (ValueError, AttributeError):
        found = "something else"
    if found != FORMAT:
        raise ConfigError(str(instance), f"format {FORMAT}", found, "use the version of Remora that wrote it")


def _owner(data: Path, new: bool) -> tuple[int, int]:
    there = data.stat()
    if os.getuid() or not new or there.st_uid:
        return there.st_uid, there.st_gid
    with contextlib.suppress(KeyError):
        entry = pwd.getpwnam("nobody")
        return entry.pw_uid, entry.pw_gid
    return 65534, 65534


def _give(path: Path, user: int, group: int, mode: int) -> None:
    path.chmod(mode)
    if os.getuid() == 0:
        os.chown(path, user, group)


# ---- one instance ---------------------------------------------------------------------------------------------------


def lock_instance(data: Path) -> IO[str]:
    """Hold the folder for this process until the file is closed.

    Raises:
        ConfigError: another process holds it, or it cannot be locked.
    """
    try:
        file = os.fdopen(os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    except OSError as error:
        raise ConfigError("--data", "a data folder", str(data), error.strerror or str(error)) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        hint = f"process {holder} uses it: stop that one first, or name another folder"
        raise ConfigError("--data", "a data folder that no running instance uses", str(data), hint) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def clean(data: Path) -> int:
    """Empty the data folder; the bytes that were in it.

    Raises:
        ConfigError: it is none, or a running instance uses it.
        OSError: something could not be removed.
    """
    if not (data / "instance.json").exists():
        raise ConfigError("--data", "a data folder", str(data), "nothing was removed")
    with lock_instance(data):
        freed = folder_bytes(data)
        entries = sorted(
            data.iterdir(), key=lambda entry: entry.name == "instance.json"
        )  # it goes last: it names the rest
        for entry in entries:
            if entry.name == "lock":
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    return freed


# ---- sizes ----------------------------------------------------------------------------------------------------------


PARTS = ("segments", "items", "keep", "scripts", "outbox", "recordings")


def sizes(data: Path) -> dict[str, int]:
    """Bytes of each part of the data folder, and ``other``; what vanishes meanwhile does not count."""
    parts = {name: folder_bytes(data / name) for name in PARTS}
    return {**parts, "other": max(folder_bytes(data) - sum(parts.values()), 0)}


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below ``folder``, links not followed."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


# ---- stream ids -----------------------------------------------------------------------------------------------------


class StreamIds:
    """Numbers for streams, never used twice: a block of 4096 is reserved on disk before its first is used."""

    def __init__(self, data: Path, member: Member = ALONE) -> None:
        """Go on behind the highest id that any worker reserved or stored; ``member``: which ids behind it are ours.

        Raises:
            ConfigError: the file holds no number, or cannot be written.
        """
        self._path, self._member = data / member.named("stream-ids", ""), member
        try:
            reserved = max((_reserved(path) for path in data.glob("stream-ids*")), default=0)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            owner = data.stat()
            _give(self._path, owner.st_uid, owner.st_gid, 0o600)
            self._next = member.id_behind(max(reserved, _highest_stored(data / "segments")))
            self._reserve()
            os.fsync(self._descriptor)
        except OSError as error:
            raise ConfigError(str(self._path), "a file that can be written", error.strerror or str(error)) from error

    def next(self) -> int:
        """The next id; costs 0.1 us, and a write once in 4096 times."""
        stream = self._next
        if stream >= self._end:
            self._reserve_or_warn()
        self._next = stream + self._member.count
        return stream

    def _reserve(self) -> None:
        # In place: the number never gets shorter, and a full disk does not stand in the way.
        end = self._next + ID_BLOCK * self._member.count
        os.pwrite(self._descriptor, f"{end}\n".encode(), 0)
        self._end = end

    def _reserve_or_warn(self) -> None:
        try:
            self._reserve()
        except OSError as error:
            log.error("stream_ids_not_reserved error=%s; ids may repeat after a crash", error)
            self._end = self._next + _RETRY_IDS * self._member.count

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


def _reserved(path: Path) -> int:
    """The highest id that may be in use, by a file that names the next free one.

    Raises:
        ConfigError: it holds no number.
    """
    text = path.read_bytes()[:64].decode("ascii", "replace").strip()
    if not text.isdecimal() and text:
        raise ConfigError(str(path), "the next free stream id", text, "write a higher one there")
    return int(text or 1) - 1


def _highest_stored(segments: Path) -> int:
    """Should power fail, segments can be newer than the number on disk."""
    highest = 0
    for number in numbers_in(segments, "streams"):
        with contextlib.suppress(FileNotFoundError):  # another worker deleted it: what it held is reserved
            rows = read_records(numbered(segments, number, "streams"), STREAM_RECORD)
            highest = max(highest, int(rows["stream"].max(initial=0)))
    return highest
