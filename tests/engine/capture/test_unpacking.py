from __future__ import annotations

import os
import random
import resource
import struct
from pathlib import Path

import pytest

from engine.capture.bytestream import ByteStream
from engine.capture.files import open_file
from tests.support.packets import EPOCH_NS, Packet, pcap_bytes
from tests.support.packing import Pack, compressions, zstandard
from tests.support.reading import read_all

PACKETS = [Packet(EPOCH_NS + number, random.Random(number).randbytes(60), 60) for number in range(300)]
CONTENT = pcap_bytes(PACKETS)


def unpacked(path: Path, packed: bytes, piece: int = 700) -> tuple[bytes, str]:
    """What a stream of this content gives, and its complaint."""
    path.write_bytes(packed)
    stream, found, room = ByteStream(str(path)), b"", memoryview(bytearray(piece))
    stream.recognise()
    while got := stream.readinto(room):
        found += room[:got]
    stream.close()
    return found, stream.damage


@compressions
@pytest.mark.parametrize("piece", [1, 7, 700, 1 << 20])
def test_what_was_packed_comes_out_in_pieces_of_any_size(tmp_path: Path, form: str, pack: Pack, piece: int) -> None:
    assert unpacked(tmp_path / "x", pack(CONTENT), piece) == (CONTENT, "")


@compressions
def test_several_members_are_one_input(tmp_path: Path, form: str, pack: Pack) -> None:
    parts = [pack(CONTENT[at : at + 999]) for at in range(0, len(CONTENT), 999)]
    assert unpacked(tmp_path / "x", b"".join(parts) + bytes(512)) == (CONTENT, "")


def test_frames_of_zstd_that_hold_no_data_are_passed_over(tmp_path: Path) -> None:
    skippable = struct.pack("<II", 0x184D2A50, 4) + b"size"
    packed = skippable + zstandard(CONTENT[:5000]) + skippable + zstandard(CONTENT[5000:])
    assert unpacked(tmp_path / "x", packed) == (CONTENT, "")


@compressions
def test_a_cut_anywhere_gives_what_came_before_and_a_warning(tmp_path: Path, form: str, pack: Pack) -> None:
    packed = pack(CONTENT)
    for length in [*range(20, len(packed), 397), len(packed) - 1]:
        found, damage = unpacked(tmp_path / "x", packed[:length])
        assert CONTENT.startswith(found)
        assert damage == f"the {form} data ends in the middle"


@compressions
@pytest.mark.parametrize("seed", range(30))
def test_damage_never_raises(tmp_path: Path, form: str, pack: Pack, seed: int) -> None:
    packed = bytearray(pack(CONTENT))
    packed[random.Random(seed).randrange(4, len(packed))] ^= 0xFF
    found, damage = unpacked(tmp_path / "x", bytes(packed))
    assert damage or found != CONTENT or form == "gzip"


@compressions
def test_a_little_that_unpacks_to_a_lot_is_unpacked_bit_by_bit(tmp_path: Path, form: str, pack: Pack) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pack(CONTENT + bytes(300 << 20)))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stream, room, total = ByteStream(str(path)), memoryview(bytearray(1 << 20)), 0
    stream.recognise()
    while total < 100 << 20:
        total += stream.readinto(room)
    stream.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 64 << 10


@compressions
def test_frames_that_pack_well_leave_room_behind_them(tmp_path: Path, form: str, pack: Pack) -> None:
    packets = [Packet(EPOCH_NS + number, bytes(60_000)) for number in range(100)]
    path = tmp_path / "x.pcap"
    path.write_bytes(pack(pcap_bytes(packets)))
    assert [packet.frame for packet in read_all(open_file(str(path), 0))] == [packet.frame for packet in packets]


@compressions
def test_a_packed_pipe_is_ready_while_something_is_left_to_unpack(form: str, pack: Pack) -> None:
    reader, writer = os.pipe()
    os.write(writer, pack(bytes(200_000)))
    stream, room, total = ByteStream(f"/dev/fd/{reader}"), memoryview(bytearray(1000)), 0
    stream.recognise()
    while stream.ready():
        total += stream.readinto(room)
    assert total > 100_000
    os.close(writer)
    while got := stream.readinto(room):
        total += got
    assert (total, stream.damage) == (200_000, "")
    stream.close()
    os.close(reader)
