from __future__ import annotations

import ipaddress
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.capture.batch import Batch
from engine.capture.links import LINKS
from engine.capture.sources import open_source
from engine.counters import Drop
from engine.decode.columns import COLUMN_TYPES, Columns
from engine.decode.decode import decode
from engine.decode.ethernet import decode_ethernet
from engine.decode.general import GENERAL_FROM, decode_general
from engine.decode.scalar import decode_scalar
from tests.support.dpkt_decode import Seen, seen_by_dpkt
from tests.support.frames_at_random import random_packets
from tests.support.packets import (
    EPOCH_NS,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    SYN,
    TCP,
    UDP,
    Packet,
    batch_of,
    ethernet,
    extension,
    ipv4,
    ipv6,
    tcp,
    tcp_frame,
    udp,
    udp_frame,
)

A, B = ("10.0.0.1", 40000), ("10.0.0.2", 80)
A6, B6 = ("fd00::1", 40000), ("fd00::2", 80)
ENOUGH = 4 * GENERAL_FROM

Way = Callable[[memoryview, np.ndarray, int], Columns]


def whole_packets(seed: int, count: int, link_type: int = 1) -> Batch:
    return batch_of(random_packets(seed, count, damage=0.3, link_type=link_type), link_type=link_type)


def assert_equal(columns: Columns, others: Columns) -> None:
    for name in Columns._fields:
        ours, theirs = getattr(columns, name), getattr(others, name)
        assert ours.dtype == theirs.dtype, name
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def seen(batch: Batch, columns: Columns, row: int) -> Seen | None:
    """A row as the oracle would write it."""
    if columns.drop[row]:
        return None
    start, length = int(columns.payload_start[row]), int(columns.payload_length[row])
    return Seen(
        int(columns.protocol[row]),
        address(columns.source_high[row], columns.source_low[row]),
        int(columns.source_port[row]),
        address(columns.target_high[row], columns.target_low[row]),
        int(columns.target_port[row]),
        int(columns.flags[row]),
        int(columns.sequence[row]),
        int(columns.acknowledgement[row]),
        bytes(batch.buffer[start : start + length]),
        int(columns.payload_missing[row]),
    )


def address(high: np.uint64, low: np.uint64) -> str:
    whole = ipaddress.IPv6Address(int(high) << 64 | int(low))
    return str(whole.ipv4_mapped or whole)


@pytest.mark.parametrize("seed", range(30))
def test_columns_scalar_and_dpkt_agree(seed: int) -> None:
    packets = random_packets(seed, ENOUGH, damage=0.3)
    batch = batch_of(packets)
    columns = decode_ethernet(batch.buffer, batch.offsets)
    assert_equal(columns, decode_general(batch.buffer, batch.offsets, 1))
    assert_equal(columns, decode_scalar(batch.buffer, batch.offsets, 1))
    for row, packet in enumerate(packets):
        assert seen(batch, columns, row) == seen_by_dpkt(packet.frame, packet.wire_length or len(packet.frame)), row


@pytest.mark.parametrize("link_type", sorted(LINKS))
@pytest.mark.parametrize("seed", range(3))
def test_columns_and_scalar_agree_on_every_link_type(link_type: int, seed: int) -> None:
    batch = whole_packets(seed, ENOUGH, link_type)
    columns = decode_general(batch.buffer, batch.offsets, link_type)
    assert_equal(columns, decode_scalar(batch.buffer, batch.offsets, link_type))
    assert np.count_nonzero(columns.drop == 0) > ENOUGH // 4


@pytest.mark.parametrize("link_type", sorted({*LINKS, 147}))
@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_become_rows_that_lie_within_their_frames(link_type: int, seed: int) -> None:
    chance = random.Random(seed)
    packets = [Packet(EPOCH_NS, chance.randbytes(chance.randrange(120)), chance.randrange(300)) for _ in range(ENOUGH)]
    batch = batch_of(packets, link_type=link_type)
    columns = decode(batch)
    assert_equal(columns, decode_scalar(batch.buffer, batch.offsets, link_type))
    good = columns.drop == 0
    assert np.count_nonzero(good) + np.count_nonzero(columns.drop) == len(packets)
    assert {Drop(code) for code in columns.drop.tolist()} <= set(Drop)
    ends = columns.payload_start + columns.payload_length
    assert (ends <= batch.offsets + 16 + columns.captured_length)[good].all()
    assert (columns.payload_length >= 0).all()
    assert (columns.payload_missing >= 0).all()


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 49, 50, 51, 400])
@pytest.mark.parametrize("link_type", [1, 101])
def test_the_size_of_a_batch_makes_no_difference(count: int, link_type: int) -> None:
    batch = whole_packets(count, count, link_type)
    columns = decode(batch)
    assert_equal(columns, decode_scalar(batch.buffer, batch.offsets, link_type))
    arrays: list[np.ndarray] = [getattr(columns, name) for name in Columns._fields]
    assert [array.dtype.str[1:] for array in arrays] == list(COLUMN_TYPES)
    assert all(array.flags.c_contiguous and len(array) == count for array in arrays)


