"""Streams and chunks made by hand, for what stands behind reassembly; and how to cut them up."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from engine.streams.chunk import Chunk
from engine.streams.stream import TCP, UDP, Stream

START_NS = 1_700_000_000_000_000_000
BYTE_NS = 1_000
"""In these streams every byte has a time of its own, so that a wrong offset shows."""
_MAPPED = b"\0" * 10 + b"\xff\xff"

Said = tuple[int, bytes]
"""Who sent it, and what."""


def a_stream(protocol: int = TCP, port: int = 80, number: int = 7) -> Stream:
    """From 10.0.0.1:51234 to 10.0.0.2."""
    ends = (_MAPPED + b"\x0a\0\0\1", 51234, _MAPPED + b"\x0a\0\0\2", port)
    return Stream(number, protocol, *ends, start_ns=START_NS, end_ns=START_NS)


def chunks_of(talk: Sequence[Said], stream: Stream | None = None) -> list[Chunk]:
    """One chunk per turn; each of its bytes came in a packet of its own."""
    stream, chunks, now_ns = stream or a_stream(), [], START_NS
    for direction, data in talk:
        times = [now_ns + BYTE_NS * at for at in range(len(data))]
        chunks.append(Chunk(stream, direction, data, list(range(len(data))), times, 0))
        now_ns += BYTE_NS * len(data)
    return chunks


def split_anywhere(chunks: Iterable[Chunk], seed: int) -> list[Chunk]:
    """The same bytes at the same times, cut into chunks at random places."""
    chance = random.Random(seed)
    pieces = []
    for chunk in chunks:
        cuts = sorted(chance.sample(range(1, len(chunk.data)), min(chance.randrange(12), len(chunk.data) - 1)))
        if seed == 0:
            cuts = list(range(1, len(chunk.data)))
        for start, end in zip([0, *cuts], [*cuts, len(chunk.data)], strict=True):
            starts = list(range(end - start))
            pieces.append(chunk._replace(data=chunk.data[start:end], starts=starts, times_ns=chunk.times_ns[start:end]))
    return pieces


def damage(chunks: Iterable[Chunk], seed: int) -> list[Chunk]:
    """Bytes changed, removed, repeated; gaps; chunks that are missing or of the wrong direction."""
    chance = random.Random(seed)
    damaged = []
    for chunk in chunks:
        data = bytearray(chunk.data)
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(data)) if data else 0
            what = chance.randrange(4)
            if what == 0 and data:
                data[at] = chance.randrange(256)
            elif what == 1:
                del data[at : at + chance.randrange(1, 40)]
            elif what == 2:
                data[at:at] = data[at : at + chance.randrange(1, 40)]
            else:
                data[at:at] = chance.randbytes(chance.randrange(1, 40))
        if not data or chance.random() < 0.05:
            continue
        missing = chance.choice((0, 0, 0, 1, 100, 5000)) if chance.random() < 0.3 else 0
        direction = 1 - chunk.direction if chance.random() < 0.05 else chunk.direction
        times = [chunk.times_ns[0] + BYTE_NS * at for at in range(len(data))]
        damaged.append(Chunk(chunk.stream, direction, bytes(data), list(range(len(data))), times, missing))
    return damaged


def datagram(stream: Stream, direction: int, data: bytes, time_ns: int = START_NS, missing_bytes: int = 0) -> Chunk:
    """One UDP datagram."""
    assert stream.protocol == UDP
    return Chunk(stream, direction, data, [0], [time_ns], missing_bytes)
