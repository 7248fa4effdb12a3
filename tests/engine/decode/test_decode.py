from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from engine.capture.batch import Batch
from engine.capture.links import LINKS
from engine.capture.sources import open_source
from engine.counters import Counters, Drop
from engine.decode.columns import COLUMN_TYPES, FRAGMENT, Columns
from engine.decode.decode import Decoder, decode
from engine.decode.ethernet import decode_ethernet
from engine.decode.general import GENERAL_FROM, decode_general
from engine.decode.scalar import decode_scalar
from tests.support.decoding import SlowDecoder, Way, assert_equal, seen, seen_in
from tests.support.dpkt_decode import Seen, seen_by_dpkt
from tests.support.frames_at_random import random_packets
from tests.support.packets import (
    ACK,
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


def whole_packets(seed: int, count: int, link_type: int = 1) -> Batch:
    return batch_of(random_packets(seed, count, damage=0.3, link_type=link_type), link_type=link_type)


@pytest.mark.parametrize("seed", range(30))
def test_columns_scalar_and_dpkt_agree(seed: int) -> None:
    packets = random_packets(seed, ENOUGH, damage=0.3)
    batch = batch_of(packets)
    columns = decode_ethernet(batch.buffer, batch.offsets)
    assert_equal(columns, decode_general(batch.buffer, batch.offsets, 1))
    assert_equal(columns, decode_scalar(batch.buffer, batch.offsets, 1))
    for row, packet in enumerate(packets):
        assert seen_in(batch, columns, row) == seen_by_dpkt(packet.frame, packet.wire_length or len(packet.frame)), row


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
    columns, payloads = Decoder(Counters()).decode(batch)
    assert_equal(columns, SlowDecoder().decode(batch).columns)
    good = columns.drop == 0
    assert np.count_nonzero(good) + np.count_nonzero(columns.drop) == len(packets)
    assert {Drop(code) for code in columns.drop.tolist()} <= set(Drop)
    ends = columns.payload_start + columns.payload_length
    assert (ends <= len(payloads))[good].all()
    own = good & (columns.flags < FRAGMENT)
    assert (columns.payload_start >= batch.offsets + 16)[own].all()
    assert (ends <= batch.offsets + 16 + columns.captured_length)[own].all()
    assert (columns.payload_length >= 0).all()
    assert (columns.payload_missing >= 0).all()


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 49, 50, 51, 400])
@pytest.mark.parametrize("link_type", [1, 101])
def test_the_size_of_a_batch_makes_no_difference(count: int, link_type: int) -> None:
    batch = whole_packets(count, count, link_type)
    columns = decode(batch)
    assert_equal(columns, SlowDecoder().decode(batch).columns)
    arrays: list[np.ndarray] = [getattr(columns, name) for name in Columns._fields]
    assert [array.dtype.str[1:] for array in arrays] == list(COLUMN_TYPES)
    assert all(array.flags.c_contiguous and len(array) == count for array in arrays)


FRAME4 = tcp_frame(A, B, payload=b"hello")
UDP4 = udp(A, B, b"question")

DROPS = {
    "arp": (ethernet(ETHERTYPE_ARP, bytes(46)), Drop.NOT_IP),
    "half an Ethernet header": (FRAME4[:13], Drop.BAD_HEADER),
    "OSPF": (ethernet(ETHERTYPE_IPV4, ipv4(A[0], B[0], 89, bytes(44))), Drop.UNSUPPORTED_TRANSPORT),
    "encrypted (ESP)": (ethernet(ETHERTYPE_IPV6, ipv6(A6[0], B6[0], 50, bytes(12))), Drop.UNSUPPORTED_TRANSPORT),
    "ICMP of 7 bytes": (ethernet(ETHERTYPE_IPV4, ipv4(A[0], B[0], 1, bytes(7))), Drop.BAD_HEADER),
    "SCTP of 11 bytes": (ethernet(ETHERTYPE_IPV6, ipv6(A6[0], B6[0], 132, bytes(11))), Drop.BAD_HEADER),
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
    "nine VLAN tags": tcp_frame(A, B, sequence=7, acknowledgement=9, flags=SYN, payload=b"hello", vlans=range(9)),
    "authentication header": ethernet(
        ETHERTYPE_IPV4,
        ipv4(
            A[0],
            B[0],
            51,
            bytes([TCP, 4]) + bytes(22) + tcp(A, B, sequence=7, acknowledgement=9, flags=SYN, payload=b"hello"),
        ),
    ),
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
    assert seen_in(batch, columns, 0) == Seen(6, *A, *B, SYN, 7, 9, b"hello", 0)


@pytest.mark.parametrize("way", [decode_scalar, decode_general])
def test_extension_headers_are_walked(way: Way) -> None:
    payload = extension(43, 14) + extension(60, 6) + extension(51, 62) + bytes([44, 5]) + bytes(26)
    payload += extension(UDP)[:2] + bytes(6) + udp(A6, B6, b"question")
    batch = batch_of([Packet(EPOCH_NS, ethernet(ETHERTYPE_IPV6, ipv6(A6[0], B6[0], 0, payload)))])
    assert seen_in(batch, way(batch.buffer, batch.offsets, 1), 0) == Seen(17, *A6, *B6, 0, 0, 0, b"question", 0)


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
        if snaplen < headers - 4:  # the options of TCP may be cut
            assert Drop(int(columns.drop[0])) is Drop.CUT_BY_SNAPLEN, snaplen
        else:
            row = seen_in(batch, columns, 0)
            assert row is not None
            kept = max(snaplen - headers, 0)
            assert (row.payload, row.missing) == (b"0123456789"[:kept], 10 - kept)


@pytest.mark.parametrize("count", [1, 20, 100])
def test_a_snap_length_of_64_keeps_every_tcp_packet_with_what_it_says_of_itself(count: int) -> None:
    """Timestamps (RFC 7323) alone make the headers of IPv4 66 bytes long."""
    frame = tcp_frame(A, B, sequence=7, acknowledgement=9, payload=b"x" * 100, options=b"\1\1\x08\x0a" + bytes(8))
    batch = batch_of([Packet(EPOCH_NS, frame)] * count, snaplen=64)
    decoded = Decoder(Counters()).decode(batch)
    assert [seen(decoded, row) for row in range(count)] == [Seen(6, *A, *B, ACK, 7, 9, b"", 100)] * count


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
    decoder, slowly = Decoder(Counters()), SlowDecoder()
    packets = 0
    while not source.ended:
        batch = source.read()
        if batch is None:
            continue
        packets += len(batch.offsets)
        decoded, slow = decoder.decode(batch), slowly.decode(batch)
        assert_equal(decoded.columns, slow.columns)
        assert decoded.payloads == slow.payloads
    assert packets