FRAME4 = tcp_frame(A, B, payload=b"hello")
UDP4 = udp(A, B, b"question")

DROPS = {
    "arp": (ethernet(ETHERTYPE_ARP, bytes(46)), Drop.NOT_IP),
    "nine VLAN tags": (tcp_frame(A, B, vlans=range(9)), Drop.NOT_IP),
    "half an Ethernet header": (FRAME4[:13], Drop.BAD_HEADER),
    "icmp": (ethernet(ETHERTYPE_IPV4, ipv4(A[0], B[0], 1, bytes(8))), Drop.UNSUPPORTED_TRANSPORT),
    "sctp over IPv6": (ethernet(ETHERTYPE_IPV6, ipv6(A6[0], B6[0], 132, bytes(12))), Drop.UNSUPPORTED_TRANSPORT),
    "IP version 5": (FRAME4[:14] + b"\x55" + FRAME4[15:], Drop.BAD_HEADER),
    "IP header of 16 bytes": (FRAME4[:14] + b"\x44" + FRAME4[15:], Drop.BAD_HEADER),
    "IP length inside its own header": (FRAME4[:16] + b"\0\x13" + FRAME4[18:], Drop.BAD_HEADER),
    "IP length inside the TCP header": (FRAME4[:16] + b"\0\x27" + FRAME4[18:], Drop.BAD_HEADER),
    "TCP header of 16 bytes": (FRAME4[:46] + b"\x40" + FRAME4[47:], Drop.BAD_HEADER),
    "TCP options behind the end": (FRAME4[:46] + b"\xf0" + FRAME4[47:], Drop.BAD_HEADER),
    "UDP length of 7": (
        ethernet(ETHERTYPE_IPV4, ipv4(A[0], B[0], UDP, UDP4[:4] + b"\0\7" + UDP4[6:])),
        Drop.BAD_HEADER,
    ),
    "UDP longer than IP": (
        ethernet(ETHERTYPE_IPV4, ipv4(A[0], B[0], UDP, UDP4[:4] + b"\0\xff" + UDP4[6:])),
        Drop.BAD_HEADER,
    ),
    "first fragment": (ethernet(ETHERTYPE_IPV4, ipv4(A[0], B[0], UDP, UDP4, fragment=0x2000)), Drop.FRAGMENT),
    "last fragment": (ethernet(ETHERTYPE_IPV4, ipv4(A[0], B[0], UDP, UDP4, fragment=0x0010)), Drop.FRAGMENT),
    "IPv6 fragment": (
        ethernet(ETHERTYPE_IPV6, ipv6(A6[0], B6[0], 44, bytes([UDP, 0, 0, 1, 0, 0, 0, 9]) + udp(A6, B6, b"x"))),
        Drop.FRAGMENT,
    ),
    "authentication header": (
        ethernet(ETHERTYPE_IPV6, ipv6(A6[0], B6[0], 51, extension(UDP, 22) + udp(A6, B6, b"x"))),
        Drop.EXTENSION_HEADER,
    ),
    "seventeen extension headers": (
        ethernet(ETHERTYPE_IPV6, ipv6(A6[0], B6[0], 60, extension(60) * 16 + extension(UDP) + udp(A6, B6, b"x"))),
        Drop.EXTENSION_HEADER,
    ),
    "extension header behind the end": (
        ethernet(ETHERTYPE_IPV6, ipv6(A6[0], B6[0], 0, bytes([UDP, 200]) + bytes(6))),
        Drop.BAD_HEADER,
    ),
}


@pytest.mark.parametrize("way", [decode_scalar, decode_general])
@pytest.mark.parametrize(("frame", "reason"), DROPS.values(), ids=DROPS.keys())
def test_what_cannot_be_used_has_a_reason(way: Way, frame: bytes, reason: Drop) -> None:
    batch = batch_of([Packet(EPOCH_NS, frame)])
    columns = way(batch.buffer, batch.offsets, batch.link_type)
    assert Drop(int(columns.drop[0])) is reason
    assert columns.captured_length[0] == columns.wire_length[0] == len(frame)
    assert columns.timestamp_ns[0] == EPOCH_NS


