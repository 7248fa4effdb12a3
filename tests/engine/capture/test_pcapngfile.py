from __future__ import annotations

import gzip
import os
import random
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import dpkt
import numpy as np
import pytest

from engine.capture.files import CaptureFile, open_file
from engine.capture.pacing import PacedSource
from engine.capture.pcapngblocks import Interface
from engine.capture.pcapngfile import LONGEST_BLOCK_BYTES, PcapngFile
from engine.capture.pcapngpackets import times
from engine.capture.window import CHUNK_BYTES
from engine.errors import CaptureError
from tests.support import pcapng
from tests.support.packets import EPOCH_NS, Packet, write_pcap
from tests.support.packing import Pack, packings
from tests.support.reading import batches, packets_of, read_all


def some_packets(count: int, seed: int = 0, longest: int = 300) -> list[Packet]:
    chance = random.Random(seed)
    packets = []
    for number in range(count):
        frame = chance.randbytes(chance.randrange(longest))
        packets.append(Packet(EPOCH_NS + number * 1_000_003_001, frame, len(frame) + chance.randrange(9)))
    return packets


PACKETS = some_packets(40)
LARGE = some_packets(6000, longest=2000)
"""About 6 MB: several chunks."""
ORDERS = pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])


def opened(tmp_path: Path, content: bytes, start: int = 0) -> PcapngFile:
    path = tmp_path / "x.pcapng"
    path.write_bytes(content)
    source = open_file(str(path), 3, start=start)
    assert isinstance(source, PcapngFile)
    return source


def assorted(order: str, seed: int = 0) -> bytes:
    """``PACKETS`` in enhanced and old blocks of two interfaces, and between them blocks and options of every kind."""
    chance = random.Random(seed)
    others = [
        pcapng.name_block(order),
        pcapng.secrets_block(b"CLIENT_RANDOM 00 11", order),
        pcapng.block(5, bytes(24), order),
        pcapng.block(0x0BAD, b"custom", order),
        pcapng.block(0x40000001, b"", order),
        pcapng.interface(order, options=pcapng.option(2, b"eth0", order)),
    ]
    parts = [pcapng.section(order, pcapng.option(4, b"a program", order)), pcapng.interface(order)]
    parts.append(pcapng.interface(order, resolution=None))
    for packet in PACKETS:
        parts.append(chance.choice([b"", b"", chance.choice(others)]))
        comment = pcapng.option(1, b"a comment", order) + bytes(4)
        parts.append(
            chance.choice(
                [
                    pcapng.enhanced(packet, order),
                    pcapng.enhanced(packet, order, more=comment),
                    pcapng.old(packet, order),
                ]
            )
        )
    return b"".join(parts)


@ORDERS
@pytest.mark.parametrize("seed", range(5))
def test_packets_come_out_whatever_lies_between_them(tmp_path: Path, order: str, seed: int) -> None:
    source = opened(tmp_path, assorted(order, seed))
    assert read_all(source) == PACKETS
    assert source.warning == ""


def test_the_order_of_bytes_and_the_interfaces_change_with_the_section(tmp_path: Path) -> None:
    content = pcapng.pcapng_bytes(PACKETS[:10], ">") + pcapng.pcapng_bytes(PACKETS[10:], "<")
    assert read_all(opened(tmp_path, content)) == PACKETS


@ORDERS
@packings
def test_a_block_may_lie_across_two_chunks(tmp_path: Path, order: str, pack: Pack) -> None:
    content = pcapng.pcapng_bytes(LARGE, order)
    assert len(content) > 2 * CHUNK_BYTES
    assert read_all(opened(tmp_path, pack(content))) == LARGE


def test_simple_packets_are_cut_to_the_snap_length_and_have_the_time_of_the_packet_before(tmp_path: Path) -> None:
    frames = [Packet(0, bytes([number]) * (60 + number), 90) for number in range(9)]
    first = Packet(EPOCH_NS + 5, b"first", 5)
    parts = [pcapng.section(), pcapng.interface(snaplen=55), pcapng.simple(frames[0]), pcapng.enhanced(first)]
    parts += [pcapng.simple(frame) for frame in frames[1:]] + [pcapng.enhanced(first)]
    found = read_all(opened(tmp_path, b"".join(parts)))
    cut = [Packet(first.timestamp_ns, frame.frame[:55], 90) for frame in frames]
    assert found == [cut[0]._replace(timestamp_ns=0), first, *cut[1:], first]


