"""Packets of batches that are damaged: what is whole is fetched, and what is missing is told by batch and time."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.archive.catalogue import NS_PER_MS, Batch
from engine.archive.manifest import File, Manifest, Member
from engine.archive.packets import fetch
from engine.units import ALWAYS, Span

HEAD = gzip.compress(b"head")
SECOND_NS = 10**9


@dataclass
class Files:
    """A ``Store`` in memory."""

    where = "memory"
    content: dict[str, bytes] = field(default_factory=dict)

    def manifests(self) -> Iterator[str]:
        yield from ()

    def shown(self, name: str) -> str:
        return f"memory:{name}"

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        return self.content[name][start:end]


def batch(files: Files, number: int, *, damaged: int | None = None, hashed: bool = True) -> Batch:
    """Three members, of one second each; ``damaged``: one of them (-1 is the head) has a byte that is another."""
    parts = [HEAD, *(gzip.compress(f"batch {number} member {place}. ".encode()) for place in range(3))]
    digest = hashlib.sha256(b"".join(parts)).hexdigest() if hashed else ""
    offsets = [sum(map(len, parts[: place + 1])) for place in range(3)]
    if damaged is not None:
        part = bytearray(parts[damaged + 1])
        part[-6] ^= 1  # of the CRC-32
        parts[damaged + 1] = bytes(part)
    name = f"recording=r/pcap/{number}.pcap.gz"
    files.content[name] = b"".join(parts)
    begin_ns = number * 10 * SECOND_NS
    members = tuple(
        Member(offset, begin_ns + place * SECOND_NS, begin_ns + place * SECOND_NS + 1, 1)
        for place, offset in enumerate(offsets)
    )
    file = File(name, len(files.content[name]), "", digest, members)
    manifest = Manifest(1, str(number), "r", {"pcap": file}, begin_ns, begin_ns, begin_ns + 3 * SECOND_NS, 3, 0)
    return Batch(files, "", manifest)


def fetched(batches: list[Batch], folder: Path, span: Span = ALWAYS) -> tuple[str, list[str]]:
    """What lies in the file, and what was told."""
    told: list[str] = []
    (found,) = fetch(batches, span, folder, told.append)
    (path,) = found.paths
    assert found.bytes == path.stat().st_size
    assert found.shown == ["the packets of recording 'r'"]
    return gzip.decompress(path.read_bytes()).decode(), told


def text(number: int, *places: int) -> str:
    return "".join(f"batch {number} member {place}. " for place in places)


def test_what_is_whole_is_fetched_as_it_is(tmp_path: Path) -> None:
    files = Files()
    found = fetched([batch(files, 1), batch(files, 2, hashed=False)], tmp_path)
    assert found == ("head" + text(1, 0, 1, 2) + text(2, 0, 1, 2), [])


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("damaged", [0, 1, 2])
def test_a_damaged_member_is_left_out_and_told_with_batch_and_time(tmp_path: Path, damaged: int, hashed: bool) -> None:
    files = Files()
    found, told = fetched([batch(files, 1), batch(files, 2, damaged=damaged, hashed=hashed)], tmp_path)
    assert found == "head" + text(1, 0, 1, 2) + text(2, *({0, 1, 2} - {damaged}))
    (line,) = told
    second = f"1970-01-01T00:00:2{damaged}Z"
    assert line.startswith(
        f"memory:recording=r/pcap/2.pcap.gz: the packets from {second} to {second} are damaged and left out (member at "
    )


def test_of_a_part_only_its_own_members_are_looked_at(tmp_path: Path) -> None:
    files = Files()
    first_ms = 10 * SECOND_NS // NS_PER_MS
    span = Span(first_ms + 1000, first_ms + 1500)
    assert fetched([batch(files, 1, damaged=0)], tmp_path, span) == ("head" + text(1, 1), [])


def test_a_batch_whose_head_is_damaged_is_left_out(tmp_path: Path) -> None:
    files = Files()
    found, told = fetched([batch(files, 1, damaged=-1), batch(files, 2)], tmp_path)
    assert found == "head" + text(2, 0, 1, 2)
    assert told == ["memory:recording=r/pcap/1.pcap.gz: its head is damaged: none of its packets can be read"]


def test_a_time_that_is_none_is_told_all_the_same(tmp_path: Path) -> None:
    odd = batch(Files(), 1, damaged=1)
    file = odd.manifest.files["pcap"]
    members = tuple(Member(member.offset, -(1 << 70), 1 << 70, 1) for member in file.members)
    forged = File(file.name, file.bytes, "", "", members)
    manifest = Manifest(1, "1", "r", {"pcap": forged}, 0, 0, 0, 3, 0)
    _, told = fetched([odd._replace(manifest=manifest)], tmp_path)
    assert "from 1970-01-01T00:00:00Z to 2262-04-11T23:47:16Z" in told[0]
