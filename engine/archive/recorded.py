"""What a data folder holds of its recordings, for who asks with ``record("name")``: while they record and afterwards.

Items lie in up to four places: in item segments (as long as ``jsonTTL``), in the open batch, in sealed batches that
wait for their upload, and at a local destination. Each is read as it is now, nobody is asked, and what manifests and
files say is believed no more than that of any archive.
"""

from __future__ import annotations

import calendar
import contextlib
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from engine.archive.catalogue import ROW, Batch, batch_of, lines
from engine.archive.lines import decoded, proper, verified
from engine.archive.manifest import ENDING, TREE, parse
from engine.archive.reading import ITEM
from engine.archive.store import FolderStore
from engine.clock import NS_PER_S
from engine.errors import CaptureError
from engine.items.item import LazyItem
from engine.naming import stream_id_of
from engine.recording.batch_state import BatchState
from engine.recording.expiry import is_local
from engine.recording.jobstore import JobStore
from engine.recording.ledger import Standing
from engine.recording.membership import Membership
from engine.recording.names import component
from engine.recording.open_batch import read_items

LOCAL = "recordings"
"""The destination where nothing else is configured, below the data folder."""
OF_SCRIPTS = "put-"
"""Begins the names of entries of the outbox that scripts made, and in which anything may lie."""
Key = tuple[str, str]
"""Stream and start of an item: what is dissected again has the same, whatever its index."""


