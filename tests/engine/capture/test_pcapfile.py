from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.capture.files import open_file
from engine.capture.window import CHUNK_BYTES
from engine.errors import CaptureError
from tests.support.packets import EPOCH_NS, Packet, pcap_bytes, write_pcap
from tests.support.packing import Pack, gzipped, packings, zstandard
from tests.support.reading import batches, packets_of, read_all


def some_packets(count: int, seed: int = 0, longest: int = 300) -> list[Packet]:
    chance = random.Random(seed)
    packets = []
    for number in range(count):
        frame = chance.randbytes(chance.randrange(longest))
        packets.append(Packet(EPOCH_NS + number * 1_000_003_000, frame, len(frame) + chance.randrange(9)))
    return packets


PACKETS = some_packets(50)
LARGE = some_packets(6000, longest=2000)
"""About 6 MB: several chunks."""


@packings
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("nanoseconds", [False, True], ids=["micro", "nano"])
def test_every_form_of_pcap_gives_the_same_packets(tmp_path: Path, nanoseconds: bool, order: str, pack: Pack) -> None:
    path = write_pcap(tmp_path / "x.pcap", PACKETS, nanoseconds=nanoseconds, order=order)
    path.write_bytes(pack(path.read_bytes()))
    source = open_file(str(path), 0)
    assert read_all(source) == PACKETS
    assert source.warning == ""


@packings
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_a_record_may_lie_across_two_chunks(tmp_path: Path, order: str, pack: Pack) -> None:
    content = pcap_bytes(LARGE, nanoseconds=False, order=order)
    assert len(content) > 2 * CHUNK_BYTES
    path = tmp_path / "x.pcap"
    path.write_bytes(pack(content))
    assert read_all(open_file(str(path), 0)) == LARGE


def test_the_longest_frame_is_read(tmp_path: Path) -> None:
    packets = [Packet(EPOCH_NS, bytes([number]) * 262_144, 300_000) for number in range(9)]
    path = write_pcap(tmp_path / "x.pcap", packets)
    assert read_all(open_file(str(path), 0)) == packets


@packings
def test_reading_goes_on_where_a_batch_ended(tmp_path: Path, pack: Pack) -> None:
    content = pcap_bytes(LARGE)
    path = tmp_path / "x.pcap"
    path.write_bytes(pack(content))
    seen = 0
    for batch in batches(open_file(str(path), 0)):
        seen += len(batch.offsets)
        assert content[24 : batch.resume] == pcap_bytes(LARGE[:seen])[24:]
        assert read_all(open_file(str(path), 0, start=batch.resume)) == LARGE[seen:]


def test_a_batch_says_where_it_comes_from(tmp_path: Path) -> None:
    batch = open_file(str(write_pcap(tmp_path / "x.pcap", PACKETS, link_type=113)), 7).read()
    assert batch is not None
    assert (batch.source, batch.link_type, batch.contiguous) == (7, 113, True)


def test_microseconds_above_a_million_are_carried(tmp_path: Path) -> None:
    content = bytearray(pcap_bytes([Packet(EPOCH_NS, b"x")], nanoseconds=False))
    content[28:32] = (4_294_967_295).to_bytes(4, "little")
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    assert read_all(open_file(str(path), 0))[0].timestamp_ns == EPOCH_NS + 4_294_967_295_000


# ---- damage -------------------------------------------------------------------------------------------------------


def test_a_truncated_file_gives_what_is_whole_and_a_warning(tmp_path: Path) -> None:
    packets = some_packets(4, longest=20)
    content = pcap_bytes(packets)
    ends = {24 + sum(16 + len(packet.frame) for packet in packets[:count]): count for count in range(5)}
    path, whole = tmp_path / "x.pcap", 0
    for length in range(24, len(content) + 1):
        path.write_bytes(content[:length])
        source = open_file(str(path), 0)
        whole = ends.get(length, whole)
        assert read_all(source) == packets[:whole]
        assert bool(source.warning) == (length not in ends)


DAMAGE = {
    "a length above 256 KiB": (
        262144,
        8,
        (262_145).to_bytes(4, "little"),
        "at most 262144 bytes, found a length of 262145",
    ),
    "a length above the snap length": (65535, 8, (65_536).to_bytes(4, "little"), "at most 65535 bytes"),
    "a length of 4 GB": (0, 8, b"\xff" * 4, "found a length of 4294967295"),
    "zeros": (262144, 0, bytes(16), "found zeros"),
}


