"""What is held for later: islands of pieces, the first one wins."""

from __future__ import annotations

import random

import pytest

from engine.streams.holding import PIECE_COST_BYTES, Hold, Piece


@pytest.mark.parametrize("seed", range(50))
def test_islands_agree_with_a_dictionary(seed: int) -> None:
    chance = random.Random(seed)
    hold, seen = Hold(), dict[int, int]()
    for _ in range(chance.randrange(1, 60)):
        start = chance.randrange(200)
        data = chance.randbytes(chance.randrange(1, 20))
        before = len(seen)
        for offset, value in enumerate(data):
            seen.setdefault(start + offset, value)
        assert hold.insert(Piece(start, start + len(data), data, 0)) == len(seen) - before
    assert hold.bytes == len(seen)
    found: dict[int, int] = {}
    end = -1
    while hold.islands:
        island = hold.take_first()
        assert island.start > end
        end = island.end
        data = b"".join(piece.data for piece in island.pieces)
        assert len(data) == island.end - island.start
        found.update(enumerate(data, island.start))
    assert found == seen
    assert (hold.bytes, hold.cost) == (0, 0)


def test_pieces_cost_more_than_their_bytes() -> None:
    hold = Hold()
    for position in range(0, 100, 2):
        hold.insert(Piece(position, position + 1, b"x", 0))
    assert (hold.bytes, hold.cost) == (50, 50 + 50 * PIECE_COST_BYTES)


@pytest.mark.parametrize("descending", [True, False])
def test_many_pieces_make_one_island_whichever_way_they_come(descending: bool) -> None:
    hold = Hold()
    for position in sorted(range(5000), reverse=descending):
        hold.insert(Piece(position, position + 1, b"x", position))
    assert [(island.start, island.end, len(island.pieces)) for island in hold.islands] == [(0, 5000, 5000)]


def test_bytes_of_a_hole_are_late_once_and_only_where_they_overlap() -> None:
    hold = Hold()
    hold.give_up(100, 110, by_limit=False)
    hold.give_up(120, 130, by_limit=True)
    assert hold.missing == 20
    assert hold.late(90, 100) == (0, 0)
    assert hold.late(104, 125) == (6, 5)
    assert hold.late(100, 130) == (4, 5)
    assert hold.late(100, 130) == (0, 0)
