from __future__ import annotations

import random

import numpy as np
import pytest

from engine.clock import NS_PER_S
from engine.counters import Counters, Drop
from engine.decode.columns import FRAGMENT, HELD
from engine.decode.decode import Decoded, Decoder
from engine.decode.fragments import MAX_HELD_BYTES, MAX_PIECES, TIMEOUT_NS, Datagram
from tests.support.decoding import SlowDecoder, assert_equal, seen
from tests.support.dpkt_decode import Seen
from tests.support.packets import (
    EPOCH_NS,
    ETHERTYPE_IPV6,
    PSH,
    Packet,
    batch_of,
    ethernet,
    extension,
    fragments_of,
    ipv6,
    tcp_frame,
    udp,
    udp_frame,
)
from tests.support.tunnels import as_frame, carried_in, gre, vxlan

A, B = ("10.0.0.1", 40000), ("10.0.0.2", 80)
A6, B6 = ("fd00::1", 40000), ("fd00::2", 80)
TEXT = bytes(range(256)) * 4
WHOLE = {
    "UDP": udp_frame(A, B, TEXT),
    "UDP over IPv6": udp_frame(A6, B6, TEXT),
    "TCP": tcp_frame(A, B, sequence=7, acknowledgement=9, flags=PSH | 16, payload=TEXT),
    "TCP over IPv6": tcp_frame(A6, B6, sequence=7, acknowledgement=9, flags=PSH | 16, payload=TEXT),
    "VXLAN": as_frame(vxlan(carried_in(udp_frame(A, B, TEXT)))),
    "GRE over IPv6": as_frame(gre(carried_in(udp_frame(A, B, TEXT)), six=True)),
}


def batch_at(frames: list[bytes], at_ns: int = EPOCH_NS, filler: int = 0) -> list[Packet]:
    return [Packet(at_ns, frame) for frame in [*frames, *[udp_frame(A, ("10.0.0.9", 53), b"x")] * filler]]


def decoded_together(frames: list[bytes], filler: int = 0) -> Decoded:
    """Through one decoder, and through one that takes the slow way, which must agree."""
    batch = batch_of(batch_at(frames, filler=filler))
    decoded, slow = Decoder(Counters()).decode(batch), SlowDecoder().decode(batch)
    assert_equal(decoded.columns, slow.columns)
    assert bytes(decoded.payloads) == bytes(slow.payloads)
    return decoded


def alone(frame: bytes) -> Seen:
    row = seen(decoded_together([frame]), 0)
    assert row is not None
    return row


def completing(frame: bytes) -> Seen:
    """The row of the fragment that makes ``frame`` whole."""
    whole = alone(frame)
    return whole._replace(flags=whole.flags | FRAGMENT)


def holding(frame: bytes) -> Seen:
    """The row of its other fragments."""
    whole = alone(frame)
    return whole._replace(flags=whole.flags & 16 | FRAGMENT | HELD, payload=b"")


@pytest.mark.parametrize("filler", [0, 20, 200])
@pytest.mark.parametrize("frame", WHOLE.values(), ids=WHOLE.keys())
def test_the_fragment_that_completes_a_datagram_has_its_payload(frame: bytes, filler: int) -> None:
    pieces = fragments_of(frame, 104)
    decoded = decoded_together(pieces, filler)
    rows = [seen(decoded, row) for row in range(len(pieces))]
    assert rows == [holding(frame)] * (len(pieces) - 1) + [completing(frame)]
    assert [seen(decoded, len(pieces) + row) for row in range(filler)] == [
        alone(udp_frame(A, ("10.0.0.9", 53), b"x"))
    ] * filler


@pytest.mark.parametrize("frame", WHOLE.values(), ids=WHOLE.keys())
@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_fragments_does_not_matter(frame: bytes, seed: int) -> None:
    pieces = fragments_of(frame, 48)
    random.Random(seed).shuffle(pieces)
    decoded = decoded_together(pieces)
    assert [seen(decoded, row) for row in range(len(pieces))] == [holding(frame)] * (len(pieces) - 1) + [
        completing(frame)
    ]


@pytest.mark.parametrize("frame", WHOLE.values(), ids=WHOLE.keys())
@pytest.mark.parametrize("seed", range(5))
def test_fragments_may_lie_in_several_batches(frame: bytes, seed: int) -> None:
    """What came before the ports were known, and in another batch, is a counted drop; nothing else is."""
    pieces = fragments_of(frame, 104)
    chance = random.Random(seed)
    chance.shuffle(pieces)
    decoder, rows, dropped = Decoder(Counters()), [], []
    while pieces:
        count = chance.randrange(1, 4)
        decoded = decoder.decode(batch_of(batch_at(pieces[:count])))
        rows += [seen(decoded, row) for row in range(len(pieces[:count]))]
        dropped += decoded.columns.drop.tolist()
        del pieces[:count]
    assert rows[-1] == completing(frame)
    assert {row for row in rows[:-1] if row} <= {holding(frame)}
    assert set(dropped) <= {Drop.NONE, Drop.FRAGMENT}
    if None in rows:
        assert None not in rows[rows.index(holding(frame)) if holding(frame) in rows else -1 :]