ROWS = {
    "IPv4": tcp_frame(A, B, sequence=7, acknowledgement=9, flags=SYN, payload=b"hello"),
    "padding": tcp_frame(A, B, sequence=7, acknowledgement=9, flags=SYN, payload=b"hello", pad=True),
    "TCP options": tcp_frame(A, B, sequence=7, acknowledgement=9, flags=SYN, payload=b"hello", options=b"\1" * 40),
    "a VLAN tag": tcp_frame(A, B, sequence=7, acknowledgement=9, flags=SYN, payload=b"hello", vlans=[7]),
    "two VLAN tags": tcp_frame(A, B, sequence=7, acknowledgement=9, flags=SYN, payload=b"hello", vlans=[7, 8]),
    "three VLAN tags": tcp_frame(A, B, sequence=7, acknowledgement=9, flags=SYN, payload=b"hello", vlans=[7, 8, 9]),
    "ECN bits": tcp_frame(A, B, sequence=7, acknowledgement=9, flags=SYN | 0xC0, payload=b"hello"),
    "IPv4 options": ethernet(
        ETHERTYPE_IPV4,
        ipv4(
            A[0],
            B[0],
            TCP,
            tcp(A, B, sequence=7, acknowledgement=9, flags=SYN, payload=b"hello"),
            options=b"\1" * 40,
        ),
        pad=True,
    ),
}


@pytest.mark.parametrize("way", [decode_scalar, decode_general])
@pytest.mark.parametrize("frame", ROWS.values(), ids=ROWS.keys())
def test_a_row_holds_what_the_headers_say(way: Way, frame: bytes) -> None:
    batch = batch_of([Packet(EPOCH_NS, frame)])
    columns = way(batch.buffer, batch.offsets, batch.link_type)
    assert seen(batch, columns, 0) == Seen(6, *A, *B, SYN, 7, 9, b"hello", 0)


@pytest.mark.parametrize("way", [decode_scalar, decode_general])
def test_extension_headers_are_walked(way: Way) -> None:
    payload = extension(43, 14) + extension(60, 6) + extension(UDP, 62) + udp(A6, B6, b"question")
    batch = batch_of([Packet(EPOCH_NS, ethernet(ETHERTYPE_IPV6, ipv6(A6[0], B6[0], 0, payload)))])
    assert seen(batch, way(batch.buffer, batch.offsets, 1), 0) == Seen(17, *A6, *B6, 0, 0, 0, b"question", 0)


@pytest.mark.parametrize("way", [decode_scalar, decode_general])
@pytest.mark.parametrize("family", [(A, B), (A6, B6)], ids=["IPv4", "IPv6"])
def test_a_snap_length_cuts_the_payload_or_drops_the_packet(
    way: Way, family: tuple[tuple[str, int], tuple[str, int]]
) -> None:
    frame = tcp_frame(*family, payload=b"0123456789", options=b"\1" * 4, vlans=[5])
    headers = len(frame) - 10
    for snaplen in range(1, len(frame)):
        batch = batch_of([Packet(EPOCH_NS, frame)], snaplen=snaplen)
        columns = way(batch.buffer, batch.offsets, 1)
        if snaplen < headers:
            assert Drop(int(columns.drop[0])) is Drop.CUT_BY_SNAPLEN, snaplen
        else:
            row = seen(batch, columns, 0)
            assert row is not None
            assert (row.payload, row.missing) == (b"0123456789"[: snaplen - headers], len(frame) - snaplen)


def test_a_length_left_to_segmentation_offload_is_the_frames() -> None:
    four = bytearray(tcp_frame(A, B, payload=b"x" * 3000))
    six = bytearray(tcp_frame(A6, B6, payload=b"x" * 3000))
    four[16:18] = six[18:20] = b"\0\0"
    columns = decode(batch_of([Packet(EPOCH_NS, bytes(four)), Packet(EPOCH_NS, bytes(six))] * ENOUGH))
    assert not columns.drop.any()
    assert set(columns.payload_length.tolist()) == {3000}


def test_an_unknown_link_type_is_a_reason() -> None:
    for count in (3, ENOUGH):
        columns = decode(batch_of([Packet(EPOCH_NS, udp_frame(A, B, b"x"))] * count, link_type=147))
        assert columns.drop.tolist() == [Drop.UNKNOWN_LINK_TYPE] * count


CORPUS = os.environ.get("REMORA_CORPUS", "")


@pytest.mark.skipif(not CORPUS, reason="set REMORA_CORPUS to a capture corpus")
@pytest.mark.parametrize("path", sorted(Path(CORPUS or "/nonexistent").glob("*/*.pcap")), ids=lambda path: path.stem)
def test_every_capture_of_the_corpus_decodes_alike_in_every_way(path: Path) -> None:
    source = open_source(str(path), 0)
    packets = 0
    while not source.ended:
        batch = source.read()
        if batch is None:
            continue
        packets += len(batch.offsets)
        columns = decode(batch)
        assert_equal(columns, decode_scalar(batch.buffer, batch.offsets, batch.link_type))
        assert_equal(columns, decode_general(batch.buffer, batch.offsets, batch.link_type))
    assert packets
