"""A small disk of its own, that can be filled, made read-only, or made to answer late; as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NEEDED = [
    pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount a file system"),
    pytest.mark.skipif(shutil.which("fsfreeze") is None, reason="needs the package util-linux"),
    pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs the package e2fsprogs"),
    pytest.mark.skipif(not Path("/dev/loop-control").exists(), reason="needs loop devices"),
]


class Mounted:
    """An ext4 file system in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Not a byte is left."""
        ballast = os.open(self.folder / "ballast", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            for piece in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        os.write(ballast, bytes(piece))
                except OSError:
                    continue
        finally:
            os.close(ballast)

    def empty(self) -> None:
        """Take that back."""
        (self.folder / "ballast").unlink()

    def read_only(self) -> None:
        """Writes fail from now on; no file may be open for writing."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True)

    def writable(self) -> None:
        """Take that back."""
        subprocess.run(["mount", "-o", "remount,rw", str(self.folder)], check=True)

    def freeze(self) -> None:
        """Writes wait from now on."""
        subprocess.run(["fsfreeze", "-f", str(self.folder)], check=True)

    def thaw(self) -> None:
        """They go on."""
        subprocess.run(["fsfreeze", "-u", str(self.folder)], check=True)


@contextmanager
def mounted(image: Path, folder: Path, size_bytes: int) -> Iterator[Mounted]:
    """The file system at ``folder``, until the end."""
    with image.open("wb") as file:
        file.truncate(size_bytes)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True)
    try:
        (folder / "lost+found").rmdir()
        yield Mounted(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
