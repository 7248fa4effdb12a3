from __future__ import annotations

import pytest

from engine.shipping.backoff import LONGEST_S, delay_s


@pytest.mark.parametrize(("failures", "bound_s"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (10_000, 60)])
def test_the_bound_doubles_up_to_a_minute_and_everything_below_it_is_possible(failures: int, bound_s: float) -> None:
    assert delay_s(failures, lambda: 0.0) == 0.0
    assert delay_s(failures, lambda: 0.5) == bound_s / 2
    assert delay_s(failures, lambda: 1.0) == bound_s <= LONGEST_S
