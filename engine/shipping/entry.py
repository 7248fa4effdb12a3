"""One entry of ``outbox/ready`` on its way: read, uploaded file by file, and taken out."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from engine.errors import UploadRefused
from engine.shipping.destination import Destination
from engine.shipping.outbox import BODY_FILE, UPLOAD_FILE, Upload, sync
from engine.shipping.queue import REASON_FILE

Lane = tuple[str, str]
"""Destination and credentials: what fails together."""


@dataclass(slots=True)
class Entry:
    """State of one entry; owned by the shipper, lent to one thread at a time."""

    folder: Path
    upload: Upload
    failures: int = 0
    due_s: float = 0.0
    """Monotonic; not before."""
    stored: set[str] = field(default_factory=set)
    """Files that the destination has confirmed."""

    @property
    def lane(self) -> Lane:
        """Where it goes."""
        return self.upload.destination, self.upload.credentials

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(file.bytes for file in self.upload.files)


def read_entry(folder: Path) -> Entry:
    """What ``upload.json`` says.

    Raises:
        UploadRefused: it cannot be understood, or a file of it is missing.
        FileNotFoundError: the entry is gone.
    """
    try:
        upload = msgspec.json.decode((folder / UPLOAD_FILE).read_bytes(), type=Upload)
    except msgspec.MsgspecError as error:
        raise UploadRefused(f"{folder.name}/{UPLOAD_FILE}: expected what to upload, got {error}") from None
    except FileNotFoundError:
        if not folder.exists():
            raise
        raise UploadRefused(f"{folder.name}: expected {UPLOAD_FILE}, which is missing") from None
    if upload.request is not None and not (folder / BODY_FILE).is_file():
        raise UploadRefused(f"{folder.name}: expected the file {BODY_FILE!r}, which is missing")
    for file in upload.files:
        if os.sep in file.file or not (folder / file.file).is_file():
            raise UploadRefused(f"{folder.name}: expected the file {file.file!r}, which is missing")
    return Entry(folder, upload)


def upload(entry: Entry, destination: Destination) -> None:
    """Put every file, in the order given: a manifest comes last, and what has none does not exist for readers.

    Raises:
        UploadError: as ``Destination.put``; what was stored before is remembered.
    """
    for file in entry.upload.files:
        if file.file not in entry.stored:
            destination.put(entry.folder / file.file, file.name, file.bytes, file.crc32c)
            entry.stored.add(file.file)


def remove(folder: Path, outbox: Path) -> None:
    """Take an entry that was stored out of ``ready``: renamed first, so that a kill leaves no half of it there.

    Raises:
        OSError: it is still there.
    """
    gone = outbox / "tmp" / f"sent-{folder.name}"
    gone.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    sync(folder.parent)
    shutil.rmtree(gone, ignore_errors=True)  # what stays is emptied at the next start


def clear_sent(outbox: Path) -> None:
    """Finish what a killed shipper was removing."""
    for gone in (outbox / "tmp").glob("sent-*"):
        shutil.rmtree(gone, ignore_errors=True)


def bury(folder: Path, outbox: Path, reason: str) -> Path:
    """Put an entry that was refused for good into ``dead``, with its reason; where it lies now.

    Raises:
        OSError: it is still in ``ready``.
    """
    dead = outbox / "dead"
    dead.mkdir(mode=0o700, exist_ok=True)
    (folder / REASON_FILE).write_text(reason + "\n")
    sync(folder / REASON_FILE)
    target, number = dead / folder.name, 1
    while target.exists():
        number += 1
        target = dead / f"{folder.name}.{number}"
    folder.rename(target)
    sync(folder.parent)
    sync(dead)
    return target
