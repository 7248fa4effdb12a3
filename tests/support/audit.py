"""What a destination holds, read as a stranger would read it: manifests first, and nothing without one."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import google_crc32c

from tests.support.pcapng import link_types_in, packets_in

Objects = Mapping[str, bytes]
"""Content by name."""


@dataclass
class Recorded:
    """All batches of one recording."""

    packets: list[tuple[int, bytes]] = field(default_factory=list)
    """Timestamp and frame; sorted."""
    items: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    manifests: list[dict[str, Any]] = field(default_factory=list)


def objects_in(folder: Path) -> dict[str, bytes]:
    """The files of a local destination; hidden ones are no files."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def objects_ready(outbox: Path) -> dict[str, bytes]:
    """What would be uploaded from ``ready``, under the names it would have."""
    objects = {}
    for entry in sorted((outbox / "ready").iterdir()):
        upload = json.loads((entry / "upload.json").read_bytes())
        for file in upload["files"]:
            content = (entry / file["file"]).read_bytes()
            assert (len(content), crc32c(content)) == (file["bytes"], file["crc32c"])
            objects[file["name"]] = content
    return objects


def audit(objects: Objects) -> dict[str, Recorded]:
    """What each recording holds; asserts that every manifest is true and that no file lacks its manifest."""
    recorded: dict[str, Recorded] = {}
    claimed: set[str] = set()
    for name in sorted(objects):
        if "/manifest/" in name:
            claimed.add(name)
            _read_batch(json.loads(objects[name]), name, objects, recorded, claimed)
    assert claimed == {name for name in objects if name.startswith("recording=")}, "a file without a manifest"
    for recording in recorded.values():
        recording.packets.sort()
    return recorded


def _read_batch(
    manifest: dict[str, Any], name: str, objects: Objects, recorded: dict[str, Recorded], claimed: set[str]
) -> None:
    files = manifest["files"]
    for kind, file in files.items():
        content = objects[file["name"]]
        claimed.add(file["name"])
        found = (len(content), crc32c(content), hashlib.sha256(content).hexdigest())
        assert found == (file["bytes"], file["crc32c"], file["sha256"]), f"{kind} of {name} is not what it should be"
        assert file["name"].rsplit("/", 1)[-1].startswith(manifest["batch"])
    packets = _read_pcap(objects[files["pcap"]["name"]], files["pcap"]["members"], manifest)
    items = _read_lines(objects[files["items"]["name"]])
    rows = _read_lines(objects[files["streams"]["name"]])
    assert manifest["packets"] == len(packets) == sum(row["packets"] for row in rows)
    assert manifest["packet_bytes"] == sum(len(frame) for _, frame in packets) == sum(row["bytes"] for row in rows)
    assert (manifest["items"], manifest["streams"]) == (len(items), len(rows))
    assert packets or items, "an empty batch"
    into = recorded.setdefault(manifest["recording"], Recorded())
    into.packets += packets
    into.items += items
    into.rows += rows
    into.manifests.append(manifest)


def _read_pcap(content: bytes, members: list[dict[str, int]], manifest: dict[str, Any]) -> list[tuple[int, bytes]]:
    data = gzip.decompress(content)
    head = len(gzip.decompress(content[: members[0]["offset"]])) if members else len(data)
    if manifest["files"]["pcap"]["name"].endswith(".pcapng.gz"):
        assert link_types_in(data) == (manifest["link_types"] or [1])
        read = packets_in
    else:
        assert struct.unpack("<IHHiIII", data[:24]) == (0xA1B23C4D, 2, 4, 0, 0, 262_144, manifest["link_type"])
        assert head == 24
        read = records_in
    packets = read(data[head:])
    times = [time for time, _ in packets]
    assert times == sorted(times), "not in time order"
    assert (manifest["first_packet_ns"], manifest["last_packet_ns"]) == ((times[0], times[-1]) if times else (0, 0))
    ends = [member["offset"] for member in members[1:]] + [len(content)] * bool(members)
    at = 0
    for member, end in zip(members, ends, strict=True):
        part = read(gzip.decompress(content[member["offset"] : end]))
        assert part == packets[at : at + member["packets"]]
        assert (part[0][0], part[-1][0]) == (member["first_ns"], member["last_ns"])
        at += len(part)
    assert at == len(packets)
    return packets


def records_in(data: bytes) -> list[tuple[int, bytes]]:
    """Time and frame of each record of a pcap, whose header is not in ``data``."""
    packets, at = [], 0
    while at < len(data):
        seconds, ns, captured, _ = struct.unpack_from("<IIII", data, at)
        packets.append((seconds * 1_000_000_000 + ns, data[at + 16 : at + 16 + captured]))
        at += 16 + captured
    assert at == len(data), "a torn record"
    return packets


def _read_lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(content).splitlines()]


def crc32c(content: bytes) -> str:
    """As Google writes it."""
    return base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()
