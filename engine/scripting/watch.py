"""The script folder: read whole, and watched so that a change wakes the supervisor."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from engine.errors import ConfigError

MAX_SOURCE_BYTES = 256 * 1024


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
            else:
                texts[name] = _read(path)
        except OSError as error:
            if os.path.lexists(path):  # else gone since it was listed: that is another change
                unread[name] = f"expected a readable file, got {error.strerror or error}"
    return texts, unread


def _read(path: Path) -> bytes:
    """Only of a file: opening a pipe that nobody writes to would wait for ever."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as source:
        if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            raise OSError("a folder, a pipe or a device")
        return source.read(MAX_SOURCE_BYTES + 1)


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
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._observer = Observer()
        self._observer.schedule(_Wake(self._wake_fd), str(folder), recursive=False)
        self._observer.daemon = True
        self._observer.start()

    def fileno(self) -> int:
        """For ``selectors``."""
        return self._wake_fd

    def take(self) -> None:
        """Forget the changes so far."""
        os.eventfd_read(self._wake_fd)

    def close(self) -> None:
        """Stop watching."""
        self._observer.stop()
        self._observer.join()
        os.close(self._wake_fd)
