"""How long to wait before trying again. Pure."""

from __future__ import annotations

from collections.abc import Callable

FIRST_S = 1.0
LONGEST_S = 60.0
CONFIGURATION_S = 60.0
"""After an error that a person must put right: soon enough to notice, seldom enough not to lock an account."""


def delay_s(failures: int, random: Callable[[], float]) -> float:
    """Full jitter: anything up to a bound that doubles with each failure, so that many who failed together part.

    Args:
        failures: in a row, at least 1.
        random: gives numbers from 0 to 1.
    """
    return random() * min(LONGEST_S, FIRST_S * 2.0 ** min(failures - 1, 16))
