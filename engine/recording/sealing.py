"""From an open batch to the files that are shipped. Pure in its result: the same batch sealed twice is the same bytes.

That is what makes a kill harmless: the batch is fixed in the commit log first (``Sealing``), and whoever builds it
again, after a crash and perhaps after it was uploaded already, builds what the destination has.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from engine.capture.batch import PAD_BYTES, Batch
from engine.clock import NS_PER_S
from engine.counters import Counters
from engine.decode.decode import Decoder
from engine.recording.batch_state import BatchState, Sealing
from engine.recording.gzip_members import MEMBER_BYTES, Digest, HashedFile, SealedFile, member, write_lines
from engine.recording.names import ENDINGS, hour_of, object_name
from engine.recording.open_batch import read_index, read_items, read_stream_records
from engine.recording.options import RecordingOptions
from engine.recording.packets import RECORD_HEADER_BYTES, Packets, joined, placed
from engine.recording.rows import stream_rows
from engine.segments.records import pcap_header

FORMAT = 1


class Member(msgspec.Struct):
    """One gzip member of the pcap; holds whole records."""

    offset: int
    first_ns: int
    last_ns: int
    packets: int


class BuiltFile(NamedTuple):
    """One file of a sealed batch and where it goes, below the destination's prefix."""

    file: str
    name: str
    bytes: int
    crc32c: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where batches come from."""

    cluster: str
    node: str


def due(state: BatchState, options: RecordingOptions, now_ns: int) -> str:
    """Why an open batch is to be sealed now: ``hour``, ``size``, ``asked`` or ``age``; empty while it is not.

    Args:
        state: the batch.
        options: its limits.
        now_ns: wall clock; one that was set back does not make a batch due by its age.
    """
    if hour_of(now_ns) != hour_of(state.opened_ns):
        return "hour"
    if state.packet_bytes + state.item_bytes >= options.batch_bytes:
        return "size"
    if state.asked:
        return "asked"
    return "age" if now_ns - state.opened_ns >= options.batch_interval_s * NS_PER_S else ""


def build(
    opened: Path, target: Path, state: BatchState, origin: Origin, new_digest: Callable[[], Digest]
) -> list[BuiltFile]:
    """Write the sealed files of a batch into ``target``, an empty folder; in the order of their upload.

    Args:
        opened: the folder of the open batch.
        target: where the files go.
        state: the batch; its ``sealing`` is set.
        origin: cluster and node.
        new_digest: makes a CRC32C.

    Raises:
        OSError: the disk is full or failing; build again from an empty folder.
    """
    assert state.sealing is not None, "a batch is fixed before it is built"
    index = read_index(opened, state.packets)
    index = index[np.argsort(index["timestamp_ns"], kind="stable")]
    records = read_stream_records(opened, state.stream_records)
    paths = {kind: target / f"{state.id}.{ending}" for kind, ending in ENDINGS.items()}
    names = {
        kind: object_name(kind, state.recording, origin.cluster, origin.node, state.opened_ns, state.id)
        for kind in ENDINGS
    }
    pcap = _write_pcap(paths["pcap"], opened / "packets", index, state, new_digest)
    rows = list(stream_rows(index, pcap.payload_bytes, records))
    items = _Items(opened, state.item_bytes)
    sealed = {
        "pcap": pcap.sealed,
        "streams": write_lines(paths["streams"], map(msgspec.json.encode, rows), new_digest),
        "items": write_lines(paths["items"], items.lines(), new_digest),
    }
    manifest = _manifest(state, origin, index, len(rows), items, sealed, names, pcap.members)
    with HashedFile(paths["manifest"], new_digest) as file:
        file.write(msgspec.json.encode(manifest) + b"\n")
        sealed["manifest"] = file.sealed
    return [BuiltFile(paths[kind].name, names[kind], f.bytes, f.crc32c) for kind, f in sealed.items()]


class _Pcap(NamedTuple):
    sealed: SealedFile
    members: list[Member]
    payload_bytes: npt.NDArray[np.int64]
    """Transport payload on the wire, of each packet."""


def _write_pcap(
    path: Path, packets: Path, index: Packets, state: BatchState, new_digest: Callable[[], Digest]
) -> _Pcap:
    members: list[Member] = []
    payloads = [np.empty(0, np.int64)]
    decoder = Decoder(Counters())  # one for all parts: a datagram in fragments may lie across two
    with HashedFile(path, new_digest) as file:
        file.write(member(pcap_header(state.link_type)))
        content = _mapped(packets) if len(index) else memoryview(b"")
        for part in _parts(index):
            records = bytes(joined(content, part))
            offset = file.write(member(records))
            members.append(Member(offset, int(part["timestamp_ns"][0]), int(part["timestamp_ns"][-1]), len(part)))
            payloads.append(_payload_bytes(decoder, records, part, state.link_type))
        return _Pcap(file.sealed, members, np.concatenate(payloads))


def _payload_bytes(decoder: Decoder, records: bytes, part: Packets, link_type: int) -> npt.NDArray[np.int64]:
    offsets = placed(part, 0)["offset"].astype(np.int64)
    padded = memoryview(records + bytes(PAD_BYTES))
    columns = decoder.decode(Batch(padded, offsets, len(records), True, link_type, 0, -1)).columns
    return np.where(columns.drop == 0, columns.payload_length + columns.payload_missing, 0)


def _mapped(path: Path) -> memoryview:
    """The content of a file that is not empty; unmapped when nobody refers to it any more."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _parts(index: Packets) -> Iterator[Packets]:
    """The packets in pieces of about ``MEMBER_BYTES``."""
    if not len(index):
        return
    number = (np.cumsum(index["length"].astype(np.int64)) - 1) // MEMBER_BYTES
    yield from np.split(index, np.flatnonzero(number[1:] != number[:-1]) + 1)


class _Items:
    """The items of a batch as lines of JSON; ``damaged`` counts those that are no msgpack any more."""

    def __init__(self, opened: Path, item_bytes: int) -> None:
        self._opened, self._item_bytes = opened, item_bytes
        self.written, self.damaged = 0, 0

    def lines(self) -> Iterator[bytes]:
        for _, item in read_items(self._opened, self._item_bytes):
            try:
                line = msgspec.json.encode(msgspec.msgpack.decode(item))
            except (msgspec.MsgspecError, TypeError):
                self.damaged += 1
                continue
            self.written += 1
            yield line


def _manifest(
    state: BatchState,
    origin: Origin,
    index: Packets,
    streams: int,
    items: _Items,
    sealed: dict[str, SealedFile],
    names: dict[str, str],
    members: list[Member],
) -> dict[str, object]:
    sealing: Sealing = state.sealing or Sealing("", {})
    files: dict[str, dict[str, object]] = {kind: {"name": names[kind], **f._asdict()} for kind, f in sealed.items()}
    files["pcap"]["members"] = members
    return {
        "format": FORMAT,
        "batch": state.id,
        "recording": state.recording,
        "cluster": origin.cluster,
        "node": origin.node,
        "versions": {"remora": sealing.version},
        "opened_ns": state.opened_ns,
        "first_packet_ns": int(index["timestamp_ns"][0]) if len(index) else 0,
        "last_packet_ns": int(index["timestamp_ns"][-1]) if len(index) else 0,
        "packets": len(index),
        "packet_bytes": state.packet_bytes - RECORD_HEADER_BYTES * len(index),
        "streams": streams,
        "items": items.written,
        "link_type": state.link_type,
        "gaps": [],
        "lost": {**sealing.lost, "items_damaged": items.damaged} if items.damaged else sealing.lost,
        "names": {},
        "files": files,
    }
