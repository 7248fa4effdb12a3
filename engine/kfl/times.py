"""Moments and spans as filters write them. Milliseconds since the epoch, UTC; the current time is an argument."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

DAY_MS = 86_400_000
SPANS_MS = {
    "seconds": 1000,
    "minutes": 60_000,
    "hours": 3_600_000,
    "days": DAY_MS,
    "weeks": 7 * DAY_MS,
    "months": 30 * DAY_MS,
    "years": 365 * DAY_MS,
}
"""What ``seconds(1)`` ... ``years(1)`` add to the current time: months have 30 days and years 365, as in Kubeshark."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KUBESHARK = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}), (\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))? (AM|PM)", re.ASCII)
_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", re.ASCII)
_UNIT_NS = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}


def datetime_ms(text: str) -> int | None:
    """``10/19/2021, 6:29:02 PM``, with or without a fraction of a second, UTC; None if it is none."""
    found = _KUBESHARK.fullmatch(text)
    if found is None or not 1 <= int(found[4]) <= 12:
        return None
    month, day, year, hour, minute, second = (int(part) for part in found.groups()[:6])
    at = _moment((year, month, day, hour % 12 + 12 * (found[8] == "PM"), minute, second))
    return None if at is None else at // 1_000_000 + _fraction_ns(found[7]) // 1_000_000


def timestamp_ns(text: str) -> int | None:
    """``2026-03-14T22:00:00Z`` (RFC 3339) in nanoseconds since the epoch; None if it is none."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        return None
    at = _moment(tuple(int(part) for part in found.groups()[:6]))
    if at is None:
        return None
    zone = found[8]
    offset_s = 0 if zone in "Zz" else (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60) * (-1 if zone[0] == "-" else 1)
    return at + _fraction_ns(found[7]) - offset_s * 1_000_000_000


def duration_ns(text: str) -> int | None:
    """``1h30m``, ``-250ms``, ``0`` in nanoseconds, as Go writes durations; None if it is none."""
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    parts = _DURATION.findall(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest or len(rest) > 100:
        return None
    return sign * sum(_scaled(number, _UNIT_NS[unit]) for number, unit in parts)


def _scaled(number: str, unit_ns: int) -> int:
    whole, _, part = number.partition(".")
    return int(whole or 0) * unit_ns + int(part or 0) * unit_ns // int("1" + "0" * len(part))


def _moment(parts: tuple[int, ...]) -> int | None:
    """Nanoseconds since the epoch of ``(year, month, day, hour, minute, second)``; None where there is no such time."""
    year, month, day, hour, minute, second = parts
    try:
        at = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return (at - _EPOCH) // timedelta(seconds=1) * 1_000_000_000


def _fraction_ns(digits: str | None) -> int:
    return int((digits or "0").ljust(9, "0"))
