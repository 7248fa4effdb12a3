"""``json``, ``time`` and ``math``: what scripts use of those modules, without the modules; there without an import."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

from engine.scripting.calls import HelperError
from engine.scripting.facades.env import Env
from engine.scripting.facades.facade import Facade
from hooks.items import Item
from hooks.records import Headers, Record


class JSONDecodeError(HelperError, ValueError):
    """A text that is no JSON."""


class Json(Facade):
    """Text to values and back."""

    __slots__ = ()

    JSONDecodeError = JSONDecodeError

    def loads(self, text: str | bytes) -> Any:
        """The value that ``text`` says.

        Raises:
            JSONDecodeError: it is no JSON.
        """
        try:
            return json.loads(text)
        except (ValueError, TypeError) as error:
            raise JSONDecodeError(f"json.loads: {error}") from None

    def dumps(
        self,
        value: Any,
        *,
        indent: int | str | None = None,
        sort_keys: bool = False,
        separators: tuple[str, str] | None = None,
        default: Callable[[Any], Any] | None = None,
        ensure_ascii: bool = False,
    ) -> str:
        """``value`` as text; items and records are objects. ``default`` says what to write for other types.

        Raises:
            HelperError: it holds something that JSON has no word for.
        """
        try:
            return json.dumps(
                value,
                indent=indent,
                sort_keys=sort_keys,
                separators=separators,
                default=lambda other: _as_object(other, default),
                ensure_ascii=ensure_ascii,
            )
        except (ValueError, TypeError) as error:
            raise HelperError(f"json.dumps: {error}") from None


def _as_object(value: Any, default: Callable[[Any], Any] | None) -> Any:
    if type(value) in (Item, Record, Headers):
        return value.as_dict()
    if type(value) is Env:
        return dict(value)
    if type(value) in (set, frozenset):
        return list(value)
    if default is not None:
        return default(value)
    raise TypeError(f"expected numbers, text, lists and dicts, got {type(value).__name__}")


class Time(Facade):
    """The clock; the time zone is UTC."""

    __slots__ = ()

    time_ns = staticmethod(time.time_ns)
    monotonic = staticmethod(time.monotonic)
    monotonic_ns = staticmethod(time.monotonic_ns)
    perf_counter = staticmethod(time.perf_counter)
    perf_counter_ns = staticmethod(time.perf_counter_ns)
    process_time = staticmethod(time.process_time)
    sleep = staticmethod(time.sleep)
    gmtime = staticmethod(time.gmtime)
    localtime = staticmethod(time.gmtime)
    strftime = staticmethod(time.strftime)
    strptime = staticmethod(time.strptime)
    time = staticmethod(time.time)  # last: from here on the name is taken


class Math(Facade):
    """Functions of numbers."""

    __slots__ = ()

    pi = math.pi
    e = math.e
    tau = math.tau
    inf = math.inf
    nan = math.nan
    ceil = staticmethod(math.ceil)
    floor = staticmethod(math.floor)
    trunc = staticmethod(math.trunc)
    fabs = staticmethod(math.fabs)
    fmod = staticmethod(math.fmod)
    fsum = staticmethod(math.fsum)
    prod = staticmethod(math.prod)
    sqrt = staticmethod(math.sqrt)
    isqrt = staticmethod(math.isqrt)
    gcd = staticmethod(math.gcd)
    lcm = staticmethod(math.lcm)
    comb = staticmethod(math.comb)
    factorial = staticmethod(math.factorial)
    pow = staticmethod(math.pow)
    exp = staticmethod(math.exp)
    log = staticmethod(math.log)
    log1p = staticmethod(math.log1p)
    log2 = staticmethod(math.log2)
    log10 = staticmethod(math.log10)
    sin = staticmethod(math.sin)
    cos = staticmethod(math.cos)
    tan = staticmethod(math.tan)
    asin = staticmethod(math.asin)
    acos = staticmethod(math.acos)
    atan = staticmethod(math.atan)
    atan2 = staticmethod(math.atan2)
    degrees = staticmethod(math.degrees)
    radians = staticmethod(math.radians)
    hypot = staticmethod(math.hypot)
    dist = staticmethod(math.dist)
    copysign = staticmethod(math.copysign)
    isnan = staticmethod(math.isnan)
    isinf = staticmethod(math.isinf)
    isfinite = staticmethod(math.isfinite)
    isclose = staticmethod(math.isclose)