class Recorded:
    """The recordings that somebody asks about; as of its making, and of the last ``refresh``."""

    def __init__(self, data: Path, names: Iterable[str], local: str = LOCAL) -> None:
        """Find out what is known of them.

        Args:
            data: the data folder.
            names: of recordings.
            local: where batches go of jobs that name no place of their own.

        Raises:
            StorageError: the store of jobs cannot be read.
        """
        self._data, self.names = data, sorted(names)
        self._membership = Membership(data)
        jobs = _jobs(data)
        places = {name: jobs.get(name) or local for name in self.names}
        self._folders = {name: data / place for name, place in places.items() if is_local(place)}
        self._remote = {name: place for name, place in places.items() if not is_local(place)}
        self._known = set(jobs)
        self._read: set[Key] = set()
        self.refresh()

    def refresh(self) -> None:
        """Take in what was kept since."""
        self._membership.refresh()

    def warnings(self) -> list[str]:
        """What is missing from an answer."""
        found = [
            f"no recording {name!r} is known in {self._data}: record({name!r}) is false"
            for name in self.names
            if name not in self._known and name not in self._membership.names and not self._has_batches(name)
        ]
        return found + [
            f"recording {name!r}: what has left for {place} is not read here; remora query {place} does"
            for name, place in self._remote.items()
        ]

    def _has_batches(self, name: str) -> bool:
        return (self._folders.get(name, self._data) / f"{TREE}{component(name)}").is_dir()

    # -- belonging -----------------------------------------------------------------------------------------------------

    def of(self, item: Mapping[str, Any]) -> set[str]:
        """The recordings an item belongs to, as far as the journals say; others than those asked about too."""
        if isinstance(item, LazyItem):
            return self._membership.of(item.stream.id, item.timestamp_ns)
        try:
            return self._membership.of(stream_id_of(item["stream"]), start_ns(item))
        except ValueError:  # hidden by ``redact()``, or forged
            return {item["record"]} & set(self.names)

    def was_read(self, item: Mapping[str, Any]) -> bool:
        """Whether ``items`` has given this one."""
        return (item["stream"], item["startTime"]) in self._read

    def items(self, since_ns: int = 0) -> Iterator[tuple[dict[str, Any], set[str]]]:
        """Each item that was recorded once, and the recordings among those asked about that it is in.

        Args:
            since_ns: only items that began so late.
        """
        keys: dict[str, set[Key]] = {name: {_key(item) for item in self._items_of(name)} for name in self.names}
        given: set[tuple[Key, int]] = set()
        for name in self.names:
            for item in self._items_of(name):
                key = _key(item)
                if (key, item["index"]) not in given:
                    given.add((key, item["index"]))
                    if not since_ns or _began_ns(item) >= since_ns:
                        yield item, {other for other in self.names if key in keys[other]}
        self._read = {key for key, _ in given}

    def _items_of(self, name: str) -> Iterator[dict[str, Any]]:
        """In the order in which they were recorded. What is open is looked up first: it may be sealed meanwhile."""
        opened = [state for state in Standing.read(self._data).batches.values() if state.recording == name]
        sealed = {batch.manifest.batch: batch for batch in self.batches(name)}
        for batch in sealed.values():
            yield from self._sealed(batch)
        for state in opened:
            if state.id not in sealed:
                yield from self._open(name, state)

    def _sealed(self, batch: Batch) -> Iterator[dict[str, Any]]:
        where = batch.path("items")
        for line in self.lines(batch, "items"):
            yield {**decoded(where, line, ITEM), "record": batch.manifest.recording}

    def _open(self, name: str, state: BatchState) -> Iterator[dict[str, Any]]:
        folder = self._data / "outbox" / "open" / component(state.id)
        try:
            for _, item in read_items(folder, state.item_bytes):
                with contextlib.suppress(msgspec.DecodeError):  # sealing counts it as damaged
                    found = msgspec.msgpack.decode(item, type=dict[str, Any])
                    yield {**proper(str(folder), found, ITEM), "record": name}
        except FileNotFoundError:  # it was sealed just now
            for batch in self.batches(name):
                if batch.manifest.batch == state.id:
                    yield from self._sealed(batch)

    # -- sealed batches ------------------------------------------------------------------------------------------------

    def batches(self, name: str) -> list[Batch]:
        """Those that lie here: at the local destination and on their way to any.

        Raises:
            CaptureError: a manifest cannot be read, is none, or leads out of its recording.
        """
        found: dict[str, Batch] = {}
        for batch in itertools.chain(self._arrived(name), self._waiting(name)):
            found.setdefault(batch.manifest.batch, batch)
        return list(found.values())

    def _arrived(self, name: str) -> Iterator[Batch]:
        folder = self._folders.get(name, self._data) / f"{TREE}{component(name)}" / "manifest"
        if name not in self._folders or not folder.is_dir():
            return
        store = FolderStore(folder)
        for path in sorted(store.manifests()):
            batch = _unless_gone(path, lambda path=path: batch_of(store, path))  # type: ignore[misc] # the default binds
            if batch is not None and batch.manifest.recording != name:
                raise CaptureError(path, f"a batch of recording {name!r}", repr(batch.manifest.recording))
            if batch is not None:
                yield batch

    def _waiting(self, name: str) -> Iterator[Batch]:
        """An entry of the outbox holds all files side by side, whatever they will be called."""
        for path in sorted((self._data / "outbox" / "ready").glob(f"*/*{ENDING}")):
            if path.parent.name.startswith(OF_SCRIPTS):
                continue
            batch = _unless_gone(str(path), lambda path=path: _side_by_side(path))  # type: ignore[misc] # as above
            if batch is not None and batch.manifest.recording == name:
                yield batch

    def open_batches(self, name: str) -> dict[str, int]:
        """Those that are not sealed yet, and how many packets are in each."""
        batches = Standing.read(self._data).batches.values()
        return {state.id: state.packets for state in batches if state.recording == name and not state.empty}

    def lines(self, batch: Batch, kind: str) -> Iterator[bytes]:
        """Of ``items`` or ``streams`` of a batch, wherever it went since; none where it was deleted.

        Raises:
            CaptureError: it is damaged, or is not what its manifest says.
        """
        given = 0
        place: Batch | None = batch
        while place is not None:
            try:
                for line in itertools.islice(lines(place, kind), given, None):
                    given += 1
                    yield line
                return
            except CaptureError:
                if Path(place.path(kind)).exists():
                    raise
            place = self._again(place, kind)  # it left just now; its lines are the same

    def rows(self, batch: Batch) -> Iterator[dict[str, Any]]:
        """The streams of a batch; raises as ``lines``."""
        where = batch.path("streams")
        return (decoded(where, line, ROW) for line in self.lines(batch, "streams"))

    def packets(self, name: str) -> list[Path]:
        """Captures of all batches, each held against its manifest.

        Raises:
            CaptureError: one is not what its manifest says.
        """
        return [path for batch in self.batches(name) if (path := self._whole(batch)) is not None]

    def _whole(self, batch: Batch) -> Path | None:
        place: Batch | None = batch
        while place is not None:
            path, file = Path(place.path("pcap")), place.manifest.files["pcap"]
            try:
                deque(verified(place.store, str(path), file), 0)
                if (size := path.stat().st_size) != file.bytes:
                    raise CaptureError(str(path), f"{file.bytes} bytes, as its manifest says", size)
                return path
            except (CaptureError, FileNotFoundError):
                if path.exists():
                    raise
            place = self._again(place, "pcap")
        return None

    def _again(self, batch: Batch, kind: str) -> Batch | None:
        """Where a batch is now: it may have been shipped; None where it is nowhere any more."""
        manifest = batch.manifest
        there = (other for other in self.batches(manifest.recording) if other.manifest.batch == manifest.batch)
        return next((other for other in there if Path(other.path(kind)).exists()), None)


def _side_by_side(path: Path) -> Batch:
    store = FolderStore(path.parent)
    manifest = parse(str(path), store.read(str(path)))
    files = {kind: replace(file, name=Path(file.name).name) for kind, file in manifest.files.items()}
    return Batch(store, f"{path.parent}/", replace(manifest, files=files))


def _unless_gone(path: str, read: Callable[[], Batch]) -> Batch | None:
    """A batch that expired, or was shipped, while its manifest was to be read is none."""
    try:
        return read()
    except CaptureError:
        if os.path.lexists(path):
            raise
    return None


def _jobs(data: Path) -> dict[str, str]:
    """Where the batches of each job go; empty: where all go."""
    if not (data / "keep" / "recordings.sqlite").exists():
        return {}
    store = JobStore(data)
    try:
        return {name: job.destination for name, job in store.jobs().items()}
    finally:
        store.close()


def _key(item: Mapping[str, Any]) -> Key:
    return item["stream"], item["startTime"]


def _began_ns(item: Mapping[str, Any]) -> int:
    """0 where ``redact()`` hides it, or somebody forged it."""
    try:
        return start_ns(item)
    except ValueError:
        return 0


def start_ns(item: Mapping[str, Any]) -> int:
    """When an item began, from its ``startTime``."""
    whole, _, fraction = item["startTime"].rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * NS_PER_S + int(fraction.ljust(9, "0"))