@pytest.mark.parametrize(("snaplen", "at", "bad", "complaint"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_ends_the_source_with_a_warning(
    tmp_path: Path, snaplen: int, at: int, bad: bytes, complaint: str
) -> None:
    packets = [Packet(EPOCH_NS, b"12345678")] * 100_000
    content = bytearray(pcap_bytes(packets))
    content[16:20] = snaplen.to_bytes(4, "little")
    damaged = 24 + 60_000 * 24
    content[damaged + at : damaged + at + len(bad)] = bad
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    source = open_file(str(path), 0)
    assert len(read_all(source)) == 60_000
    assert f"{path}: offset {damaged}: expected" in source.warning
    assert complaint in source.warning


def test_a_small_snap_length_in_the_header_is_not_held_against_a_file(tmp_path: Path) -> None:
    packets = [Packet(EPOCH_NS, bytes(9000), 9000)]
    content = bytearray(pcap_bytes(packets))
    content[16:20] = (96).to_bytes(4, "little")
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    assert read_all(open_file(str(path), 0)) == packets


@pytest.mark.parametrize("at", [3000, 5000, -9, -1])
def test_a_truncated_gzip_gives_what_came_before(tmp_path: Path, at: int) -> None:
    path = tmp_path / "x.pcap.gz"
    path.write_bytes(gzip.compress(pcap_bytes(PACKETS))[:at])
    source = open_file(str(path), 0)
    found = read_all(source)
    assert found == PACKETS[: len(found)]
    assert len(found) > 10
    assert "the gzip data ends in the middle; what came before it stands" in source.warning


@pytest.mark.parametrize("at", [3000, 5000, -5, -1])
def test_a_damaged_gzip_is_warned_of(tmp_path: Path, at: int) -> None:
    packed = bytearray(gzip.compress(pcap_bytes(PACKETS)))
    packed[at] ^= 0xFF
    path = tmp_path / "x.pcap.gz"
    path.write_bytes(packed)
    source = open_file(str(path), 0)
    read_all(source)
    assert "the gzip data is damaged" in source.warning


@pytest.mark.parametrize("seed", range(40))
def test_damage_anywhere_never_raises_and_always_ends(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    content = bytearray(pcap_bytes(PACKETS, nanoseconds=bool(seed & 1), order="<>"[seed >> 1 & 1]))
    for _ in range(chance.randrange(1, 6)):
        content[chance.randrange(24, len(content))] = chance.randrange(256)
    path = tmp_path / "x.pcap"
    path.write_bytes(content[: chance.randrange(24, len(content))] if seed & 4 else content)
    read_all(open_file(str(path), 0))


# ---- refusals -----------------------------------------------------------------------------------------------------

GOOD = pcap_bytes([])
REFUSED = {
    "nothing": (b"", "expected a pcap file, got an empty file"),
    "text": (b"GET / HTTP/1.1\r\n", "begins with 47 45 54 20"),
    "a zstd header": (zstandard(GOOD)[:12], "the zstd data ends in the middle"),
    "no zstd": (b"\x28\xb5\x2f\xfd" + b"\xff" * 40, "the zstd data is damaged"),
    "half a header": (GOOD[:20], "a pcap header of 24 bytes, got a file of 20 bytes"),
    "version 1": (GOOD[:4] + b"\1\0" + GOOD[6:], "pcap version 2.4, got version 1.4"),
    "IEEE 802.11": (GOOD[:20] + (105).to_bytes(4, "little"), "got link type 105"),
    "an empty gzip": (gzip.compress(b""), "an empty file"),
    "a gzip header": (gzip.compress(GOOD)[:12], "the gzip data ends in the middle"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_pcap_is_refused_with_a_reason(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(CaptureError) as refusal:
        open_file(str(path), 0)
    assert str(refusal.value).startswith(f"{path}: expected ")
    assert message in str(refusal.value)
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize("path", ["/nonexistent.pcap", "/"])
def test_what_cannot_be_opened_is_refused(path: str) -> None:
    with pytest.raises(CaptureError, match="expected"):
        open_file(path, 0)


def test_the_bits_about_a_frame_check_sequence_are_not_the_link_type(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(GOOD[:20] + (0x2400_0001).to_bytes(4, "little"))
    assert read_all(open_file(str(path), 0)) == []


# ---- pipes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzipped], ids=["plain", "gzip"])  # zstd holds back whole blocks
def test_a_pipe_gives_what_is_there_and_nothing_while_there_is_nothing(pack: Pack) -> None:
    content = pcap_bytes(PACKETS)
    stream = pack(content)
    chance = random.Random(1)
    reader, writer = os.pipe()
    os.write(writer, stream[:64])
    source = open_file(f"/dev/fd/{reader}", 0) if pack is bytes else None
    found, sent = [], 64
    while sent < len(stream):
        length = chance.randrange(1, 700)
        os.write(writer, stream[sent : sent + length])
        sent += length
        source = source or (open_file(f"/dev/fd/{reader}", 0) if sent > 300 else None)
        while source is not None and (batch := source.read()) is not None:
            assert source.fileno() >= 0
            found += packets_of(batch)
    assert source is not None
    if pack is bytes:
        assert found == PACKETS
    assert source.read() is None
    assert not source.ended
    os.close(writer)
    found += read_all(source)
    assert (found, source.warning) == (PACKETS, "")
    os.close(reader)


@pytest.mark.slow
@packings
def test_standard_input_is_a_source(pack: Pack) -> None:
    content = pcap_bytes(LARGE, nanoseconds=False)
    program = (
        "from engine.capture.sources import open_source\n"
        "source, count = open_source('-', 0), 0\n"
        "while not source.ended:\n"
        "    batch = source.read()\n"
        "    count += 0 if batch is None else len(batch.offsets)\n"
        "print(count, source.warning)"
    )
    stream = pack(content)
    run = subprocess.run([sys.executable, "-c", program], input=stream, capture_output=True, check=True)
    assert run.stdout.split() == [str(len(LARGE)).encode()]


def test_offsets_are_numbers_that_numpy_can_index_with(tmp_path: Path) -> None:
    batch = open_file(str(write_pcap(tmp_path / "x.pcap", PACKETS)), 0).read()
    assert batch is not None
    assert batch.offsets.dtype == np.int64
