from __future__ import annotations

import struct

import pytest

from engine.counters import Counters, Drop
from engine.decode.decode import Decoder
from tests.support.decoding import seen
from tests.support.dpkt_decode import Seen, seen_by_dpkt
from tests.support.packets import EPOCH_NS, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Packet, batch_of, ethernet, ipv4, ipv6

A, B, A6, B6 = "10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"
ICMP, ICMPV6, SCTP = 1, 58, 132


def icmp4(source: str, target: str, kind: int, code: int, rest: bytes) -> bytes:
    return ethernet(ETHERTYPE_IPV4, ipv4(source, target, ICMP, struct.pack(">BBH", kind, code, 0) + rest))


def icmp6(source: str, target: str, kind: int, code: int, rest: bytes) -> bytes:
    return ethernet(ETHERTYPE_IPV6, ipv6(source, target, ICMPV6, struct.pack(">BBH", kind, code, 0) + rest))


def row_of(frame: bytes) -> Seen:
    """The row of a frame, alone and among others, as dpkt sees it too."""
    decoder = Decoder(Counters())
    few, many = (decoder.decode(batch_of([Packet(EPOCH_NS, frame)] * count)) for count in (1, 200))
    row = seen(few, 0)
    assert row is not None
    assert row == seen(many, 199) == seen_by_dpkt(frame, len(frame))
    return row


def ends(frame: bytes) -> tuple[str, int, str, int]:
    row = row_of(frame)
    return row.source, row.source_port, row.target, row.target_port


PING = struct.pack(">HH", 4711, 1) + b"data"
QUERIES = {
    "echo": (icmp4, (A, B), 8, 0, 8),
    "timestamp": (icmp4, (A, B), 13, 14, 13),
    "information": (icmp4, (A, B), 15, 16, 15),
    "address mask": (icmp4, (A, B), 17, 18, 17),
    "echo over IPv6": (icmp6, (A6, B6), 128, 129, 128),
}


@pytest.mark.parametrize(("make", "hosts", "asks", "answers", "server"), QUERIES.values(), ids=QUERIES.keys())
def test_request_and_reply_of_icmp_are_one_stream(
    make: object, hosts: tuple[str, str], asks: int, answers: int, server: int
) -> None:
    assert callable(make)
    here, there = hosts
    assert ends(make(here, there, asks, 0, PING)) == (here, 4711, there, server)
    assert ends(make(there, here, answers, 0, PING)) == (there, server, here, 4711)


MESSAGES = {
    "port unreachable": (icmp4(B, A, 3, 3, bytes(4) + b"quoted"), (B, 0x0303, A, 0)),
    "time exceeded": (icmp4(B, A, 11, 0, bytes(4) + b"quoted"), (B, 0x0B00, A, 0)),
    "packet too big": (icmp6(B6, A6, 2, 0, bytes(4) + b"quoted"), (B6, 0x0200, A6, 0)),
    "neighbour solicitation": (icmp6(A6, "ff02::1:ff00:2", 135, 0, bytes(20)), (A6, 0x8700, "ff02::1:ff00:2", 0)),
    "an IPv4 echo is none over IPv6": (icmp6(A6, B6, 8, 0, PING), (A6, 0x0800, B6, 0)),
}


@pytest.mark.parametrize(("frame", "expected"), MESSAGES.values(), ids=MESSAGES.keys())
def test_other_messages_of_icmp_are_streams_of_their_own(frame: bytes, expected: tuple[str, int, str, int]) -> None:
    assert ends(frame) == expected


def test_the_payload_of_icmp_is_the_whole_message() -> None:
    assert row_of(icmp4(A, B, 8, 0, PING)).payload == b"\x08\0\0\0" + PING


@pytest.mark.parametrize("source", [A, A6])
def test_the_payload_of_sctp_is_its_chunks(source: str) -> None:
    packet = struct.pack(">HHII", 5000, 80, 7, 0) + b"\x0a\0\0\x04"
    make, kind = (ipv4, ETHERTYPE_IPV4) if source == A else (ipv6, ETHERTYPE_IPV6)
    row = row_of(ethernet(kind, make(source, {A: B, A6: B6}[source], SCTP, packet)))
    assert (row.protocol, row.source_port, row.target_port, row.payload) == (SCTP, 5000, 80, b"\x0a\0\0\x04")


@pytest.mark.parametrize(("protocol", "header"), [(ICMP, 8), (SCTP, 12)])
def test_a_snap_length_may_cut_their_headers(protocol: int, header: int) -> None:
    frame = ethernet(ETHERTYPE_IPV4, ipv4(A, B, protocol, bytes(40)))
    for kept in range(40):
        batch = batch_of([Packet(EPOCH_NS, frame[: 34 + kept], len(frame))] * 60)
        columns = Decoder(Counters()).decode(batch).columns
        assert set(columns.drop.tolist()) == {Drop.CUT_BY_SNAPLEN if kept < header else Drop.NONE}
