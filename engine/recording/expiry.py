"""Local data of recordings that is to go: after their expiration, or because they were deleted.

By the moment a batch arrived (its manifest's), not by its hour: nothing goes early, and a daily recording loses the
days that are old and no other. The manifest goes first: a batch without one does not exist for readers.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine.recording.names import ENDINGS, PCAPNG_ENDING, component

FILES = (("manifest", ENDINGS["manifest"]), ("pcap", PCAPNG_ENDING), *ENDINGS.items())
"""Kind and ending of all that a batch may consist of, in the order in which they go."""


def is_local(destination: str) -> bool:
    """Whether batches of this destination lie in a folder."""
    return "://" not in destination


def expire(folder: Path, recording: str, before_ns: int) -> int:
    """Remove the batches of a recording that arrived before this moment; how many.

    Args:
        folder: the destination.
        recording: its name.
        before_ns: wall clock.

    Raises:
        OSError: something cannot be removed.
    """
    removed = 0
    for manifest in _manifests(folder, recording):
        with contextlib.suppress(FileNotFoundError):
            if manifest.stat().st_mtime_ns < before_ns:
                _remove_batch(folder, recording, manifest)
                removed += 1
    return removed


def _manifests(folder: Path, recording: str) -> Iterator[Path]:
    root = folder / f"recording={component(recording)}" / "manifest"
    yield from sorted(root.glob(f"*/*/*/*/*.{ENDINGS['manifest']}"))


def _remove_batch(folder: Path, recording: str, manifest: Path) -> None:
    root = folder / f"recording={component(recording)}"
    batch = manifest.name.removesuffix(f".{ENDINGS['manifest']}")
    place = manifest.parent.relative_to(root / "manifest")
    for kind, ending in FILES:
        path = root / kind / place / f"{batch}.{ending}"
        path.unlink(missing_ok=True)
        _remove_empty(path.parent, root)


def _remove_empty(folder: Path, root: Path) -> None:
    """Folders that hold nothing any more, up to the recording's own."""
    while folder != root.parent:
        try:
            folder.rmdir()
        except OSError:
            return  # something is in it
        folder = folder.parent


def remove_recording(folder: Path, recording: str) -> int:
    """Remove all of a recording; the bytes that were freed.

    Raises:
        OSError: something cannot be removed.
    """
    root = folder / f"recording={component(recording)}"
    if not root.is_dir():
        return 0
    freed = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    shutil.rmtree(root)
    return freed
