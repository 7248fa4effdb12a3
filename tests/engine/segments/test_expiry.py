from __future__ import annotations

import random

import pytest

from engine.segments.expiry import Holds


def test_the_last_packet_counts() -> None:
    holds = Holds(10.0, 60.0)
    holds.read([1, 2], 0.0)
    holds.read([2], 4.0)
    assert (holds.due_s({1}), holds.due_s({1, 2})) == (10.0, 14.0)


def test_a_stream_with_an_error_stays_longer() -> None:
    holds = Holds(10.0, 60.0)
    holds.read([1, 2], 0.0)
    holds.error(1)
    assert (holds.due_s({2}), holds.due_s({1, 2})) == (10.0, 60.0)


def test_an_error_never_shortens_the_ttl() -> None:
    holds = Holds(10.0, 1.0)
    holds.read([1], 0.0)
    holds.error(1)
    assert holds.due_s({1}) == 10.0


def test_leases_are_counted() -> None:
    holds = Holds(10.0, 60.0)
    holds.lease(1)
    holds.lease(1)
    holds.release(1)
    assert holds.leased({1, 2})
    holds.release(1)
    assert not holds.leased({1, 2})
    with pytest.raises(KeyError):
        holds.release(1)


def test_the_ttl_begins_again_with_the_last_release() -> None:
    holds = Holds(10.0, 60.0)
    holds.read([1], 0.0)
    holds.lease(1)
    holds.release(1)
    holds.settle(25.0)
    assert holds.due_s({1}) == 35.0
    holds.settle(30.0)
    assert holds.due_s({1}) == 35.0


def test_nothing_known_is_long_past() -> None:
    holds = Holds(10.0, 60.0)
    holds.read([1], 5.0)
    holds.error(1)
    assert holds.young({1}, 64.0) == {1}
    assert holds.young({1}, 65.0) == set()
    holds.forget({1})
    holds.error(1)
    assert holds.due_s({1, 9}) < 0
    assert not holds.errors


@pytest.mark.parametrize("seed", range(20))
def test_due_is_the_latest_of_all_streams(seed: int) -> None:
    rng = random.Random(seed)
    holds, read_s, errors = Holds(10.0, 60.0), {}, set()
    for now_s in range(30):
        stream = rng.randint(1, 8)
        holds.read([stream], now_s)
        read_s[stream] = now_s
        if rng.random() < 0.2:
            holds.error(stream)
            errors.add(stream)
    some = set(rng.sample(sorted(read_s), 3))
    assert holds.due_s(some) == max(read_s[stream] + (60 if stream in errors else 10) for stream in some)


def test_a_stream_is_young_until_its_own_ttl_has_passed() -> None:
    holds = Holds(10.0, 60.0)
    holds.read([1, 2, 3], 0.0)
    holds.read([2], 10.0)
    holds.error(3)
    assert holds.young({1, 2, 3, 4}, 15.0) == {2, 3}
    assert holds.young({1, 2, 3, 4}, 60.0) == set()


def test_packets_have_a_ttl_of_their_own() -> None:
    holds = Holds(10.0, 60.0)
    holds.read([1, 2], 100.0)
    holds.error(2)
    assert (holds.packets_due_s({1}, 5.0), holds.packets_due_s({1, 2}, 5.0)) == (15.0, 65.0)
