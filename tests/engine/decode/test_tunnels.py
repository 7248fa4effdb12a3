from __future__ import annotations

import random

import numpy as np
import pytest

from engine.counters import Counters, Drop
from engine.decode.decode import Decoded, Decoder
from engine.decode.frame import MAX_NESTING
from tests.support.decoding import SlowDecoder, assert_equal, seen
from tests.support.dpkt_decode import Seen, seen_by_dpkt
from tests.support.frames_at_random import damaged, random_packets
from tests.support.packets import (
    EPOCH_NS,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    SYN,
    Packet,
    batch_of,
    ethernet,
    ipv4,
    tcp_frame,
    udp,
    udp_frame,
)
from tests.support.tunnels import (
    BRIDGED,
    TUNNELS,
    Carried,
    Tunnel,
    as_frame,
    bridged,
    carried_in,
    geneve,
    gre,
    gtp,
    in_udp,
    ip_in_ip,
    mpls,
    tunnelled,
    vxlan,
)

A, B = ("10.0.0.1", 40000), ("10.0.0.2", 80)
A6, B6 = ("fd00::1", 40000), ("fd00::2", 80)
INNER = tcp_frame(A, B, sequence=7, acknowledgement=9, flags=SYN, payload=b"hello")
INNER6 = tcp_frame(A6, B6, sequence=7, acknowledgement=9, flags=SYN, payload=b"hello")
ENOUGH = 200


def decoded_one(frame: bytes, wire_length: int = 0) -> Decoded:
    return Decoder(Counters()).decode(batch_of([Packet(EPOCH_NS, frame, wire_length)]))


def reason(frame: bytes, wire_length: int = 0) -> Drop:
    return Drop(int(decoded_one(frame, wire_length).columns.drop[0]))


@pytest.mark.parametrize("tunnel", TUNNELS.values(), ids=TUNNELS.keys())
def test_a_tunnel_reports_the_packet_in_it(tunnel: Tunnel) -> None:
    for inner, ends in ((INNER, (A, B)), (INNER6, (A6, B6))):
        frame = as_frame(tunnel(carried_in(inner)))
        assert seen(decoded_one(frame), 0) == Seen(6, *ends[0], *ends[1], SYN, 7, 9, b"hello", 0)


def test_an_mpls_pseudowire_may_lack_the_control_word() -> None:
    carried = mpls(bridged(carried_in(INNER)))
    bare = Carried(carried.kind, carried.data[:8] + carried.data[12:])
    assert seen(decoded_one(as_frame(bare)), 0) == seen(decoded_one(INNER), 0)


@pytest.mark.parametrize("seed", range(20))
def test_tunnels_in_tunnels_report_what_dpkt_finds_in_the_innermost(seed: int) -> None:
    chance = random.Random(seed)
    inner = [packet.frame for packet in random_packets(seed, ENOUGH, damage=0, vlans=False)]
    frames = [as_frame(tunnelled(carried_in(frame), chance.randrange(1, 5), chance)) for frame in inner]
    batch = batch_of([Packet(EPOCH_NS, frame) for frame in frames])
    decoded = Decoder(Counters()).decode(batch)
    assert_equal(decoded.columns, SlowDecoder().decode(batch).columns)
    for row, frame in enumerate(inner):
        if not is_fragment_or_offloaded(frame):
            assert seen(decoded, row) == seen_by_dpkt(frame, len(frame)), row


def is_fragment_or_offloaded(frame: bytes) -> bool:
    """Offloaded: its IP length is 0, and how long it is depends on what it is in."""
    return frame[12:14] == b"\x08\0" and (bool((frame[20] & 0x3F) | frame[21]) or frame[16:18] == b"\0\0")


@pytest.mark.parametrize("seed", range(10))
def test_damaged_tunnels_become_rows_or_reasons_the_same_in_every_way(seed: int) -> None:
    chance = random.Random(seed)
    packets = []
    for packet in random_packets(seed, ENOUGH, damage=0, vlans=False):
        frame = as_frame(tunnelled(carried_in(packet.frame), chance.randrange(1, 4), chance))
        packets.append(Packet(packet.timestamp_ns, damaged(frame, chance), len(frame)))
    batch = batch_of(packets)
    decoded = Decoder(Counters()).decode(batch)
    assert_equal(decoded.columns, SlowDecoder().decode(batch).columns)
    columns = decoded.columns
    good = columns.drop == 0
    assert good.any()
    assert not good.all()
    ends = columns.payload_start + columns.payload_length
    assert (ends <= len(decoded.payloads))[good].all()
    assert (columns.payload_length >= 0)[good].all()
    assert (columns.payload_missing >= 0)[good].all()


@pytest.mark.parametrize("tunnel", TUNNELS.values(), ids=TUNNELS.keys())
def test_a_snap_length_cuts_the_payload_or_drops_the_packet(tunnel: Tunnel) -> None:
    frame = as_frame(tunnel(carried_in(INNER)))
    for snaplen in range(1, len(frame)):
        decoded = decoded_one(frame[:snaplen], len(frame))
        row = seen(decoded, 0)
        if snaplen < len(frame) - 5:
            assert Drop(int(decoded.columns.drop[0])) is Drop.CUT_BY_SNAPLEN, snaplen
        else:
            assert row is not None
            assert (row.payload, row.missing) == (b"hello"[: snaplen - len(frame) + 5], len(frame) - snaplen)


