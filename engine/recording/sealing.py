"""From an open batch to the files that are shipped. Pure in its result: the same batch sealed twice is the same bytes.

That is what makes a kill harmless: the batch is fixed in the commit log first (``Sealing``), and whoever builds it
again, after a crash and perhaps after it was uploaded already, builds what the destination has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from engine.clock import NS_PER_S
from engine.recording.batch_state import BatchState, Sealing
from engine.recording.gzip_members import Digest, HashedFile, SealedFile, write_lines
from engine.recording.journal import NO_WORKER, Gap
from engine.recording.names import ENDINGS, hour_of, object_name
from engine.recording.open_batch import read_index, read_items, read_stream_records
from engine.recording.options import RecordingOptions
from engine.recording.packet_file import ETHERNET, Member, write_packets
from engine.recording.packet_forms import form_of
from engine.recording.packets import RECORD_HEADER_BYTES, Packets
from engine.recording.rows import stream_rows

FORMAT = 1


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
    """Why an open batch is to be sealed: ``hour``, ``size``, ``count``, ``asked`` or ``age``; empty while it is not.

    Args:
        state: the batch.
        options: its limits.
        now_ns: wall clock; one that was set back does not make a batch due by its age.
    """
    if hour_of(now_ns) != hour_of(state.opened_ns):
        return "hour"
    if state.packet_bytes + state.item_bytes >= options.batch_bytes:
        return "size"
    if 0 < options.batch_packets <= state.packets:
        return "count"
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
    form = form_of(opened, state, records)
    endings = {**ENDINGS, "pcap": form.ending}
    paths = {kind: target / f"{state.id}.{ending}" for kind, ending in endings.items()}
    names = {
        kind: object_name(kind, state.recording, origin.cluster, origin.node, state.opened_ns, state.id, ending)
        for kind, ending in endings.items()
    }
    pcap = write_packets(paths["pcap"], opened / "packets", index, form, new_digest)
    rows = list(stream_rows(index, pcap.payload_bytes, records))
    items = _Items(opened, state.item_bytes, state.recording)
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


class _Items:
    """The items of a batch as lines of JSON; ``damaged`` counts those that are no msgpack any more."""

    def __init__(self, opened: Path, item_bytes: int, recording: str) -> None:
        self._opened, self._item_bytes, self._recording = opened, item_bytes, recording
        self.written, self.damaged = 0, 0
        self.protocols: Counter[str] = Counter()

    def lines(self) -> Iterator[bytes]:
        for _, item in read_items(self._opened, self._item_bytes):
            try:
                content = msgspec.msgpack.decode(item, type=dict[str, Any])
                content["record"] = self._recording
                line = msgspec.json.encode(content)
            except (msgspec.MsgspecError, TypeError):
                self.damaged += 1
                continue
            self.written += 1
            self.protocols[_protocol_of(content)] += 1
            yield line


def _protocol_of(item: dict[str, Any]) -> str:
    """``protocol.name`` of an item; empty for what is none."""
    protocol = item.get("protocol")
    return str(protocol.get("name", "")) if isinstance(protocol, dict) else ""


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
    damaged = items.damaged + state.items_damaged
    sealing: Sealing = state.sealing or Sealing("", {})
    files: dict[str, dict[str, object]] = {kind: {"name": names[kind], **f._asdict()} for kind, f in sealed.items()}
    files["pcap"]["members"] = members
    return {
        "format": FORMAT,
        "batch": state.id,
        "recording": state.recording,
        "kfl": sealing.profile.kfl,
        "dialect": sealing.profile.dialect,
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
        "protocols": dict(sorted(items.protocols.items())),
        "link_type": (state.link_types or [ETHERNET])[0] if len(state.link_types) < 2 else None,
        "link_types": state.link_types,
        "gaps": [_told(gap) for gap in sealing.gaps],
        "lost": {**sealing.lost, "items_damaged": damaged} if damaged else sealing.lost,
        "names": sealing.names,
        "files": files,
    }


def _told(gap: Gap) -> dict[str, object]:
    worker = None if gap.worker == NO_WORKER else gap.worker
    counts = {name: count for name in ("items", "streams") if (count := getattr(gap, name))}
    told = {"worker": worker, "reason": gap.reason, "from_ns": gap.from_ns, "to_ns": gap.to_ns, "packets": gap.packets}
    return {**told, **counts}
