"""From SOURCE arguments to what can be read: captures, recordings in folders and buckets, and what lies in tars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.archive.store import FolderStore, Store, is_recording
from engine.capture.folder import captures_in
from engine.shipping.address import BUCKET_SCHEME

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

    from engine.archive.reading import Archive

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


class Opened:
    """The sources of one command, by kind. What is unpacked lies in a folder that goes with it or ``close``."""

    def __init__(self, specs: Sequence[str], key: str, *, dissect: bool = False) -> None:
        """Unpacks tars and reads manifests.

        Args:
            specs: SOURCE arguments.
            key: of a service account, for buckets; empty: application default credentials.
            dissect: of recordings, take the packets, though there are items.

        Raises:
            CaptureError: something cannot be read.
            DestinationMisconfigured: there are no credentials for a bucket.
        """
        self.captures: list[str] = []
        """What ``open_source`` takes."""
        self.archives: list[Archive] = []
        self._key, self._dissect = key, dissect
        self._folder: TemporaryDirectory[str] | None = None
        for spec in specs:
            self._add(spec)

    def _add(self, spec: str) -> None:
        path = Path(spec)
        if spec.startswith(BUCKET_SCHEME):
            from engine.shipping.bucket import BucketStore  # here and not above: Google's client takes 0.2 s to load

            self._add_recording(BucketStore(spec, self._key))
        elif spec == "-" or spec.startswith(("iface:", "data:")):
            self.captures.append(spec)
        elif path.name.lower().endswith(TARS) and path.is_file():
            self._add_tar(path)
        elif is_recording(path):
            self._add_recording(FolderStore(path))
        else:
            self.captures.append(spec)

    def _add_recording(self, store: Store) -> None:
        from engine.archive.reading import Archive  # here and not above: it takes 5 ms to load, and captures need none

        self.archives.append(Archive(store, dissect=self._dissect))

    def _add_tar(self, path: Path) -> None:
        from engine.archive.unpacking import (
            unpack,  # here and not above: it takes 10 ms to load, with all it decompresses
        )

        folder = self.new_folder(path.name)
        unpack(path, folder)
        if is_recording(folder):
            self._add_recording(FolderStore(folder))
        if captures_in(str(folder)):
            self.captures.append(str(folder))

    def as_captures(self, warn: Callable[[str], None]) -> list[str]:
        """Everything as sources of packets: of each recording, a folder with what lies in it.

        ``warn`` is told what of it is damaged.

        Raises:
            CaptureError: a file cannot be read.
        """
        folders = []
        for archive in self.archives:
            folder = self.new_folder("packets")
            if archive.all_packets(folder, warn):
                folders.append(str(folder))
        return [*self.captures, *folders]

    def new_folder(self, name: str) -> Path:
        """An empty folder that goes when this object goes."""
        import tempfile  # here and not above: most commands read what is there

        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="remora-")
        return Path(tempfile.mkdtemp(prefix=f"{name[:40]}-", dir=self._folder.name))

    def close(self) -> None:
        """Remove what was unpacked and fetched."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
