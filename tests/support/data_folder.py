"""A data folder, filled as worker and broker fill it, and a model of what a recording of it must hold."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from engine.capture.batch import PAD_BYTES, Batch
from engine.clock import rfc3339
from engine.counters import Counters
from engine.recording.journal import KeepJournal
from engine.segments.copied import Copied, keep_sizes
from engine.segments.items import ItemShelf
from engine.segments.member import ALONE, Member
from engine.segments.options import StorageOptions
from engine.segments.records import END, Records, StreamRecord
from engine.segments.shelf import Shelf
from tests.support.segments import records_of

NS = 1_000_000_000
START_NS = 1_700_000_000 * NS


class DataFolder:
    """Writes with the real shelf and the real journal. Packets are unique, so that one lost or doubled shows."""

    def __init__(
        self,
        root: Path,
        *,
        pcap_ttl_s: float = 10.0,
        json_ttl_s: float = 10.0,
        segment_bytes: int = 4096,
        member: Member = ALONE,
    ) -> None:
        """``member``: as which of several workers it writes."""
        self.root = root
        for name in ("segments", "items", "keep", "outbox"):
            (root / name).mkdir(parents=True, exist_ok=True)
        options = StorageOptions(
            window=False, pcap_ttl_s=pcap_ttl_s, json_ttl_s=json_ttl_s, storage_limit_bytes=segment_bytes * 32
        )
        self.counters = Counters()
        self._shelf = Shelf(root, options, self.counters, 0.0, member)
        self._items = ItemShelf(root, options, self.counters, member)
        self.worker = KeepJournal(root / "keep" / f"worker-{member.index}.log", sync=False)
        self.broker = KeepJournal(root / "keep" / "broker.log", sync=False)
        self.now_s = 0.0
        self.packets: dict[int, list[tuple[int, bytes]]] = {}
        """Timestamp and frame of each packet of a stream, as captured."""
        self.items: dict[int, list[tuple[int, str]]] = {}
        """Time and id of each item of a stream."""
        self._serial = member.index << 40
        self._leases: set[int] = set()

    def capture(self, packets: Sequence[tuple[int, int, int]], link_type: int = 1) -> None:
        """One batch of the worker: stream, timestamp and frame length of each packet; at least 16 bytes."""
        frames = []
        for stream, time_ns, length in packets:
            self._serial += 1
            frame = struct.pack(">QQ", stream, self._serial).ljust(length, b"%c" % (self._serial % 251))
            frames.append((stream, time_ns, frame))
        self.capture_frames(frames, link_type)

    def capture_frames(self, packets: Sequence[tuple[int, int, bytes]], link_type: int = 1) -> None:
        """The same with frames."""
        buffer, offsets = bytearray(), []
        for stream, time_ns, frame in packets:
            offsets.append(len(buffer))
            buffer += struct.pack("<IIII", *divmod(time_ns, NS), len(frame), len(frame)) + frame
            self.packets.setdefault(stream, []).append((time_ns, frame))
        end = len(buffer)
        batch = Batch(memoryview(buffer + bytes(PAD_BYTES)), np.array(offsets), end, True, link_type, 0, -1)
        streams = np.array([stream for stream, _, _ in packets], np.uint64)
        times = np.array([time_ns for _, time_ns, _ in packets], np.int64)
        self._shelf.append(batch, streams, times, self._describe_all, self.now_s)

    def item(self, stream: int, time_ns: int, damaged: bytes = b"") -> None:
        """One item of a stream; ``damaged``: what lies in its place."""
        index = len(self.items.setdefault(stream, []))
        name = f"{stream:012d}.pcap-{index}"
        self.items[stream].append((time_ns, name))
        body = {"id": name, "stream": f"{stream:012d}.pcap", "request": {"n": index}, "elapsedTime": 1}
        body |= {"index": index, "startTime": rfc3339(time_ns), "timestamp": time_ns // 1_000_000}
        body |= {key: {} for key in ("src", "dst", "protocol")} | {
            "requestSize": 0,
            "responseSize": 0,
            "response": None,
        }
        self._items.append([(stream, index, time_ns, damaged or msgspec.msgpack.encode(body))], self.now_s)

    def end(self, stream: int) -> None:
        """The stream is over."""
        self._shelf.log(records_of([self._describe(stream)._replace(event=END, state=2)]))

    def expire(self, wall_ns: int = START_NS) -> None:
        """Let the worker delete what it may."""
        copied, sizes = Copied.read(self.root), keep_sizes(self.root)
        self._shelf.expire(self.now_s, copied, sizes, wall_ns=wall_ns)
        self._items.expire(self.now_s, copied, sizes, wall_ns=wall_ns)

    def lease(self, stream: int) -> None:
        """As for a script that was handed an item of it."""
        self._shelf.lease(stream)
        self._leases.add(stream)

    def release(self, stream: int) -> None:
        """The script has acknowledged it."""
        self._shelf.release(stream)
        self._leases.discard(stream)

    def leased(self) -> bool:
        """Whether any stream is."""
        return bool(self._leases)

    def packet_bytes(self) -> int:
        """Size of all segments."""
        return self._shelf.size_bytes

    def segments(self) -> int:
        """How many there are."""
        return len(list((self.root / "segments").glob("*.pcap")))

    def wanted(self, kept: dict[int, int]) -> list[tuple[int, bytes]]:
        """The packets that a recording must hold, sorted; ``kept``: stream and time from which on."""
        return sorted(p for stream, from_ns in kept.items() for p in self.packets.get(stream, []) if p[0] >= from_ns)

    def wanted_items(self, kept: dict[int, int]) -> list[str]:
        """The ids of the items that it must hold, sorted."""
        return sorted(i for stream, from_ns in kept.items() for t, i in self.items.get(stream, []) if t >= from_ns)

    def _describe_all(self, streams: npt.NDArray[np.uint64]) -> Records:
        return records_of(map(self._describe, streams.tolist()))

    def _describe(self, stream: int) -> StreamRecord:
        packets = self.packets.get(stream, [(START_NS, b"")])
        octets = sum(len(frame) for _, frame in packets)
        client, server = (bytes(10) + b"\xff\xff" + bytes((10, 0, 0, host)) for host in (1, 2))
        return StreamRecord(
            stream, packets[0][0], len(packets), octets, octets // 2, client, server, 40_000, 80, 6, 1, 0
        )

    def close(self) -> None:
        """Close the files."""
        self._shelf.close()
        self._items.close()
        self.worker.close()
        self.broker.close()
