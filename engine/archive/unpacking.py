"""A tar of captures or of a recording, unpacked into a folder: all else is left out, and nothing leaves the folder."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import shutil
import tarfile
import zlib
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO, Self, cast

from engine.archive.manifest import ENDING
from engine.capture.folder import PATTERNS
from engine.errors import CaptureError

WANTED = (*PATTERNS, f"*{ENDING}", "*.jsonl.gz")
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MAX_HEADER_BYTES = 1 << 20
_RESERVE_BYTES = 64 << 20
"""Of the disk, left free."""


def unpack(path: Path, folder: Path) -> int:
    """Write the captures and batches of a tar into ``folder``; how many files.

    Captures lie directly in ``folder`` then, whatever their folders in the tar were called; batches keep their tree.

    Raises:
        CaptureError: it is no tar, is damaged, holds nothing of use, or is larger than the disk.
    """
    written = 0
    try:
        with _decompressed(path) as content, tarfile.open(fileobj=content, mode="r|", tarinfo=_Member) as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined] # it remembers each, and there may be millions
                name = os.path.basename(member.name)
                if not member.isfile() or not any(fnmatch(name, form) for form in WANTED) or name.startswith("."):
                    continue
                if member.size > shutil.disk_usage(folder).free - _RESERVE_BYTES:
                    room = f"{member.size} bytes of room in {folder} beside {_RESERVE_BYTES} that stay free"
                    raise CaptureError(str(path), room, "less", "set TMPDIR")
                _write(tar, member, _target(folder, member.name, written))
                written += 1
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CaptureError(str(path), f"room in {folder}", error.strerror or "less", "set TMPDIR") from error
        raise CaptureError(str(path), "a tar, whole", f"something damaged ({error})") from error
    if not written:
        raise CaptureError(str(path), f"a tar with captures ({', '.join(PATTERNS)}) or a recording", "neither in it")
    return written


def _decompressed(path: Path) -> BinaryIO:
    """Its bytes, piece by piece: tarfile's own streams make 70 MB of 10 KiB of a bomb, and copy them with each read."""
    with path.open("rb") as file:
        begin = file.read(6)
    if begin.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.open(path))
    if begin.startswith(b"BZh"):
        return cast(BinaryIO, bz2.open(path))
    if begin.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return cast(BinaryIO, lzma.open(path))
    return path.open("rb")


class _Member(tarfile.TarInfo):
    """A member whose headers are of bounded size: tarfile reads long names and attributes into memory, as they are."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """As of any member.

        Raises:
            ReadError: its headers are larger than any of use.
        """
        member = super().frombuf(buf, encoding, errors)
        if member.type in _HEADERS and member.size > _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {member.size} bytes")
        return member


def _target(folder: Path, name: str, number: int) -> Path:
    """Where a member goes; made of parts that name nothing else."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    tree = next((at for at, part in enumerate(parts) if part.startswith("recording=")), None)
    if tree is None:
        return folder / f"{number:06d}-{parts[-1]}"
    target = folder.joinpath(*parts[tree:])
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    content = tar.extractfile(member)
    assert content is not None, "it is a file"
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
