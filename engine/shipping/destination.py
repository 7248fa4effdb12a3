"""What the shipper needs of a place that keeps files for good."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from engine.errors import UploadError, UploadRefused


class Destination(Protocol):
    """Durable when ``put`` returns, harmless when repeated. It has no delete, so that nothing can misuse it."""

    def put(self, local: Path, name: str, size: int, crc32c: str) -> None:
        """Store ``local`` under ``name``, or find that it is stored already; never overwrite.

        Args:
            local: the file.
            name: its name at the destination, parts between slashes.
            size: its size when it was sealed.
            crc32c: its checksum when it was sealed; what is stored has this one.

        Raises:
            UploadRefused: not stored, and trying again will not help: the name is taken, or ``local`` is damaged.
            DestinationMisconfigured: not stored, until a person changes something.
            UploadError: not stored; worth trying again.
        """


class DestinationMisconfigured(UploadError):
    """A key, a right, a bucket or a folder is wrong; worth trying again once a person has put it right."""


class OtherContent(UploadRefused):
    """The name is taken by something else."""

    def __init__(self, where: str, wanted: tuple[int, str], found: tuple[int, str]) -> None:
        """``wanted`` and ``found`` are sizes and CRC32Cs."""
        super().__init__(
            f"{where}: expected nothing there or {wanted[0]} bytes with crc32c {wanted[1]}, "
            f"got {found[0]} bytes with crc32c {found[1]}; nothing was overwritten"
        )


class LocalDamage(UploadRefused):
    """The file is not any more what was sealed."""

    def __init__(self, local: Path, wanted: tuple[int, str], found: tuple[int, str]) -> None:
        """``wanted`` and ``found`` are sizes and CRC32Cs."""
        super().__init__(
            f"{local.name}: expected {wanted[0]} bytes with crc32c {wanted[1]} as sealed, "
            f"got {found[0]} bytes with crc32c {found[1]}; the disk changed it"
        )