def test_simple_packets_alone_fill_many_chunks(tmp_path: Path) -> None:
    packets = [Packet(0, number.to_bytes(2, "big") * 700, 1400) for number in range(4000)]
    content = pcapng.section() + pcapng.interface() + b"".join(map(pcapng.simple, packets))
    assert read_all(opened(tmp_path, content)) == packets


def test_a_batch_is_of_one_link_type(tmp_path: Path) -> None:
    kinds = [0, 0, 1, 1, 1, 0, 2]
    parts = [pcapng.section(), *(pcapng.interface(link_type=number) for number in (1, 101, 113))]
    parts += [pcapng.enhanced(packet, number=kind) for packet, kind in zip(PACKETS, kinds, strict=False)]
    source = opened(tmp_path, b"".join(parts))
    found = [(batch.link_type, packets_of(batch)) for batch in batches(source)]
    assert found == [(1, PACKETS[:2]), (101, PACKETS[2:5]), (1, PACKETS[5:6]), (113, PACKETS[6:7])]


def test_what_cannot_be_decoded_is_counted_in_the_warning(tmp_path: Path) -> None:
    parts = [pcapng.section(), pcapng.interface(), pcapng.interface(link_type=105)]
    parts += [pcapng.enhanced(packet, number=number) for packet, number in zip(PACKETS, (0, 1, 1, 2, 0), strict=False)]
    source = opened(tmp_path, b"".join(parts))
    assert read_all(source) == [PACKETS[0], PACKETS[1], PACKETS[2], PACKETS[4]]
    assert "2 packets are of link type 105, which is not decoded" in source.warning
    assert "1 packets of interfaces that the file does not describe were left out" in source.warning


# ---- time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resolution", [0, 3, 6, 7, 9, 10, 12, 19, 127, 0x80, 0x80 | 20, 0x80 | 32, 0x80 | 60, 0xFF])
def test_timestamps_are_exact_to_the_nanosecond(resolution: int) -> None:
    chance = random.Random(resolution)
    per_s = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    ticks = [min(chance.randrange(2**32) * per_s + chance.randrange(per_s), 2**64 - 1) for _ in range(100)]
    seconds, ns = times(np.array(ticks, np.uint64), Interface(1, 0, per_s, 0))
    exact = [divmod(int(Fraction(tick, per_s) * 10**9), 10**9) for tick in ticks]
    assert list(zip(seconds.tolist(), ns.tolist(), strict=True)) == exact


@ORDERS
@pytest.mark.parametrize(
    ("offset_s", "seconds"),
    [(1000, 1050), (-40, 10), (-51, 0), (2**62, 2**32 - 1), (2**63 - 1, 2**32 - 1), (-(2**63), 0)],
)
def test_an_offset_is_added_and_absurd_times_are_held_in_bounds(
    tmp_path: Path, order: str, offset_s: int, seconds: int
) -> None:
    content = pcapng.section(order) + pcapng.interface(order, resolution=None, offset_s=offset_s)
    content += pcapng.enhanced(PACKETS[0], order, ticks=50_000_007)
    assert [packet.timestamp_ns for packet in read_all(opened(tmp_path, content))] == [seconds * 10**9 + 7000]


@pytest.mark.parametrize("resolution", [0, 6, 9, 0xFF], ids=str)
def test_the_largest_timestamp_is_held_in_bounds(tmp_path: Path, resolution: int) -> None:
    content = pcapng.section() + pcapng.interface(resolution=resolution, offset_s=2**63 - 1)
    content += pcapng.enhanced(PACKETS[0], ticks=2**64 - 1)
    (packet,) = read_all(opened(tmp_path, content))
    assert packet.timestamp_ns // 10**9 == 2**32 - 1


# ---- names and secrets --------------------------------------------------------------------------------------------


