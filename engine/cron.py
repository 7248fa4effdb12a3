"""When a cron spec with seconds falls due: six fields, ``sec min hour dom mon dow``. Pure.

Lists, ranges, steps and English names; ``*/60`` is second 0, as public scripts expect; ``?`` is ``*``. Where both day
fields are restricted, either may match, as in every cron since Vixie's. ``7`` is Sunday too.
"""

from __future__ import annotations

import datetime
import functools
import re
import zoneinfo
from collections.abc import Iterator
from typing import NamedTuple

from engine.errors import ConfigError, ScriptError

_NS = 1_000_000_000
_DAY_S = 86_400
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_SEARCH_DAYS = 366 * 9
"""29 February, the rarest day there is, is never further away than eight years."""

MAX_SPEC_CHARACTERS = 256

_MONTHS = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10}
_MONTHS |= {"nov": 11, "dec": 12}
_WEEKDAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_PART = re.compile(r"(?P<first>\*|\?|\w+)(-(?P<last>\w+))?(/(?P<step>\d{1,9}))?", re.ASCII)


class CronError(ScriptError):
    """A cron spec that says nothing, or never comes true."""

    def __init__(self, spec: str, expected: str, found: str) -> None:
        super().__init__(f"cron {spec!r}: expected {expected}, got {found!r}")


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: dict[str, int]


_FIELDS = (
    _Field("second", 0, 59, {}),
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of month", 1, 31, {}),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _WEEKDAYS),
)


class Cron(NamedTuple):
    """A parsed spec: the values at which each field matches, in order."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int] | None
    """Days of the month; None where any day will do."""
    months: frozenset[int]
    weekdays: frozenset[int] | None
    """0 is Sunday; None where any day will do."""

    def matches_day(self, day: datetime.date) -> bool:
        """Whether it falls due on ``day`` at all."""
        if day.month not in self.months:
            return False
        if self.days is None or self.weekdays is None:
            return (self.days is None or day.day in self.days) and (
                self.weekdays is None or day.isoweekday() % 7 in self.weekdays
            )
        return day.day in self.days or day.isoweekday() % 7 in self.weekdays


def next_after(spec: str, wall_ns: int, zone: datetime.tzinfo = datetime.UTC) -> int:
    """The first moment strictly after ``wall_ns`` at which ``spec`` is due; both in nanoseconds since the epoch.

    Args:
        spec: six fields.
        wall_ns: now.
        zone: whose clock on the wall the fields mean. Where it skips an hour, what is due then does not run; where it
            shows an hour twice, it runs twice.

    Raises:
        CronError: not a cron spec, or one that never comes true.
    """
    cron, after_s = parse(spec), wall_ns // _NS
    offset_s = _offset_s(zone, after_s)
    while True:
        due_s = _next_local(cron, spec, after_s + offset_s) - offset_s
        if _offset_s(zone, due_s) == offset_s:
            return due_s * _NS
        change_s = _change(zone, after_s, due_s, offset_s)  # nothing is due before it
        after_s, offset_s = change_s - 1, _offset_s(zone, change_s)


def zone_of(name: str) -> datetime.tzinfo:
    """A time zone of the IANA database.

    Raises:
        ConfigError: this machine does not know it.
    """
    if name.upper() == "UTC":
        return datetime.UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        hint = "Debian's package tzdata brings the names"
        raise ConfigError("tap.timezone", "a time zone such as UTC or Europe/Berlin", name, hint) from None


def _offset_s(zone: datetime.tzinfo, moment_s: int) -> int:
    """How far the zone is ahead of UTC at a moment."""
    if zone is datetime.UTC:
        return 0
    offset = datetime.datetime.fromtimestamp(moment_s, zone).utcoffset()
    assert offset is not None, "of a moment with a zone"
    return int(offset.total_seconds())


def _change(zone: datetime.tzinfo, before_s: int, after_s: int, offset_s: int) -> int:
    """A moment between two others at which the zone's offset changes from ``offset_s`` to another."""
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if _offset_s(zone, middle_s) == offset_s:
            before_s = middle_s
        else:
            after_s = middle_s
    return after_s


def _next_local(cron: Cron, spec: str, after_s: int) -> int:
    """The first due second strictly after another, both counted as if the clock on the wall were UTC."""
    day, second = divmod(after_s + 1, _DAY_S)
    for later in range(_SEARCH_DAYS):
        if cron.matches_day(datetime.date.fromordinal(_EPOCH + day + later)):
            due = _next_in_day(cron, second if later == 0 else 0)
            if due is not None:
                return (day + later) * _DAY_S + due
    raise CronError(spec, "a day that exists", " ".join(spec.split()[3:]))


def _next_in_day(cron: Cron, from_second: int) -> int | None:
    """The first due second of a day at or after ``from_second``."""
    for hour in cron.hours:
        if hour < from_second // 3600:
            continue
        for minute in cron.minutes:
            start = hour * 3600 + minute * 60
            if start + 59 < from_second:
                continue
            for second in cron.seconds:
                if start + second >= from_second:
                    return start + second
    return None


@functools.lru_cache(maxsize=1024)
def parse(spec: str) -> Cron:
    """The fields of ``spec``.

    Raises:
        CronError: not six fields, or a field that is none. A day that never comes is found by ``next_after``.
    """
    if len(spec) > MAX_SPEC_CHARACTERS:
        raise CronError(spec[:40] + "…", f"at most {MAX_SPEC_CHARACTERS} characters", str(len(spec)))
    texts = spec.split()
    if len(texts) != len(_FIELDS):
        hint = "six fields, seconds first, such as '0 */5 * * * *'"
        raise CronError(spec, hint, f"{len(texts)} fields")
    fields = [frozenset(_values(spec, field, text)) for field, text in zip(_FIELDS, texts, strict=True)]
    seconds, minutes, hours = (tuple(sorted(values)) for values in fields[:3])
    return Cron(
        seconds,
        minutes,
        hours,
        None if texts[3] in ("*", "?") else fields[3],
        fields[4],
        None if texts[5] in ("*", "?") else frozenset(value % 7 for value in fields[5]),
    )


def _values(spec: str, field: _Field, text: str) -> Iterator[int]:
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if not match:
            raise CronError(spec, f"{field.name} as *, a number, a range or a step", part)
        first, last, step = match["first"], match["last"], match["step"]
        if first in ("*", "?"):
            if last is not None:
                raise CronError(spec, f"{field.name} as *, a number, a range or a step", part)
            low, high = field.low, field.high
        else:
            low = _number(spec, field, first)
            high = _number(spec, field, last) if last is not None else (field.high if step else low)
        if low > high or (step is not None and int(step) == 0):
            raise CronError(spec, f"{field.name} with a range that goes up and a step of at least 1", part)
        yield from range(low, high + 1, int(step or 1))


def _number(spec: str, field: _Field, text: str) -> int:
    known = field.names.get(text.lower())
    if known is not None:
        return known
    if not re.fullmatch(r"[0-9]{1,4}", text) or not field.low <= int(text) <= field.high:
        raise CronError(spec, f"{field.name} from {field.low} to {field.high}", text)
    return int(text)
