from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from engine.capture.batch import Batch
from engine.capture.ring import BLOCK_BYTES, give_back, is_ours, packets_of, padded, write_cooked_records, write_records
from tests.support.packets import EPOCH_NS, Packet
from tests.support.reading import packets_of as packets_in_batch

VLAN_VALID, TPID_VALID = 1 << 4, 1 << 6
SECOND = EPOCH_NS // 1_000_000_000


def put_packet(ring: bytearray, at: int, frame: bytes, wire: int, status: int = 0, tci: int = 0, tpid: int = 0) -> int:
    """Write a packet as the kernel does; where the next one begins."""
    start = 96 - 14
    following = (start + len(frame) + 15) // 16 * 16
    struct.pack_into("<IIIIIIHHIIH", ring, at, following, SECOND, 5, len(frame), wire, status, start, 96, 0, tci, tpid)
    ring[at + start : at + start + len(frame)] = frame
    return at + following


def put_block(ring: bytearray, block: int, count: int) -> int:
    """Write a block's header; where its first packet begins."""
    struct.pack_into("<IIIII", ring, block * BLOCK_BYTES, 1, 48, 1, count, 48)
    return block * BLOCK_BYTES + 48


def records(ring: bytearray, block: int) -> list[Packet]:
    view = memoryview(ring)
    offsets, end = write_records(view, np.array(packets_of(view, block), np.int64))
    buffer, offsets, end = padded(view, offsets, end)
    return packets_in_batch(Batch(buffer, offsets, end, False, 1, 0, -1))


@pytest.mark.parametrize("seed", range(10))
def test_frames_become_records_and_tags_go_back_in(seed: int) -> None:
    chance, ring, expected = random.Random(seed), bytearray(2 * BLOCK_BYTES), []
    at = put_block(ring, 1, 50)
    for _ in range(50):
        frame = chance.randbytes(chance.randrange(14, 200))
        wire, tci = len(frame) + chance.randrange(5), chance.randrange(65536)
        status, tag = chance.choice(
            [
                (0, b""),
                (VLAN_VALID, struct.pack(">HH", 0x8100, tci)),
                (VLAN_VALID | TPID_VALID, struct.pack(">HH", 0x88A8, tci)),
            ]
        )
        at = put_packet(ring, at, frame, wire, status, tci, 0x88A8)
        expected.append(Packet(SECOND * 1_000_000_000 + 5, frame[:12] + tag + frame[12:], wire + len(tag)))
    assert records(ring, 1) == expected


@pytest.mark.parametrize("seed", range(10))
def test_packets_of_all_interfaces_get_a_cooked_header(seed: int) -> None:
    chance, ring, expected = random.Random(seed), bytearray(2 * BLOCK_BYTES), []
    at = put_block(ring, 1, 50)
    for _ in range(50):
        payload, tci = chance.randbytes(chance.randrange(200)), chance.randrange(65536)
        protocol, index, kind, way = (chance.randrange(65536) for _ in range(4))
        mac = chance.randbytes(8)
        status, tag = chance.choice([(0, b""), (VLAN_VALID | TPID_VALID, struct.pack(">HH", tci, protocol))])
        here = at
        at = put_packet(ring, here, bytes(14) + payload, len(payload) + 5, status, tci, 0x88A8)
        struct.pack_into("<I", ring, here + 12, len(payload))
        struct.pack_into("<H", ring, here + 24, 96)  # the frame begins with the network header
        struct.pack_into("<H", ring, here + 48, 17)
        struct.pack_into(">H", ring, here + 50, protocol)
        struct.pack_into("<iHBB", ring, here + 52, index, kind, way % 8, 6)
        ring[here + 60 : here + 68] = mac
        cooked = struct.pack(">HHIHBB", 0x88A8 if tag else protocol, 0, index, kind, way % 8, 6) + mac
        frame = cooked + tag + payload
        expected.append(Packet(SECOND * 1_000_000_000 + 5, frame, len(frame) + 5))
    view = memoryview(ring)
    offsets, end = write_cooked_records(view, np.array(packets_of(view, 1), np.int64))
    buffer, offsets, end = padded(view, offsets, end)
    assert packets_in_batch(Batch(buffer, offsets, end, False, 276, 0, -1)) == expected


def test_a_longer_frame_than_a_pcap_may_hold_is_cut() -> None:
    ring = bytearray(BLOCK_BYTES)
    put_packet(ring, put_block(ring, 0, 1), bytes(400_000), 400_000)
    (packet,) = records(ring, 0)
    assert (len(packet.frame), packet.wire_length) == (262_140, 400_000)


def test_records_at_the_very_end_of_the_ring_are_padded() -> None:
    ring = bytearray(BLOCK_BYTES)
    put_block(ring, 0, 3)
    at, frames = BLOCK_BYTES - 5 * 96, [bytes([number]) * 14 for number in range(3)]
    struct.pack_into("<I", ring, 16, at)
    for frame in frames:
        at = put_packet(ring, at, frame, 14)
    assert [packet.frame for packet in records(ring, 0)] == frames


def test_a_block_is_ours_until_it_is_given_back() -> None:
    ring = bytearray(2 * BLOCK_BYTES)
    put_block(ring, 1, 0)
    view = memoryview(ring)
    assert [is_ours(view, 0), is_ours(view, 1)] == [False, True]
    give_back(view, 1)
    assert not is_ours(view, 1)
