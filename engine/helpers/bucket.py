"""How often something may happen: a token bucket. Pure: the time is an argument."""

from __future__ import annotations


class TokenBucket:
    """``rate`` a second, as many at once."""

    def __init__(self, rate: float) -> None:
        self._rate, self._tokens, self._then_s = rate, rate, 0.0

    def take(self, now_s: float) -> bool:
        """Whether there is one; then it is taken."""
        if self._then_s:
            self._tokens = min(self._rate, self._tokens + (now_s - self._then_s) * self._rate)
        self._then_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def due_s(self) -> float:
        """When there is one again."""
        return self._then_s + max(0.0, (1 - self._tokens) / self._rate)
