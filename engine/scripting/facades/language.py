"""``json``, ``time`` and ``math``: the few functions of those modules that scripts use, without the modules."""

from __future__ import annotations

import json
import math
import time
from typing import Any

from engine.scripting.calls import HelperError
from engine.scripting.facades.facade import Facade
from engine.scripting.plain import NotPlain, plain


class Json(Facade):
    """Text to values and back."""

    __slots__ = ()

    def loads(self, text: str) -> Any:
        """The value that ``text`` says.

        Raises:
            HelperError: it is no JSON.
        """
        try:
            return json.loads(text)
        except (ValueError, TypeError) as error:
            raise HelperError(f"json.loads: {error}") from None

    def dumps(self, value: Any, indent: int | None = None) -> str:
        """``value`` as text; items and records are objects.

        Raises:
            HelperError: it holds something that JSON has no word for.
        """
        try:
            return json.dumps(plain(value), indent=indent, ensure_ascii=False)
        except (NotPlain, ValueError, TypeError) as error:
            raise HelperError(f"json.dumps: {error}") from None


class Time(Facade):
    """The wall clock, UTC."""

    __slots__ = ()

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def time_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        """Wait. Costs no CPU, but counts towards the wall time of the call."""
        time.sleep(seconds)


class Math(Facade):
    """Functions of numbers."""

    __slots__ = ()

    pi = math.pi
    e = math.e
    inf = math.inf
    nan = math.nan
    ceil = staticmethod(math.ceil)
    floor = staticmethod(math.floor)
    trunc = staticmethod(math.trunc)
    fabs = staticmethod(math.fabs)
    fmod = staticmethod(math.fmod)
    fsum = staticmethod(math.fsum)
    sqrt = staticmethod(math.sqrt)
    pow = staticmethod(math.pow)
    exp = staticmethod(math.exp)
    log = staticmethod(math.log)
    log2 = staticmethod(math.log2)
    log10 = staticmethod(math.log10)
    sin = staticmethod(math.sin)
    cos = staticmethod(math.cos)
    tan = staticmethod(math.tan)
    atan2 = staticmethod(math.atan2)
    hypot = staticmethod(math.hypot)
    isnan = staticmethod(math.isnan)
    isinf = staticmethod(math.isinf)
    isfinite = staticmethod(math.isfinite)
    isclose = staticmethod(math.isclose)
