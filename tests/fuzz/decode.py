"""Mutated frames through decode: ``python -m tests.fuzz.decode --seed 1 --count 2000000``.

Frames of every kind, some in tunnels and some in fragments, are damaged, shuffled and decoded in batches of many sizes,
the fast way and one at a time. Nothing may raise; every frame becomes a row that lies within its buffer or a known
``Drop`` reason; both ways agree; what is held stays bounded. The same seed gives the same frames.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter

import numpy as np

from engine.capture.batch import Batch
from engine.capture.links import LINKS
from engine.counters import Counters, Drop
from engine.decode.columns import FRAGMENT, HELD, Columns
from engine.decode.decode import Decoded, Decoder
from tests.support.decoding import SlowDecoder, assert_equal
from tests.support.frames_at_random import damaged, random_packets, relinked
from tests.support.packets import EPOCH_NS, Packet, batch_of, fragments_of
from tests.support.tunnels import as_frame, carried_in, tunnelled

POOL = 4000
"""Sound frames, from which the others are made."""


def fuzz(count: int, seed: int) -> Counter[int]:
    """Decode at least ``count`` mutated frames; how many ended with each ``Drop`` code."""
    chance = random.Random(seed)
    pool = sound_frames(seed, chance)
    reasons: Counter[int] = Counter()
    decoders: dict[int, tuple[Decoder, SlowDecoder]] = {}
    now_ns = EPOCH_NS
    while reasons.total() < count:
        link_type = chance.choice([1, 1, 1, *LINKS])
        now_ns += chance.choice([1000, 1_000_000_000, 20_000_000_000])
        packets = mutated(pool, chance.choice([1, 9, 49, 300, 2000]), link_type, now_ns, chance)
        batch = batch_of(packets, link_type=link_type)
        fast, slow = decoders.setdefault(link_type, (Decoder(Counters()), SlowDecoder()))
        decoded, slowly = fast.decode(batch), slow.decode(batch)
        assert_equal(decoded.columns, slowly.columns)
        assert decoded.payloads == slowly.payloads
        check(decoded, batch)
        reasons.update(decoded.columns.drop.tolist())
    return reasons


def check(decoded: Decoded, batch: Batch) -> None:
    """Rows lie within their frames, or in the buffer if they came in fragments, and mean nothing where dropped."""
    columns = decoded.columns
    good = columns.drop == 0
    assert set(np.unique(columns.drop).tolist()) <= set(Drop)
    assert (columns.payload_length >= 0).all()
    assert (columns.payload_missing >= 0).all()
    assert (columns.payload_start >= 0)[good].all()
    assert (columns.payload_start + columns.payload_length <= len(decoded.payloads))[good].all()
    own = good & (columns.flags < FRAGMENT)
    frame, ends = batch.offsets + 16, columns.payload_start + columns.payload_length
    assert (columns.payload_start >= frame)[own].all()
    assert (ends <= frame + columns.captured_length)[own].all()
    held = columns.flags >= HELD
    assert (columns.flags[held] & FRAGMENT != 0).all()
    assert not (columns.payload_length[held] + columns.payload_missing[held]).any()
    for name in Columns._fields[3:-1]:
        if name != "payload_start":
            assert not getattr(columns, name)[~good].any(), name


def sound_frames(seed: int, chance: random.Random) -> list[list[bytes]]:
    """Frames of every kind, each with the fragments that belong together."""
    return [_sound(packet.frame, chance) for packet in random_packets(seed, POOL, damage=0, vlans=False)]


def _sound(frame: bytes, chance: random.Random) -> list[bytes]:
    """The frame, perhaps in tunnels, perhaps in fragments."""
    if chance.random() < 0.5:
        frame = as_frame(tunnelled(carried_in(frame), chance.randrange(1, 5), chance))
    fits = frame[12:14] in (b"\x08\x00", b"\x86\xdd") and len(frame) > 62
    if fits and chance.random() < 0.3:
        return fragments_of(frame, 8 * chance.randrange(1, 12), ident=chance.randrange(3))
    return [frame]


def mutated(pool: list[list[bytes]], count: int, link_type: int, now_ns: int, chance: random.Random) -> list[Packet]:
    """``count`` frames of the pool around ``now_ns``; two in five are damaged."""
    frames: list[bytes] = []
    while len(frames) < count:
        pieces = list(chance.choice(pool))
        if chance.random() < 0.3:
            chance.shuffle(pieces)
        frames += pieces
    packets = []
    for frame in frames[:count]:
        whole = relinked(frame, link_type, chance)
        kept = damaged(whole, chance) if whole and chance.random() < 0.4 else whole
        wire = chance.choice([len(kept), max(len(kept), len(whole)), chance.randrange(70_000)])
        wire = 0xFFFF_FFFF if chance.random() < 0.01 else wire
        packets.append(Packet(now_ns + chance.randrange(-1000, 1000), kept, wire))
    return packets


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2_000_000)
    given = parser.parse_args()
    began_s = time.monotonic()
    found = fuzz(given.count, given.seed)
    named = {Drop(code).name.lower(): number for code, number in found.most_common()}
    print(f"decode: seed={given.seed} frames={found.total()} seconds={time.monotonic() - began_s:.0f}", named)
