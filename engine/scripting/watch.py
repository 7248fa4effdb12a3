"""The script folder: read whole, and watched so that a change wakes the supervisor."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from engine.errors import ConfigError

MAX_SOURCE_BYTES = 256 * 1024
_HINTS = {
    errno.EMFILE: "raise fs.inotify.max_user_instances, or set scripting.watchScripts=false",
    errno.ENOSPC: "raise fs.inotify.max_user_watches, or set scripting.watchScripts=false",
}


def read_scripts(folder: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Name -> text of every script, ``*.py`` directly in the folder; and name -> reason of those that cannot be read.

    Hidden files are left out. A text longer than ``MAX_SOURCE_BYTES`` is cut one byte behind the cap, so that the host
    refuses it by its size.

    Raises:
        ConfigError: no such folder, or it cannot be read.
    """
    try:
        paths = sorted(
            path for path in folder.iterdir() if path.suffix == ".py" and not path.name.startswith((".", "_"))
        )
    except OSError as error:
        raise ConfigError("scripting.source", "a folder of scripts", str(folder), error.strerror or "") from None
    texts, unread = {}, {}
    for path in paths:
        name = path.name.encode(errors="backslashreplace").decode()
        try:
            if name != path.name or not name.isprintable():
                unread[name] = "expected a name of printable characters; rename the file"
            elif "]" in name:
                unread[name] = "expected a name without ']', which ends a script's name in the console; rename the file"
            else:
                texts[name] = _read(path)
        except OSError as error:
            if os.path.lexists(path):  # else gone since it was listed: that is another change
                unread[name] = f"expected a readable file, got {error.strerror or error}"
    return texts, unread


def _read(path: Path) -> bytes:
    """Only of a file: opening a pipe that nobody writes to would wait for ever."""
    entry_fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)  # held: what is looked at is what is opened
    try:
        entry = os.fstat(entry_fd)
        is_link = stat.S_ISLNK(entry.st_mode)
        target = path.parent / os.readlink("", dir_fd=entry_fd) if is_link else path
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if is_link else os.O_NOFOLLOW)
        with open(os.open(target, flags), "rb") as source:
            found = os.fstat(source.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError("a folder, a pipe or a device")
            if is_link and not _may_lead_to(entry.st_uid, found):
                raise OSError("a link to a file that the link's owner may not read")
            return source.read(MAX_SOURCE_BYTES + 1)
    finally:
        os.close(entry_fd)


def _may_lead_to(owner: int, found: os.stat_result) -> bool:
    """Whether a link of ``owner`` is followed: root would read for whoever may write here, and errors quote lines."""
    return owner in (0, os.geteuid(), found.st_uid) or bool(found.st_mode & stat.S_IROTH)


class _Wake(FileSystemEventHandler):
    """watchdog's thread does one thing: make a descriptor readable."""

    def __init__(self, wake_fd: int) -> None:
        self._wake_fd = wake_fd

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in ("created", "modified", "moved", "deleted", "closed"):
            os.eventfd_write(self._wake_fd, 1)


class FolderWatch:
    """Readable (``fileno``) after a change in the folder; ``take`` clears it."""

    def __init__(self, folder: Path) -> None:
        """It is watched from now on.

        Raises:
            ConfigError: it cannot be watched.
        """
        self._path = folder
        with ExitStack() as opened:
            try:
                # held, so that no other folder gets its inode number
                self._folder_fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                opened.callback(os.close, self._folder_fd)
                self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
                opened.callback(os.close, self._wake_fd)
                self._start(folder, opened)
            except OSError as error:
                hint = "; ".join(filter(None, (error.strerror, _HINTS.get(error.errno or 0))))
                raise ConfigError("scripting.source", "a folder that can be watched", str(folder), hint) from None
            self._opened = opened.pop_all()

    def _start(self, folder: Path, opened: ExitStack) -> None:
        observer = Observer()
        opened.callback(observer.stop)
        observer.daemon = True
        observer.schedule(_Wake(self._wake_fd), os.path.realpath(folder), recursive=False)  # it follows no links
        observer.start()
        opened.callback(observer.join)
        opened.callback(observer.stop)  # before it is waited for, and its descriptor goes after that

    def fileno(self) -> int:
        """For ``selectors``."""
        return self._wake_fd

    def take(self) -> None:
        """Forget the changes so far."""
        os.eventfd_read(self._wake_fd)

    def is_elsewhere(self) -> bool:
        """Whether the path names another folder than the one that is watched; not so where it names none."""
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._folder_fd))
        except OSError:
            return False

    def close(self) -> None:
        """Stop watching."""
        self._opened.close()
