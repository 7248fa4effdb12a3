"""``file``: the script's work folder. Paths are relative to it and cannot leave it."""

from __future__ import annotations

from typing import Any

from engine.scripting.calls import HelperError
from engine.scripting.facades.facade import Remote
from engine.scripting.plain import NotPlain, text

CHUNK_CHARACTERS = 15_000
"""A chunk is at most 60,000 bytes of UTF-8, which fits one message."""


class File(Remote):
    """Readers see all of what ``write`` and ``copy`` put there, or nothing."""

    __slots__ = ()

    def write(self, path: str, content: str) -> None:
        """Put ``content`` into a file, in place of what it held."""
        first, *rest = _chunks("file.write", content)
        if not rest:
            self._calls.call("file.write", path, first)
            return
        part = f"{path}.part"
        self._calls.call("file.write", part, first)
        for chunk in rest:
            self._calls.call("file.append", part, chunk)
        self._calls.call("file.move", part, path)

    def append(self, path: str, content: str) -> None:
        """Add ``content`` to the end of a file; it is created if need be."""
        for chunk in _chunks("file.append", content):
            self._calls.call("file.append", path, chunk)

    def move(self, source: str, target: str) -> Any:
        """Rename a file or folder; into ``target`` where that is a folder."""
        return self._calls.call("file.move", source, target)

    def copy(self, source: str, target: str) -> Any:
        """Copy a file, or the PCAP that ``pcap.path`` names as it is now."""
        return self._calls.call("file.copy", source, target)

    def delete(self, path: str) -> Any:
        """Delete a file or folder with all it holds; nothing happens where there is none."""
        return self._calls.call("file.delete", path)

    def mkdir(self, path: str) -> Any:
        """Make a folder and those above it; nothing happens where it exists."""
        return self._calls.call("file.mkdir", path)

    def mkdirTemp(self, name: str = "", dir: str = "") -> Any:
        """Make a folder with a new name; its path."""
        return self._calls.call("file.mkdirTemp", name, dir)

    def temp(self, name: str = "", dir: str = "", extension: str = "txt") -> Any:
        """Make an empty file with a new name; its path."""
        return self._calls.call("file.temp", name, dir, extension)

    def tar(self, path: str) -> Any:
        """Pack a folder into a ``.tar.gz`` of the work folder; its path."""
        return self._calls.call("file.tar", path)


def _chunks(helper: str, content: str) -> list[str]:
    try:
        whole = text(content)
    except NotPlain as error:
        raise HelperError(f"{helper}: {error}") from None
    return [whole[start : start + CHUNK_CHARACTERS] for start in range(0, len(whole), CHUNK_CHARACTERS)] or [""]
