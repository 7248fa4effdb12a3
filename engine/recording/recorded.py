"""What a data folder holds of its recordings, for who asks with ``record("name")``: while they record and afterwards.

Items lie in up to four places: in item segments (as long as ``jsonTTL``), in the open batch, in sealed batches that
wait for their upload, and at a local destination. Each is read as it is now, and nobody is asked.
"""

from __future__ import annotations

import calendar
import contextlib
import gzip
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from engine.clock import NS_PER_S
from engine.errors import StorageError
from engine.items.item import LazyItem
from engine.naming import stream_id_of
from engine.recording.batch_state import BatchState
from engine.recording.expiry import is_local
from engine.recording.jobstore import JobStore
from engine.recording.ledger import Standing
from engine.recording.membership import Membership
from engine.recording.names import ENDINGS, component
from engine.recording.open_batch import read_items

LOCAL = "recordings"
"""The destination where nothing else is configured, below the data folder."""
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
        return (self._folders.get(name, self._data) / f"recording={component(name)}").is_dir()

    # -- belonging -----------------------------------------------------------------------------------------------------

    def of(self, item: Mapping[str, Any]) -> set[str]:
        """The recordings an item belongs to, as far as the journals say; others than those asked about too."""
        if isinstance(item, LazyItem):
            return self._membership.of(item.stream.id, item.timestamp_ns)
        return self._membership.of(stream_id_of(item["stream"]), start_ns(item))

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
                    if not since_ns or start_ns(item) >= since_ns:
                        yield item, {other for other in self.names if key in keys[other]}
        self._read = {key for key, _ in given}

    def _items_of(self, name: str) -> Iterator[dict[str, Any]]:
        """In the order in which they were recorded. What is open is looked up first: it may be sealed meanwhile."""
        opened = [state for state in Standing.read(self._data).batches.values() if state.recording == name]
        sealed = {_batch_of(files): files for files in self.files(name)}
        for files in sealed.values():
            yield from _decoded(self.lines(name, files, "items"))
        for state in opened:
            if state.id not in sealed:
                for item in self._open(name, state):
                    yield {**item, "record": name}

    def files(self, name: str) -> list[dict[str, Path]]:
        """The files of each sealed batch that lies here, by kind: at the local destination and on their way there."""
        found: list[dict[str, Path]] = []
        seen: set[str] = set()
        if name in self._folders:
            root = self._folders[name] / f"recording={component(name)}"
            for manifest in sorted(root.glob(f"manifest/*/*/*/*/*.{ENDINGS['manifest']}")):
                with contextlib.suppress(OSError, msgspec.DecodeError):
                    seen.add(manifest.name)
                    found.append({kind: self._folders[name] / place for kind, place in _names_in(manifest).items()})
        for manifest in sorted((self._data / "outbox" / "ready").glob(f"*/*.{ENDINGS['manifest']}")):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                if manifest.name not in seen and msgspec.json.decode(manifest.read_bytes())["recording"] == name:
                    places = {kind: manifest.with_name(Path(place).name) for kind, place in _names_in(manifest).items()}
                    found.append(places)
        return found

    def open_packets(self, name: str) -> int:
        """Packets in batches that are not sealed yet."""
        return sum(state.packets for state in Standing.read(self._data).batches.values() if state.recording == name)

    def lines(self, name: str, files: Mapping[str, Path], kind: str) -> Iterator[bytes]:
        """Of ``items`` or ``streams`` of a sealed batch, wherever it went since; none where it was deleted.

        Raises:
            StorageError: it is damaged.
        """
        path = self.found(name, files, kind)
        if path is None:
            return
        try:
            with gzip.open(path, "rb") as file:
                yield from file
        except FileNotFoundError:
            yield from self.lines(name, files, kind)  # it left just now
        except (OSError, EOFError, zlib.error) as error:
            raise StorageError(f"{path}: expected a file of a recording, got {error}") from error

    def found(self, name: str, files: Mapping[str, Path], kind: str) -> Path | None:
        """Where a file of a batch is now: it may have been shipped; None where it is nowhere any more."""
        if files[kind].exists():
            return files[kind]
        again = (other[kind] for other in self.files(name) if _batch_of(other) == _batch_of(files))
        return next((path for path in again if path.exists()), None)

    def _open(self, name: str, state: BatchState) -> Iterator[dict[str, Any]]:
        try:
            for _, item in read_items(self._data / "outbox" / "open" / state.id, state.item_bytes):
                with contextlib.suppress(msgspec.DecodeError):
                    yield msgspec.msgpack.decode(item, type=dict[str, Any])
        except FileNotFoundError:  # it was sealed just now
            for files in self.files(name):
                if _batch_of(files) == state.id:
                    yield from _decoded(self.lines(name, files, "items"))


def _batch_of(files: Mapping[str, Path]) -> str:
    return files["items"].name.removesuffix(f".{ENDINGS['items']}")


def _decoded(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    try:
        for line in lines:
            yield msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise StorageError(f"expected items of a recording, got {error}") from error


def _names_in(manifest: Path) -> dict[str, str]:
    """Where the files of a batch are, below its destination."""
    files = msgspec.json.decode(manifest.read_bytes())["files"]
    return {kind: str(file["name"]) for kind, file in files.items()}


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


def start_ns(item: Mapping[str, Any]) -> int:
    """When an item began, from its ``startTime``."""
    whole, _, fraction = item["startTime"].rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * NS_PER_S + int(fraction.ljust(9, "0"))