@ORDERS
def test_names_and_secrets_are_kept_and_secrets_show_in_no_text(tmp_path: Path, order: str) -> None:
    source = opened(tmp_path, pcapng.section(order) + pcapng.name_block(order) + pcapng.secrets_block(b"hush", order))
    assert read_all(source) == []
    assert source.names == {"10.0.0.1": "one", "::1": "six"}
    assert [(one.kind, one.data) for one in source.secrets] == [(0x544C534B, b"hush")]
    assert "hush" not in repr(source.secrets)


# ---- going on -----------------------------------------------------------------------------------------------------


def two_kinds(packets: list[Packet]) -> bytes:
    """Two interfaces of different link types, changing now and then; simple packets; two sections."""
    parts = []
    for number, packet in enumerate(packets):
        if number % 2500 == 0:
            parts += [pcapng.section("<>"[number % 2]), pcapng.interface(), pcapng.interface(link_type=101)]
        parts.append(pcapng.enhanced(packet, number=number // 100 % 2))
    return b"".join(parts)


def test_reading_goes_on_where_a_batch_ended(tmp_path: Path) -> None:
    content, seen = two_kinds(LARGE), 0
    for number, batch in enumerate(batches(opened(tmp_path, content))):
        seen += len(batch.offsets)
        if number % 9 == 0:
            assert read_all(open_file(str(tmp_path / "x.pcapng"), 0, start=batch.resume)) == LARGE[seen:]
    assert seen == len(LARGE)


def test_reading_goes_on_inside_a_paced_batch(tmp_path: Path) -> None:
    content = pcapng.pcapng_bytes(PACKETS)
    now = iter(np.arange(0.0, 100.0, 0.7).tolist())
    source, seen = PacedSource(opened(tmp_path, content), lambda: next(now)), 0
    for batch in batches(source):
        seen += len(packets_of(batch))
        assert read_all(open_file(str(tmp_path / "x.pcapng"), 0, start=batch.resume)) == PACKETS[seen:]
    assert seen == len(PACKETS)


# ---- damage -------------------------------------------------------------------------------------------------------


def test_a_truncated_file_gives_what_is_whole_and_a_warning(tmp_path: Path) -> None:
    packets = some_packets(3, longest=20)
    head = pcapng.section() + pcapng.interface()
    blocks = [pcapng.enhanced(packet) for packet in packets]
    content = head + b"".join(blocks)
    ends = {len(head) + sum(map(len, blocks[:count])): count for count in range(4)}
    whole = 0
    for length in range(len(head), len(content) + 1):
        whole = ends.get(length, whole)
        source = opened(tmp_path, content[:length])
        assert read_all(source) == packets[:whole]
        assert bool(source.warning) == (length not in ends)


def patched(block: bytes, at: int, value: bytes) -> bytes:
    return block[:at] + value + block[at + len(value) :]


GOOD = pcapng.enhanced(PACKETS[0])
DAMAGE = {
    "a length of nothing": (patched(GOOD, 4, bytes(4)), "a length of 0"),
    "a length of 4 GB": (patched(GOOD, 4, b"\xff" * 4), "a length of 4294967295"),
    "a length that is not repeated": (patched(GOOD, len(GOOD) - 4, b"\xff" * 4), "contradicts itself"),
    "a frame longer than its block": (patched(GOOD, 20, b"\xff\xff"), "contradicts itself"),
    "a second section of no order": (pcapng.block(0x0A0D0D0A, bytes(16)), "no byte order"),
    "a second section of version 2": (patched(pcapng.section(), 12, b"\2"), "pcapng version 1, found version 2.0"),
    "an interface without a body": (pcapng.block(1, b""), "a length of 12"),
    "an unknown block of 4 GB": (
        patched(pcapng.block(0x77, bytes(8)), 4, b"\xf0\xff\xff\xff"),
        "more bytes of a block",
    ),
    "a description that does not repeat its length": (
        patched(pcapng.interface(), 4, b"\x14\0\0\0"),
        "repeats its length",
    ),
    "zeros": (bytes(64), "a length of 0"),
}


@pytest.mark.parametrize(("bad", "complaint"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_ends_the_source_with_a_warning(tmp_path: Path, bad: bytes, complaint: str) -> None:
    good = pcapng.pcapng_bytes(LARGE[:3000])
    source = opened(tmp_path, good + bad + GOOD)
    assert len(read_all(source)) == 3000
    assert complaint in source.warning
    assert source.warning.endswith("; what came before it stands") or "passed over" in source.warning
    assert f"{source.name}: offset {len(good)}: " in source.warning or "passed over" in source.warning


def test_a_long_block_of_no_interest_is_passed_over(tmp_path: Path) -> None:
    long = pcapng.block(0x0BAD, bytes(3 * LONGEST_BLOCK_BYTES))
    content = pcapng.pcapng_bytes(PACKETS[:20]) + long + b"".join(map(pcapng.enhanced, PACKETS[20:]))
    source = opened(tmp_path, content)
    assert read_all(source) == PACKETS
    assert source.warning == f"{source.name}: 1 blocks that are longer than 1 MiB were passed over"


@pytest.mark.parametrize("seed", range(60))
def test_damage_anywhere_never_raises_and_always_ends(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    content = bytearray(assorted("<>"[seed % 2], seed))
    for _ in range(chance.randrange(1, 9)):
        content[chance.randrange(28, len(content))] = chance.choice([0, 255, chance.randrange(256)])
    read_all(opened(tmp_path, bytes(content[: chance.randrange(28, len(content))] if seed & 4 else content)))


REFUSED = {
    "half a header": (pcapng.section()[:20], "a pcapng section header of 28 bytes, got a file of 20 bytes"),
    "no byte order": (b"\n\r\r\n" + bytes(40), "a pcapng section header, got a block that begins with 0a 0d 0d 0a"),
    "version 2": (patched(pcapng.section(), 12, b"\2"), "pcapng version 1, got version 2.0"),
    "a gzip header": (gzip.compress(pcapng.section())[:20], "the gzip data ends in the middle"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_pcapng_is_refused_with_a_reason(tmp_path: Path, content: bytes, message: str) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(CaptureError) as refusal:
        opened(tmp_path, content)
    assert message in str(refusal.value)
    assert len(os.listdir("/proc/self/fd")) == descriptors


# ---- pipes --------------------------------------------------------------------------------------------------------


def test_a_pipe_gives_what_is_there_and_nothing_while_there_is_nothing() -> None:
    content, chance, found = assorted("<"), random.Random(1), list[Packet]()
    reader, writer = os.pipe()
    os.write(writer, content[:30])
    source, sent = open_file(f"/dev/fd/{reader}", 0), 30
    while sent < len(content):
        length = chance.randrange(1, 300)
        os.write(writer, content[sent : sent + length])
        sent += length
        found += _there(source)
    assert found == PACKETS
    assert not source.ended
    os.close(writer)
    assert read_all(source) == []
    os.close(reader)


def test_what_came_with_the_header_does_not_wait_for_more() -> None:
    reader, writer = os.pipe()
    os.write(writer, pcapng.pcapng_bytes(PACKETS[:3]))
    source = open_file(f"/dev/fd/{reader}", 0)
    assert _there(source) == PACKETS[:3]
    source.close()
    os.close(writer)
    os.close(reader)


def _there(source: CaptureFile) -> list[Packet]:
    found: list[Packet] = []
    while (batch := source.read()) is not None:
        found += packets_of(batch)
    return found


# ---- other readers ------------------------------------------------------------------------------------------------


@ORDERS
def test_packets_are_those_that_dpkt_reads(tmp_path: Path, order: str) -> None:
    content = pcapng.pcapng_bytes(LARGE[:500], order)
    source = opened(tmp_path, content)
    with (tmp_path / "x.pcapng").open("rb") as file:
        theirs = [frame for _, frame in dpkt.pcapng.Reader(file)]
    assert [packet.frame for packet in read_all(source)] == theirs


@pytest.mark.skipif(not shutil.which("editcap"), reason="editcap (wireshark-common) is not installed")
@pytest.mark.slow
def test_packets_are_those_that_editcap_wrote(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "x.pcap", LARGE)
    subprocess.run(["editcap", "-F", "pcapng", path, tmp_path / "y.pcapng"], check=True)
    source = open_file(str(tmp_path / "y.pcapng"), 0)
    assert isinstance(source, PcapngFile)
    assert read_all(source) == LARGE
