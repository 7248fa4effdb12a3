"""A slice of ``python -m tests.fuzz.filters``, for every run of the tests."""

from __future__ import annotations

import pytest

from tests.fuzz.filters import fuzz


@pytest.mark.slow
def test_damaged_filters_end_in_a_filter_or_an_error() -> None:
    became = fuzz(1500, 7)
    assert became.total() == 1500
    assert min(became[name] for name in ("kfl", "kfl2", "error")) > 50
