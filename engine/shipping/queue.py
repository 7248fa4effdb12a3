"""What an operator may ask of the outbox, whether somebody ships from it or not: list, bring back, drop.

Entries move by rename, which a shipper that runs takes as it comes: an entry that is there is shipped, one that is gone
is forgotten.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.errors import RemoraError
from engine.shipping.outbox import UPLOAD_FILE, Upload, sync

REASON_FILE, ATTEMPTS_FILE = "reason.txt", "attempts.json"
READY, DEAD = "ready", "dead"

_serial = itertools.count()


class Attempts(msgspec.Struct, omit_defaults=True):
    """``outbox/attempts.json``: how the shipper fares; a report and no state, there only while something fails."""

    at_ns: int
    """Wall clock."""
    failures: dict[str, int] = {}
    """Entry -> attempts that failed."""
    due_in_s: dict[str, float] = {}
    """Entry -> when it is tried again, from ``at_ns`` on."""
    errors: dict[str, str] = {}
    """Destination -> the newest error."""


class Waiting(msgspec.Struct):
    """One entry, as ``remora outbox list --json`` writes it."""

    entry: str
    state: str
    """``ready``: waits for its upload; ``dead``: refused for good."""
    kind: str
    """``batch``, ``file`` (of a script) or ``request`` (of a script)."""
    recording: str
    destination: str
    files: int
    bytes: int
    since_ns: int
    """When it was made; wall clock."""
    failures: int = 0
    due_in_s: float | None = None
    """When it is tried again; null: as soon as there is room, or never."""
    reason: str = ""
    """Why it is dead, or what its destination answered last."""


class NoSuchEntry(RemoraError):
    """A name that is none of the entries, or of several."""

    def __init__(self, name: str, entries: list[str]) -> None:
        found = [entry for entry in entries if entry.startswith(name)]
        what = f"{len(found)} that begin so ({', '.join(found[:3])}, …)" if found else "none"
        super().__init__(
            f"outbox: expected the name of an entry or its beginning, got {name!r}: {what}; see outbox list"
        )


def json_line(entry: Waiting) -> bytes:
    """An entry as a line of JSON."""
    return msgspec.json.encode(entry) + b"\n"


def waiting(outbox: Path) -> list[Waiting]:
    """All entries, the oldest first."""
    attempts = _attempts(outbox)
    found = [
        entry
        for state in (READY, DEAD)
        for folder in _folders(outbox / state)
        if (entry := _describe(folder, state, attempts)) is not None
    ]
    return sorted(found, key=lambda entry: (entry.since_ns, entry.entry))


def chosen(entries: list[Waiting], names: tuple[str, ...]) -> list[Waiting]:
    """Those that are named, by their whole name or a beginning that no other has.

    Raises:
        NoSuchEntry: one is not there, or not the only one.
    """
    picked: dict[tuple[str, str], Waiting] = {}
    for name in names:
        exact = [entry for entry in entries if entry.entry == name]
        found = exact or [entry for entry in entries if entry.entry.startswith(name)]
        if len({entry.entry for entry in found}) != 1:
            raise NoSuchEntry(name, [entry.entry for entry in entries])
        picked.update({(entry.state, entry.entry): entry for entry in found})
    return list(picked.values())


def bring_back(outbox: Path, entry: str) -> None:
    """Make a dead entry one that waits for its upload again.

    Raises:
        RemoraError: one of its name waits already, or it holds nothing that could be uploaded.
        OSError: it lies where it lay.
    """
    dead = outbox / DEAD / entry
    if not (dead / UPLOAD_FILE).is_file():
        raise RemoraError(f"{dead}: expected {UPLOAD_FILE}, which says where it goes; it can only be dropped")
    (outbox / READY).mkdir(mode=0o700, exist_ok=True)
    target = outbox / READY / entry
    if target.exists():
        raise RemoraError(f"{dead}: an entry of this name waits already; drop one of them")
    dead.rename(target)
    with contextlib.suppress(FileNotFoundError):
        (target / REASON_FILE).unlink()
    sync(target.parent)
    sync(dead.parent)


def drop(outbox: Path, state: str, entry: str) -> None:
    """Delete an entry for good; renamed first, so that no half of it is ever shipped.

    Raises:
        OSError: it is still there.
    """
    gone = outbox / "tmp" / f"sent-dropped-{os.getpid()}-{next(_serial)}"
    gone.parent.mkdir(mode=0o700, exist_ok=True)
    (outbox / state / entry).rename(gone)
    sync(outbox / state)
    shutil.rmtree(gone, ignore_errors=True)  # what stays is emptied at the next start


def folder_bytes(folder: Path) -> int:
    """Of the files in one entry."""
    with contextlib.suppress(OSError), os.scandir(folder) as files:
        return sum(file.stat(follow_symlinks=False).st_size for file in files)
    return 0


def _folders(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        yield from sorted(folder.iterdir())


def _describe(folder: Path, state: str, attempts: Attempts) -> Waiting | None:
    """``None``: it went while we looked."""
    try:
        upload = msgspec.json.decode((folder / UPLOAD_FILE).read_bytes(), type=Upload)
    except (OSError, msgspec.MsgspecError):
        upload = Upload("", "", [])
    try:
        since_ns = folder.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    kind = "request" if upload.request else "file" if folder.name.startswith("put-") else "batch"
    reason = attempts.errors.get(upload.destination, "") if folder.name in attempts.failures else ""
    with contextlib.suppress(OSError):
        reason = (folder / REASON_FILE).read_text().strip()
    return Waiting(
        folder.name,
        state,
        kind,
        _recording(upload),
        upload.destination,
        len(upload.files),
        folder_bytes(folder),
        since_ns,
        attempts.failures.get(folder.name, 0),
        attempts.due_in_s.get(folder.name),
        reason,
    )


def _recording(upload: Upload) -> str:
    """As it stands in the names of a batch's files."""
    first = upload.files[0].name.partition("/")[0] if upload.files else ""
    return first.removeprefix("recording=") if first.startswith("recording=") else ""


def _attempts(outbox: Path) -> Attempts:
    try:
        return msgspec.json.decode((outbox / ATTEMPTS_FILE).read_bytes(), type=Attempts)
    except (OSError, msgspec.MsgspecError):
        return Attempts(0)


def write_attempts(outbox: Path, attempts: Attempts) -> None:
    """Publish the report, or take it away where nothing fails.

    Raises:
        OSError: the one before stands.
    """
    path = outbox / ATTEMPTS_FILE
    if not attempts.failures:
        path.unlink(missing_ok=True)
        return
    hidden = path.with_name(f".{ATTEMPTS_FILE}")
    hidden.write_bytes(msgspec.json.encode(attempts))
    hidden.replace(path)