def test_fragments_of_a_tunnelled_packet_come_in_fragments_of_their_tunnel() -> None:
    frame = udp_frame(A, B, TEXT)
    carriers = [as_frame(vxlan(carried_in(piece))) for piece in fragments_of(frame, 512)]
    pieces = [piece for ident, carrier in enumerate(carriers) for piece in fragments_of(carrier, 128, ident=ident)]
    decoded = decoded_together(pieces)
    assert not decoded.columns.drop.any()
    assert [seen(decoded, row) for row in range(len(pieces))] == [holding(frame)] * (len(pieces) - 1) + [
        completing(frame)
    ]


@pytest.mark.parametrize("filler", [0, 20, 200])
def test_a_batch_may_begin_anywhere_in_its_buffer(filler: int) -> None:
    other, frame = udp_frame(A, ("10.0.0.9", 53), b"x"), udp_frame(A, B, TEXT)
    batch = batch_of(batch_at([other] * 5 + fragments_of(frame, 520), filler=filler))
    decoded = Decoder(Counters()).decode(batch._replace(offsets=batch.offsets[5:]))
    assert [seen(decoded, row) for row in (0, 1)] == [holding(frame), completing(frame)]
    assert [seen(decoded, 2 + row) for row in range(filler)] == [alone(other)] * filler
    assert (decoded.columns.payload_start >= 0).all()