def test_what_follows_the_end_of_the_carrier_is_no_payload() -> None:
    carrier = as_frame(ip_in_ip(carried_in(INNER)))
    assert seen(decoded_one(carrier + b"trailer"), 0) == seen(decoded_one(INNER), 0)


def nested(depth: int) -> bytes:
    carried = carried_in(INNER)
    for _ in range(depth):
        carried = ip_in_ip(carried)
    return as_frame(carried)


def test_tunnels_end_somewhere() -> None:
    assert reason(nested(MAX_NESTING)) is Drop.NONE
    assert reason(nested(MAX_NESTING + 1)) is Drop.NESTED_TOO_DEEP
    assert reason(nested(3000)) is Drop.NESTED_TOO_DEEP


ARP = Carried(BRIDGED, ethernet(ETHERTYPE_ARP, bytes(46)))
DROPS = {
    "ARP in VXLAN": (vxlan(ARP), Drop.NOT_IP),
    "half an Ethernet header in GRE": (gre(Carried(BRIDGED, bytes(13))), Drop.BAD_HEADER),
    "GRE version 2": (gre(carried_in(INNER), 2), Drop.BAD_HEADER),
    "GRE with a protocol nobody knows": (gre(Carried(0x1234, b"x")), Drop.NOT_IP),
    "ERSPAN II of another version": (
        gre(Carried(BRIDGED, b"\x70" + bytes(7) + INNER), 0x1000, 0x88BE),
        Drop.BAD_HEADER,
    ),
    "ERSPAN III with an odd frame type": (
        gre(Carried(BRIDGED, b"\x20" + bytes(9) + b"\x04\0" + INNER), 0x1000, 0x22EB),
        Drop.NOT_IP,
    ),
    "MPLS without an end": (Carried(0x8847, bytes(40)), Drop.BAD_HEADER),
    "an MPLS channel of its own (RFC 5586)": (Carried(0x8847, b"\0\0\1\x40\x10" + bytes(40)), Drop.NOT_IP),
    "PPPoE of another version": (Carried(0x8864, b"\x21" + bytes(7) + INNER[14:]), Drop.BAD_HEADER),
    "PPP without IP": (Carried(0x8864, b"\x11\0\0\1\0\6\xc0\x21" + bytes(6)), Drop.NOT_IP),
}


@pytest.mark.parametrize(("carried", "expected"), DROPS.values(), ids=DROPS.keys())
def test_what_cannot_be_used_has_a_reason(carried: Carried, expected: Drop) -> None:
    assert reason(as_frame(carried)) is expected


DNS = bytes.fromhex("0800 0100 0001 0000 0000 0000 03777777 00 0001 0001")
ORDINARY = {
    "DNS from the port of VXLAN": udp_frame((A[0], 4789), (B[0], 53), b"\x88\xa5" + DNS[2:]),
    "too short for VXLAN": as_frame(in_udp(4789, b"\x08\0\0")),
    "Geneve of another version": as_frame(in_udp(6081, b"\x40\0\x08\0" + bytes(40))),
    "Geneve with an unknown protocol": as_frame(in_udp(6081, b"\0\0\x12\x34" + bytes(40))),
    "GTP echo request": as_frame(in_udp(2152, b"\x32\1\0\4" + bytes(8))),
    "GTP without IP in it": as_frame(gtp(Carried(0, bytes(40)))),
    "GTP with an extension header of no length": as_frame(
        in_udp(2152, b"\x34\xff\0\x20" + bytes(7) + b"\x85" + bytes(20))
    ),
}


@pytest.mark.parametrize("frame", ORDINARY.values(), ids=ORDINARY.keys())
def test_a_port_alone_makes_no_tunnel(frame: bytes) -> None:
    batch = batch_of([Packet(EPOCH_NS, frame)] * ENOUGH)
    decoded = Decoder(Counters()).decode(batch)
    assert not decoded.columns.drop.any()
    assert seen(decoded, 0) == seen(decoded, ENOUGH - 1) == seen_by_dpkt(frame, len(frame))


def test_tunnels_and_ordinary_packets_mix_in_one_batch() -> None:
    frames = [INNER, as_frame(vxlan(carried_in(INNER))), as_frame(geneve(carried_in(INNER))), udp_frame(A, B, b"x")]
    batch = batch_of([Packet(EPOCH_NS, frames[number % 4]) for number in range(ENOUGH)])
    decoded = Decoder(Counters()).decode(batch)
    assert not decoded.columns.drop.any()
    assert np.count_nonzero(decoded.columns.protocol == 6) == ENOUGH * 3 // 4
    assert {seen(decoded, row) for row in (0, 1, 2)} == {seen(decoded, 0)}


def test_6in4_is_a_packet_of_ipv6() -> None:
    carried = ip_in_ip(carried_in(ethernet(0x86DD, carried_in(INNER6).data)))
    assert carried.kind == ETHERTYPE_IPV4
    assert carried.data[9] == 41
    assert seen(decoded_one(as_frame(carried)), 0) == seen(decoded_one(INNER6), 0)


def test_a_carrier_with_an_ip_length_of_zero_ends_with_the_frame() -> None:
    packet = bytearray(ipv4(*("192.0.2.1", "192.0.2.2"), 17, udp(("192.0.2.1", 5), ("192.0.2.2", 4789), b"")))
    packet[2:4] = b"\0\0"
    packet[24:26] = b"\0\0"
    frame = ethernet(ETHERTYPE_IPV4, bytes(packet) + b"\x08" + bytes(7) + INNER)
    assert seen(decoded_one(frame), 0) == seen(decoded_one(INNER), 0)
