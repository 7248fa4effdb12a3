"""The rolling window of one or more data folders as one file in time order, while capture goes on or after it ended.

Packets are spooled as segments are read, with 8 bytes of memory each to see whether they came in order; where they did
and have one link type, the spool is the file. Otherwise it is written once more, sorted, as pcapng where link types
differ.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.capture.batch import Batch
from engine.capture.records import scan
from engine.capture.sources import open_source
from engine.clock import NS_PER_S
from engine.errors import StorageError
from engine.recording import pcapng
from engine.recording.client_randoms import randoms_of
from engine.recording.packets import PACKET, RECORD_HEADER_BYTES, Packets, joined, placed
from engine.segments.records import PCAP_HEADER_BYTES, pcap_header
from engine.segments.replay import Replay

AT_ONCE = 4096
"""Packets that are sorted into the file together."""
HIDDEN = ".remora-dump"

KeyLog = Callable[[Iterable[bytes]], bytes]
"""Lines of a key log that belong to these client randoms."""


class Node(NamedTuple):
    """One data folder."""

    data: Path
    since_ns: int
    """Packets captured before are left out."""


class Files(NamedTuple):
    """Captures that lie somewhere, such as the batches of a recording."""

    paths: Sequence[Path]
    since_ns: int = 0


class Dumped(NamedTuple):
    """What was written."""

    path: Path | None
    """None: there was nothing to write, and no file is there."""
    packets: int
    bytes: int
    """Of the file."""
    first_ns: int
    last_ns: int
    link_types: int
    sessions: int
    """TLS sessions whose keys are in the file."""
    gone: int
    """Segments that expired before they were read."""


def dump(nodes: Sequence[Node | Files], folder: Path, name: str, key_log: KeyLog | None = None) -> Dumped:
    """Write the packets of ``nodes`` into ``folder``, as ``name`` with the ending of its form; never over another file.

    Args:
        nodes: data folders, or captures.
        folder: is there.
        name: without an ending; ``-2`` and so on goes behind it where that is taken.
        key_log: with it the file is pcapng and holds the keys of exactly the TLS sessions in it.

    Raises:
        OSError: ``folder`` cannot be written, or is full; nothing is left in it.
        StorageError: a segment is damaged.
    """
    descriptor, made = tempfile.mkstemp(prefix=f"{HIDDEN}-", dir=folder)  # no pid: those of containers come again
    hidden = Path(made)
    try:
        with open(descriptor, "wb+") as file:
            spool = _Spool(file, with_sessions=key_log is not None)
            gone = sum(spool.take(node) for node in nodes)
            if not spool.packets:
                return Dumped(None, 0, 0, 0, 0, 0, 0, gone)
            keys = key_log(spool.sessions) if key_log is not None else None
            ending = ".pcap" if keys is None and len(spool.link_types) == 1 else ".pcapng"
            times_ns = spool.times_ns()
            if ending == ".pcapng" or (times_ns[1:] < times_ns[:-1]).any():
                _write_again(hidden, spool, times_ns, ending, keys or b"")
            path = _publish(hidden, folder, name, ending)
        found = len(spool.sessions) if keys else 0
        ends = int(times_ns.min()), int(times_ns.max())
        return Dumped(path, spool.packets, path.stat().st_size, *ends, len(spool.link_types), found, gone)
    finally:
        hidden.unlink(missing_ok=True)


class _Spool:
    """Packets in the order in which they are read, behind the header of a pcap file."""

    def __init__(self, file: IO[bytes], *, with_sessions: bool) -> None:
        self.file, self._with_sessions = file, with_sessions
        self.packets = 0
        self.link_types: list[int] = []
        self.runs: list[tuple[int, int]] = []
        """How many packets of which link type."""
        self.sessions: set[bytes] = set()
        self._times: list[npt.NDArray[np.int64]] = []

    def take(self, node: Node | Files) -> int:
        """Add what a data folder or captures hold; returns how many segments had expired."""
        if isinstance(node, Files):
            self._take_all(_batches_of(node.paths), node.since_ns)
            return 0
        replay = Replay(node.data)
        self._take_all((found.batch for found in replay.packets()), node.since_ns)
        return len(replay.gone)

    def _take_all(self, batches: Iterable[Batch], since_ns: int) -> None:
        for batch in batches:
            times_ns = _times_of(batch)
            wanted = times_ns >= since_ns
            if wanted.any():
                self._add(batch, times_ns, wanted)

    def _add(self, batch: Batch, times_ns: npt.NDArray[np.int64], wanted: npt.NDArray[np.bool_]) -> None:
        if not self.packets:
            self.file.write(pcap_header(batch.link_type))
        if batch.link_type not in self.link_types:
            self.link_types.append(batch.link_type)
        index = _index_of(batch, times_ns)[wanted]
        records = joined(batch.buffer, index)
        self.file.write(records)
        if self._with_sessions:
            self.sessions |= randoms_of(bytes(records), placed(index, 0))
        self.packets += len(index)
        self.runs.append((len(index), batch.link_type))
        self._times.append(index["timestamp_ns"].copy())

    def times_ns(self) -> npt.NDArray[np.int64]:
        """Of all packets, in the order of the file."""
        self._times = [np.concatenate(self._times)]
        return self._times[0]


def _batches_of(paths: Sequence[Path]) -> Iterator[Batch]:
    for index, path in enumerate(paths):
        source = open_source(str(path), index)
        while (batch := source.read()) is not None:
            yield batch
        source.close()
        if warning := source.take_warning():
            raise StorageError(f"{path}: expected all of its packets, got {warning}")


def _times_of(batch: Batch) -> npt.NDArray[np.int64]:
    octets = np.frombuffer(batch.buffer, np.uint8)
    fields = octets[batch.offsets[:, None] + np.arange(8)].view("<u4").astype(np.int64)
    times: npt.NDArray[np.int64] = fields[:, 0] * NS_PER_S + fields[:, 1]
    return times


def _index_of(batch: Batch, times_ns: npt.NDArray[np.int64]) -> Packets:
    octets = np.frombuffer(batch.buffer, np.uint8)
    index = np.zeros(len(batch.offsets), PACKET)
    index["timestamp_ns"], index["offset"], index["link_type"] = times_ns, batch.offsets, batch.link_type
    captured = octets[batch.offsets[:, None] + np.arange(8, 12)].view("<u4")[:, 0]
    index["length"] = captured + RECORD_HEADER_BYTES
    return index


def _write_again(hidden: Path, spool: _Spool, times_ns: npt.NDArray[np.int64], ending: str, keys: bytes) -> None:
    """The same packets in order, and in the form of ``ending``, under the same hidden name."""
    spool.file.flush()
    sorted_path = hidden.with_name(f"{hidden.name}.sorted")
    try:
        with (
            mmap.mmap(spool.file.fileno(), 0, access=mmap.ACCESS_READ) as content,
            sorted_path.open("xb") as target,
        ):
            os.chmod(sorted_path, 0o600)
            index = _whole_index(spool, content, times_ns)
            parts = _in_order(index, content)
            _write_pcap(target, spool, parts) if ending == ".pcap" else _write_pcapng(target, spool, parts, keys)
        sorted_path.replace(hidden)
    finally:
        sorted_path.unlink(missing_ok=True)


def _whole_index(spool: _Spool, content: mmap.mmap, times_ns: npt.NDArray[np.int64]) -> Packets:
    index = np.zeros(spool.packets, PACKET)
    offsets, end = scan(content, PCAP_HEADER_BYTES, len(content), "<")  # type: ignore[arg-type] # a buffer like any
    index["timestamp_ns"], index["offset"] = times_ns, offsets
    index["length"] = np.diff(offsets, append=end)
    index["link_type"] = np.repeat([kind for _, kind in spool.runs], [count for count, _ in spool.runs])
    return index[np.argsort(times_ns, kind="stable")]


def _in_order(index: Packets, content: mmap.mmap) -> Iterator[tuple[bytes, Packets]]:
    for first in range(0, len(index), AT_ONCE):
        part = index[first : first + AT_ONCE]
        with memoryview(content) as view:
            yield bytes(joined(view, part)), placed(part, 0)


def _write_pcap(target: IO[bytes], spool: _Spool, parts: Iterable[tuple[bytes, Packets]]) -> None:
    target.write(pcap_header(spool.link_types[0]))
    for records, _ in parts:
        target.write(records)


def _write_pcapng(target: IO[bytes], spool: _Spool, parts: Iterable[tuple[bytes, Packets]], keys: bytes) -> None:
    target.write(pcapng.section("Remora", "remora pcapdump"))
    for link_type in spool.link_types:
        target.write(pcapng.interface(link_type))
    target.write(pcapng.secrets(keys))
    interfaces = {link_type: place for place, link_type in enumerate(spool.link_types)}
    for records, index in parts:
        target.write(pcapng.packets(records, index, interfaces, {}))


def _publish(hidden: Path, folder: Path, name: str, ending: str) -> Path:
    """Give the file its name, or the next that is free: what was dumped before stays."""
    descriptor = os.open(hidden, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    for number in itertools.count(1):
        path = folder / (f"{name}{ending}" if number == 1 else f"{name}-{number}{ending}")
        with contextlib.suppress(FileExistsError):
            _name(hidden, path)
            return path
    raise AssertionError("numbers do not end")


def _name(hidden: Path, path: Path) -> None:
    """Raises FileExistsError where another file has that name."""
    try:
        os.link(hidden, path)
    except PermissionError:  # a file system without links
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        hidden.replace(path)
