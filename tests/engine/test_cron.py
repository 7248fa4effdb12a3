"""Cron specs against a slow twin that looks at every second."""

from __future__ import annotations

import datetime
import random
import zoneinfo

import pytest

from engine.cron import CronError, next_after, zone_of
from engine.errors import ConfigError

NS = 1_000_000_000
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
CLOCK_CHANGES = ("2026-03-08T06", "2026-03-29T00", "2026-04-04T14", "2026-10-25T00", "2026-11-01T05")
"""Hours UTC near which some clock is put forward or back."""
RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def at(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    return int(moment.timestamp()) * NS


def field_matches(text: str, value: int, low: int, high: int, names: list[str], first: int) -> bool:
    """The obvious reading of one field, a value at a time."""
    for part in text.lower().split(","):
        body, _, step = part.partition("/")
        for number, name in enumerate(names, first):
            body = body.replace(name, str(number))
        begin, _, end = body.partition("-")
        if begin in ("*", "?"):
            start, stop = low, high
        else:
            start = int(begin)
            stop = int(end) if end else (high if step else start)
        if start <= value <= stop and (value - start) % int(step or 1) == 0:
            return True
    return False


def slow_matches(spec: str, moment: datetime.datetime) -> bool:
    second, minute, hour, day, month, weekday = spec.split()
    if not (
        field_matches(second, moment.second, 0, 59, [], 0)
        and field_matches(minute, moment.minute, 0, 59, [], 0)
        and field_matches(hour, moment.hour, 0, 23, [], 0)
        and field_matches(month, moment.month, 1, 12, MONTHS, 1)
    ):
        return False
    on_day = field_matches(day, moment.day, 1, 31, [], 0)
    sunday_first = moment.isoweekday() % 7
    on_weekday = any(
        field_matches(weekday, number, 0, 7, DAYS, 0)
        for number in {sunday_first, 7 if sunday_first == 0 else 0}
        if number % 7 == sunday_first
    )
    if day in "*?" or weekday in "*?":
        return on_day and on_weekday
    return on_day or on_weekday


def slow_next(spec: str, wall_ns: int, seconds: int) -> int | None:
    """Look at every second, one after the other."""
    start = wall_ns // NS + 1
    for second in range(start, start + seconds):
        if slow_matches(spec, datetime.datetime.fromtimestamp(second, datetime.UTC)):
            return second * NS
    return None


def random_field(rng: random.Random, low: int, high: int) -> str:
    first, last = sorted((rng.randint(low, high), rng.randint(low, high)))
    step = rng.randint(1, 20)
    forms = ["*", "*", "*", f"*/{step}", f"{first}-{last}", f"{first}-{last}/{step}", str(first), f"{first},{last}"]
    return rng.choice([*forms, f"{first}/{step}"])


@pytest.mark.parametrize("seed", range(60))
def test_next_after_agrees_with_looking_at_every_second(seed: int) -> None:
    rng = random.Random(seed)
    fields = [random_field(rng, low, high) for low, high in RANGES]
    if rng.random() < 0.6:
        fields[2:] = ["*", "*", "*", "*"]
    spec = " ".join(fields)
    start = at("2024-02-27T23:50:00") + rng.randrange(4 * 86_400 * NS)
    slow = slow_next(spec, start, 20_000)
    if slow is None:
        assert next_after(spec, start) > start + 20_000 * NS - NS
    else:
        assert next_after(spec, start) == slow


@pytest.mark.parametrize("seed", range(40))
def test_days_agree_with_looking_at_every_day(seed: int) -> None:
    rng = random.Random(seed)
    day, month, weekday = (random_field(rng, low, high) for low, high in RANGES[3:])
    spec = f"0 0 12 {day} {month} {weekday}"
    start = at("2023-01-01T12:00:00") + rng.randrange(1000) * 86_400 * NS
    for later in range(1, 800):
        moment = start + later * 86_400 * NS
        if slow_matches(spec, datetime.datetime.fromtimestamp(moment // NS, datetime.UTC)):
            assert next_after(spec, start) == moment
            return


@pytest.mark.parametrize(
    ("spec", "after", "due"),
    [
        ("*/5 * * * * *", "2026-11-20T10:30:00", "2026-11-20T10:30:05"),
        ("*/60 * * * * *", "2026-11-20T10:30:00", "2026-11-20T10:31:00"),
        ("*/60 * * * * *", "2026-11-20T10:30:01", "2026-11-20T10:31:00"),
        ("0 */1 * * * *", "2026-11-20T10:30:59", "2026-11-20T10:31:00"),
        ("0 0 * * * *", "2026-12-31T23:59:59", "2027-01-01T00:00:00"),
        ("20 * * * * *", "2026-11-20T10:30:20", "2026-11-20T10:31:20"),
        ("* * * * * *", "2026-11-20T10:30:20", "2026-11-20T10:30:21"),
        ("0 0 3 ? * MON-FRI", "2026-11-20T10:00:00", "2026-11-23T03:00:00"),
        ("0 0 0 29 feb *", "2096-02-29T00:00:00", "2104-02-29T00:00:00"),
        ("0 0 0 1 * sun", "2026-11-20T10:00:00", "2026-11-22T00:00:00"),
        ("0 0 0 * * 7", "2026-11-20T10:00:00", "2026-11-22T00:00:00"),
        ("30 15,45 8-10/2 * Jan,jul *", "2026-11-20T10:00:00", "2027-01-01T08:15:30"),
        ("0 50/5 * * * *", "2026-11-20T10:30:00", "2026-11-20T10:50:00"),
    ],
)
def test_known_specs(spec: str, after: str, due: str) -> None:
    assert next_after(spec, at(after)) == at(due)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("* * * * *", "expected six fields"),
        ("", "got '0 fields'"),
        ("61 * * * * *", "second from 0 to 59, got '61'"),
        ("0 0 0 0 * *", "day of month from 1 to 31, got '0'"),
        ("0 0 0 * 13 *", "month from 1 to 12, got '13'"),
        ("0 0 0 * * funday", "day of week from 0 to 7, got 'funday'"),
        ("0 0 0 30 2 *", "a day that exists, got '30 2 *'"),
        ("0 0 0 31 4,6,9,11 *", "a day that exists"),
        ("*/0 * * * * *", "a step of at least 1"),
        ("50-10 * * * * *", "a range that goes up"),
        ("1,,2 * * * * *", "second as *, a number"),
        ("*-5 * * * * *", "second as *, a number"),
        ("-5 * * * * *", "second as *, a number"),
        ("² * * * * *", "second as *, a number"),
        ("1e3 * * * * *", "second from 0 to 59, got '1e3'"),
        ("@hourly", "expected six fields"),
    ],
)
def test_a_mistake_is_named(spec: str, reason: str) -> None:
    with pytest.raises(CronError, match=r"^cron ") as caught:
        next_after(spec, at("2026-11-20T10:00:00"))
    assert reason in str(caught.value)


def test_a_moment_within_a_second_counts_as_that_second() -> None:
    assert next_after("* * * * * *", 5 * NS + 999_999_999) == 6 * NS


def test_a_long_spec_is_refused_unread() -> None:
    with pytest.raises(CronError, match="at most 256 characters, got '20011'"):
        next_after(",".join(["1"] * 10_000) + " " + "* " * 5 + " ", 0)


def slow_next_within(spec: str, wall_ns: int, zone: zoneinfo.ZoneInfo, seconds: int) -> int | None:
    moment = datetime.datetime.fromtimestamp(wall_ns // NS, datetime.UTC)
    for _ in range(seconds):
        moment += datetime.timedelta(seconds=1)
        if slow_matches(spec, moment.astimezone(zone)):
            return int(moment.timestamp()) * NS
    return None


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
@pytest.mark.parametrize(
    "change", ["2026-03-08T06", "2026-03-29T00", "2026-04-04T14", "2026-10-25T00", "2026-11-01T05"]
)
def test_a_clock_that_is_put_forward_or_back_agrees_with_the_slow_twin(zone: str, change: str) -> None:
    rng = random.Random(f"{zone}{change}")
    place = zoneinfo.ZoneInfo(zone)
    for _ in range(4):
        hour = rng.choice(["*", "1", "2", "1-3", "*/2"])
        spec = f"{rng.choice(['0', '*/20', '59'])} {rng.choice(['*', '30', '0', '*/45'])} {hour} * * *"
        now = at(f"{change}:00:00") + rng.randrange(-3600, 3 * 3600) * NS
        due = next_after(spec, now, place)
        assert (due if due - now <= 5000 * NS else None) == slow_next_within(spec, now, place, 5000), (spec, now)


def test_a_job_at_a_fixed_time_follows_the_clock_on_the_wall() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    assert next_after("0 0 9 * * *", at("2026-03-28T12:00:00"), berlin) == at("2026-03-29T07:00:00")
    assert next_after("0 0 9 * * *", at("2026-10-24T12:00:00"), berlin) == at("2026-10-25T08:00:00")
    assert next_after("0 0 0 1 7 *", at("2026-01-01T00:00:00"), berlin) == at("2026-06-30T22:00:00")


def test_the_hour_that_is_skipped_does_not_come_and_the_one_that_comes_twice_does() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    assert next_after("0 30 2 * * *", at("2026-03-28T12:00:00"), berlin) == at("2026-03-30T00:30:00")
    first = next_after("0 30 2 * * *", at("2026-10-24T12:00:00"), berlin)
    assert (first, next_after("0 30 2 * * *", first, berlin)) == (at("2026-10-25T00:30:00"), at("2026-10-25T01:30:00"))


@pytest.mark.parametrize("name", ["Europe/Nowhere", "", "../../etc/passwd", "/etc/localtime", "a\0b", "+01:00"])
def test_a_zone_that_is_none_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=r"tap\.timezone: expected a time zone such as UTC"):
        zone_of(name)