def test_datagrams_do_not_mix() -> None:
    frames = [udp_frame(A, B, TEXT), udp_frame(A, ("10.0.0.3", 80), TEXT[::-1]), udp_frame(A, B, TEXT[::-1])]
    lists = [fragments_of(frame, 400, ident=index // 2) for index, frame in enumerate(frames)]
    decoded = decoded_together([piece for pieces in zip(*lists, strict=True) for piece in pieces])
    assert [seen(decoded, row) for row in (6, 7, 8)] == [completing(frame) for frame in frames]


def test_extension_headers_may_come_in_the_datagram() -> None:
    inner = extension(17, 62) + udp(A6, B6, TEXT)
    frame = ethernet(ETHERTYPE_IPV6, ipv6(A6[0], B6[0], 60, inner))
    decoded = decoded_together(fragments_of(frame, 256))
    assert seen(decoded, 4) == completing(frame)


def test_a_datagram_in_one_fragment_is_no_fragment() -> None:
    frame = udp_frame(A6, B6, TEXT)
    (atomic,) = fragments_of(frame, 4096)
    assert alone(atomic) == alone(frame)


def test_the_first_of_overlapping_fragments_wins() -> None:
    frame, other = udp_frame(A, B, TEXT), udp_frame(A, B, bytes(1024))
    pieces, others = fragments_of(frame, 104), fragments_of(other, 56)
    head = pieces[:2]
    decoded = decoded_together([*head, *others])
    at = int(np.flatnonzero(decoded.columns.payload_length)[0])
    row = seen(decoded, at)
    assert row is not None
    kept = 2 * 104 - 8
    assert row.payload == TEXT[:kept] + bytes(1024 - kept)


@pytest.mark.parametrize("seed", range(200))
def test_pieces_in_any_overlap_are_what_byte_after_byte_would_be(seed: int) -> None:
    chance = random.Random(seed)
    total = chance.randrange(1, 60)
    slow: list[int | None] = [None] * total
    datagram = Datagram((0,), 0)
    for _ in range(1000):
        start = chance.randrange(total)
        stop = chance.randrange(start, total) + 1
        last = stop == total
        data = chance.randbytes(stop - start)
        assert datagram.add(start, stop, data, last)
        for index, byte in enumerate(data):
            slow[start + index] = byte if slow[start + index] is None else slow[start + index]
        assert datagram.covered == sum(byte is not None for byte in slow)
        if datagram.complete:
            break
    assert list(datagram.joined()) == slow


@pytest.mark.parametrize("cut", range(4, 100, 9))
def test_a_snap_length_leaves_the_payload_up_to_its_first_cut(cut: int) -> None:
    pieces = fragments_of(udp_frame(A, B, TEXT), 344)
    packets = [Packet(EPOCH_NS, piece[: len(piece) - cut], len(piece)) for piece in pieces]
    decoded = Decoder(Counters()).decode(batch_of(packets))
    row = seen(decoded, 2)
    assert row is not None
    assert row.payload == TEXT[: 344 - 8 - cut]
    assert row.missing == len(TEXT) - len(row.payload)


def test_a_datagram_waits_for_half_a_minute_of_capture_time() -> None:
    pieces = fragments_of(udp_frame(A, B, TEXT), 520)
    for wait_ns, whole in ((TIMEOUT_NS - 1, True), (TIMEOUT_NS, False)):
        counters = Counters()
        decoder = Decoder(counters)
        decoder.decode(batch_of(batch_at(pieces[:1])))
        decoded = decoder.decode(batch_of(batch_at(pieces[1:], EPOCH_NS + wait_ns)))
        assert (seen(decoded, 0) is not None) is whole
        assert counters.get("decode_datagrams_reassembled_total") == whole
        assert counters.get("decode_datagrams_incomplete_total") == (not whole)


def test_other_packets_move_the_clock_too() -> None:
    counters = Counters()
    decoder = Decoder(counters)
    decoder.decode(batch_of(batch_at(fragments_of(udp_frame(A, B, TEXT), 520)[:1])))
    decoder.decode(batch_of(batch_at([udp_frame(A, B, b"x")], EPOCH_NS + TIMEOUT_NS)))
    assert counters.get("decode_datagrams_incomplete_total") == 1


def test_a_clock_that_goes_back_gives_up_nothing() -> None:
    frame = udp_frame(A, B, TEXT)
    pieces = fragments_of(frame, 520)
    packets = [Packet(EPOCH_NS, pieces[0]), Packet(EPOCH_NS - 3600 * NS_PER_S, pieces[1])]
    assert seen(Decoder(Counters()).decode(batch_of(packets)), 1) == completing(frame)


def test_memory_is_bounded_and_the_oldest_is_given_up() -> None:
    counters = Counters()
    decoder = Decoder(counters)
    frame = udp_frame(A, B, bytes(1400))
    begun = MAX_HELD_BYTES // 1000
    heads, tails = zip(*(fragments_of(frame, 1200, ident=ident) for ident in range(begun)), strict=True)
    decoder.decode(batch_of(batch_at(list(heads))))
    given_up = counters.get("decode_datagrams_incomplete_total")
    assert 0 < given_up < begun // 2
    assert not decoder.decode(batch_of(batch_at(list(tails[given_up:])))).columns.drop.any()
    assert counters.get("decode_datagrams_reassembled_total") == begun - given_up
    assert (decoder.decode(batch_of(batch_at(list(tails[:given_up])))).columns.drop == Drop.FRAGMENT).all()


def test_a_datagram_of_too_many_pieces_is_given_up() -> None:
    counters = Counters()
    pieces = fragments_of(udp_frame(A, B, bytes(MAX_PIECES * 8 + 64)), 8)
    columns = Decoder(counters).decode(batch_of(batch_at(pieces))).columns
    assert counters.get("decode_datagrams_incomplete_total") == 1
    assert np.flatnonzero(columns.drop).tolist() == list(range(MAX_PIECES, len(pieces)))
    assert Drop(int(columns.drop[MAX_PIECES])) is Drop.BAD_HEADER


FIRST, SECOND, LAST = fragments_of(udp_frame(A, B, TEXT), 344)
NO_FRAGMENTS = {
    "empty": FIRST[:16] + b"\0\x14" + FIRST[18:34],
    "behind the largest datagram": SECOND[:20] + b"\x3f\xff" + SECOND[22:],
}


@pytest.mark.parametrize("frame", NO_FRAGMENTS.values(), ids=NO_FRAGMENTS.keys())
def test_a_fragment_that_no_sender_sends_has_a_reason(frame: bytes) -> None:
    assert decoded_together([frame]).columns.drop.tolist() == [Drop.BAD_HEADER]


def test_what_lies_behind_the_end_of_a_datagram_is_not_used() -> None:
    behind = SECOND[:20] + b"\x20\xff" + SECOND[22:]
    decoded = decoded_together([FIRST, LAST, behind, SECOND])
    assert decoded.columns.drop.tolist() == [0, 0, Drop.BAD_HEADER, 0]
    assert seen(decoded, 3) == completing(udp_frame(A, B, TEXT))


def test_fragments_that_tell_no_ports_are_counted_drops() -> None:
    assert decoded_together([SECOND, LAST]).columns.drop.tolist() == [Drop.FRAGMENT] * 2
    tiny = fragments_of(tcp_frame(A, B, payload=b"x" * 20), 8)
    assert decoded_together(tiny[:2]).columns.drop.tolist() == [Drop.FRAGMENT] * 2
    assert not decoded_together(tiny).columns.drop.any()
