"""Frames out of bytes: here of one byte that says how many follow, and a full stop."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from engine.dissect.framed import Frame, Framed
from engine.streams.chunk import Chunk
from tests.support.streams import START_NS, a_stream, chunks_of, split_anywhere

LIMIT_BYTES = 20


class Counted:
    """``\\x03abc.``; none has more than 99 bytes. A frame begins where a packet does."""

    head_bytes = 2

    def size_of(self, data: bytes, at: int) -> int:
        return data[at] + 2 if data[at] < 100 else 0

    def ends_well(self, first: int, last: int) -> bool:
        return last == ord(".")

    def find(self, chunk: Chunk, at: int) -> tuple[int, bool]:
        for start in chunk.starts:
            if start >= at and chunk.data[start] < 100:
                return start, True
        return len(chunk.data), False


def frame(data: bytes) -> bytes:
    return bytes([len(data)]) + data + b"."


def packets(*said: tuple[bytes, int]) -> list[Chunk]:
    """Chunks of one packet, each behind some missing bytes."""
    return [Chunk(a_stream(), 0, data, [0], [START_NS + at], missing) for at, (data, missing) in enumerate(said)]


def taken(framed: Framed, chunks: Sequence[Chunk]) -> list[Frame]:
    return [each for chunk in chunks for each in framed.take(chunk)]


def test_frames_do_not_depend_on_where_the_data_is_cut() -> None:
    data = b"".join(frame(bytes(random.Random(size).choices(b"abc", k=size))) for size in (3, 0, 40, 1, 18, 99, 0))
    chunks = chunks_of([(0, data)])
    whole = taken(Framed(Counted(), LIMIT_BYTES), chunks)
    assert [each.size_bytes for each in whole] == [5, 2, 42, 3, 20, 101, 2]
    assert [len(each.data) for each in whole] == [5, 2, 20, 3, 20, 20, 2]
    for seed in range(50):
        assert taken(Framed(Counted(), LIMIT_BYTES), split_anywhere(chunks, seed)) == whole


@pytest.mark.parametrize("data", [b"\xc8abc.", frame(b"abc")[:-1] + b"!"])
def test_what_is_no_frame_ends_it_or_is_passed_over(data: bytes) -> None:
    strict = Framed(Counted(), LIMIT_BYTES)
    assert taken(strict, packets((frame(b"a"), 0), (data, 0), (frame(b"b"), 0)))[0].data == b"\1a."
    assert strict.broken
    loose = Framed(Counted(), LIMIT_BYTES)
    loose.hunt()
    found = taken(loose, packets((b"\xff\xff\xff", 0), (frame(b"a"), 0), (data, 0), (b"\xff", 0), (frame(b"b"), 0)))
    assert [(each.data, each.after_gap) for each in found] == [(b"\1a.", False), (b"\1b.", True)]
    assert not loose.broken


def test_a_gap_within_a_frame_leaves_its_beginning() -> None:
    data = frame(b"x" * 12)
    (first, second) = taken(Framed(Counted(), LIMIT_BYTES), packets((data[:5], 0), (data[9:] + frame(b"y"), 4)))
    assert first == Frame(data[:5], 14, START_NS, START_NS + 1, "bytes are missing after 5", False)
    assert (second.data, second.after_gap) == (b"\1y.", False)


def test_a_gap_to_the_end_of_a_frame_ends_it() -> None:
    data = frame(b"x" * 12)
    (first, second) = taken(Framed(Counted(), LIMIT_BYTES), packets((data[:5], 0), (frame(b"y"), 9)))
    assert (first.fault, first.end_ns) == ("bytes are missing after 5", START_NS)
    assert second.data == b"\1y."


def test_a_gap_beyond_a_frame_cuts_it() -> None:
    data = frame(b"x" * 12)
    found = taken(Framed(Counted(), LIMIT_BYTES), packets((data[:5], 0), (b"\xff..", 500), (frame(b"y"), 0)))
    assert [(each.data, each.fault, each.after_gap) for each in found] == [
        (data[:5], "bytes are missing after 5", False),
        (b"\1y.", "", True),
    ]


def test_what_is_left_is_told_once_its_head_is_there() -> None:
    framed = Framed(Counted(), LIMIT_BYTES)
    assert framed.rest() is None
    taken(framed, packets((b"\x09", 0)))
    assert (framed.rest(), framed.busy) == (None, True)
    taken(framed, packets((b"ab", 0)))
    rest = framed.rest()
    assert rest is not None
    assert (rest.data, rest.size_bytes) == (b"\x09ab", 11)
    assert framed.rest() is None


def test_no_more_is_held_than_the_limit() -> None:
    framed = Framed(Counted(), LIMIT_BYTES)
    for chunk in packets((b"\x62" + b"z" * 10, 0), *[(b"zz", 0)] * 40):
        framed.take(chunk)
    assert len(framed._begun) == LIMIT_BYTES
