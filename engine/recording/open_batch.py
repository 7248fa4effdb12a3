"""A batch that is being collected: ``outbox/open/<batch_id>/``, four files that only grow.

```
packets    pcap records as they lay in the segments, in the order in which they were copied
index      a PACKET of 32 bytes for each of them
items      stream u64, length u32, then the item as msgpack; one after the other
streams    records of the stream log, 80 bytes; the last one of a stream counts
```

Nothing is flushed to the disk here: a killed process loses nothing that it wrote, and the promise for a power cut
begins with sealing.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from engine.recording.batch_state import BatchState
from engine.recording.packets import PACKET, Buffer, Packets, joined, placed
from engine.segments.records import STREAM_RECORD, unpack_stream_records
from engine.streams.stream import format_address

KEYS_FILE = "keys"
ITEM_HEADER = struct.Struct("<QI")


class OpenBatch:
    """The files of one open batch; ``state`` says what counts of them."""

    def __init__(self, folder: Path, state: BatchState) -> None:
        """Go on with a batch, or begin one.

        Raises:
            OSError: the folder cannot be made or read.
        """
        self.folder, self.state = folder, state
        self.streams: set[int] = set()
        """Streams that have a packet or an item in it."""
        self.described: dict[int, bytes] = {}
        """The record of each stream that stands in ``streams`` last."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._cut()
        self._remember()

    def add_packets(self, data: Buffer, packets: Packets) -> None:
        """Append the records that ``packets`` names in ``data``.

        Raises:
            OSError: perhaps written in part, and not counted.
        """
        if not len(packets):
            return
        content = joined(data, packets)
        _append(self.folder / "packets", content)
        _append(self.folder / "index", placed(packets, self.state.packet_bytes).tobytes())
        self.state.packets += len(packets)
        self.state.packet_bytes += len(content)
        self.state.first_ns = min(self.state.first_ns, int(packets["timestamp_ns"].min()))
        self.state.link_types = list(dict.fromkeys([*self.state.link_types, *np.unique(packets["link_type"]).tolist()]))
        self.streams.update(np.unique(packets["stream"]).tolist())

    def add_items(self, items: Sequence[tuple[int, bytes]]) -> None:
        """Append items, each with its stream.

        Raises:
            OSError: perhaps written in part, and not counted.
        """
        content = b"".join([ITEM_HEADER.pack(stream, len(item)) + item for stream, item in items])
        _append(self.folder / "items", content)
        self.state.items += len(items)
        self.state.item_bytes += len(content)
        self.streams.update(stream for stream, _ in items)

    def describe(self, records: dict[int, bytes]) -> bool:
        """Append the newest record of those streams that are in the batch, where it is news; whether any was.

        Raises:
            OSError: perhaps written in part, and not counted.
        """
        news = {
            s: record
            for s, record in records.items()
            if record and s in self.streams and self.described.get(s) != record
        }
        if news:
            _append(self.folder / "streams", b"".join(news.values()))
            self.state.stream_records += len(news)
            self.described.update(news)
        return bool(news)

    def endpoints(self) -> Iterator[tuple[str, int]]:
        """Address and port of both ends of each stream."""
        for record in self.described.values():
            (of,) = unpack_stream_records(record)
            yield format_address(of.client_ip), of.client_port
            yield format_address(of.server_ip), of.server_port

    def store_keys(self, key_log: bytes) -> None:
        """Lay the keys of its sessions beside its packets, durably: what is sealed does not change with the key log.

        Raises:
            OSError: not stored.
        """
        path = self.folder / KEYS_FILE
        path.write_bytes(key_log)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _cut(self) -> None:
        """Forget what was not committed; where a power cut took what was, keep the part that is whole."""
        state = self.state
        sizes = [_size(self.folder / name) for name in ("packets", "index", "items", "streams")]
        if state.packet_bytes > sizes[0] or state.packets * PACKET.itemsize > sizes[1]:
            index = read_index(self.folder, min(state.packets, sizes[1] // PACKET.itemsize))
            ends = (index["offset"] + index["length"]).astype(np.int64)
            state.packets = int(np.searchsorted(ends, sizes[0], side="right"))
            state.packet_bytes = int(ends[state.packets - 1]) if state.packets else 0
        if state.item_bytes > sizes[2]:
            whole = list(read_items(self.folder, sizes[2]))
            state.items, state.item_bytes = len(whole), sum(ITEM_HEADER.size + len(item) for _, item in whole)
        state.stream_records = min(state.stream_records, sizes[3] // STREAM_RECORD.itemsize)
        wanted = (state.packet_bytes, state.packets * PACKET.itemsize, state.item_bytes)
        for name, size in zip(
            ("packets", "index", "items", "streams"),
            (*wanted, state.stream_records * STREAM_RECORD.itemsize),
            strict=True,
        ):
            if (self.folder / name).exists():
                os.truncate(self.folder / name, size)

    def _remember(self) -> None:
        self.streams.update(np.unique(read_index(self.folder, self.state.packets)["stream"]).tolist())
        self.streams.update(stream for stream, _ in read_items(self.folder, self.state.item_bytes))
        self.described.update(read_stream_records(self.folder, self.state.stream_records))


def read_index(folder: Path, packets: int) -> Packets:
    """The first ``packets`` entries of the index.

    Raises:
        OSError: it cannot be read.
    """
    if not packets:
        return np.empty(0, PACKET)
    return np.fromfile(folder / "index", PACKET, packets)


def read_items(folder: Path, size_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Stream and msgpack of each whole item in the first ``size_bytes`` bytes.

    Raises:
        OSError: they cannot be read.
    """
    if not size_bytes:
        return
    with (folder / "items").open("rb") as file:
        size_bytes = min(size_bytes, os.fstat(file.fileno()).st_size)
        while file.tell() + ITEM_HEADER.size <= size_bytes:
            stream, length = ITEM_HEADER.unpack(file.read(ITEM_HEADER.size))
            if file.tell() + length > size_bytes:
                return
            yield stream, file.read(length)


def read_stream_records(folder: Path, records: int) -> dict[int, bytes]:
    """The last record of each stream among the first ``records``.

    Raises:
        OSError: they cannot be read.
    """
    if not records:
        return {}
    with (folder / "streams").open("rb") as file:
        data = file.read(records * STREAM_RECORD.itemsize)
    table = np.frombuffer(data, STREAM_RECORD)
    step = STREAM_RECORD.itemsize
    return {stream: data[n * step : (n + 1) * step] for n, stream in enumerate(table["stream"].tolist())}


def _append(path: Path, data: Buffer) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        written = 0
        while written < len(data):
            written += os.write(descriptor, data[written:])
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
