"""The public face: dialects, limits, recordings, the clock."""

from __future__ import annotations

from typing import Any

import pytest

from engine import kfl

HTTP: dict[str, Any] = {
    "protocol": {"name": "http", "abbr": "HTTP"},
    "timestamp": 1_000_000,
    "response": {"status": 500},
}


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("", "kfl"),
        ("http", "kfl"),
        ("response.status == 500", "kfl"),
        ("src.port > 80", "kfl"),
        ("http && dns", "kfl2"),
        ("!http || dns", "kfl2"),
        ("status_code == 500", "kfl2"),
        ('path.startsWith("/")', "kfl2"),
        ('"a" in request.headers', "kfl2"),
        ("size(path) > 3", "kfl2"),
        ('timestamp > timestamp("2026-01-01T00:00:00Z")', "kfl2"),
        ("src.port + 1 == 81", "kfl2"),
        ("http ? true : false", "kfl2"),
    ],
)
def test_auto_is_kfl_where_it_parses_as_that(text: str, dialect: Any) -> None:
    assert kfl.compile(text).dialect == dialect
    assert kfl.compile(text, dialect).dialect == dialect


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("htpp and dns", "unknown field 'htpp'; did you mean 'http'?"),
        ("htpp && dns", "unknown variable 'htpp'; did you mean 'http'?"),
        ('src.name == r"("', "bad regular expression: missing ): ("),
        ("http and (", "the filter ends too early"),
        ("http && (", "the filter ends too early"),
        ("http and status_cod == 500", "unknown field 'status_cod'; did you mean 'response.status'?"),
        ('protocol == "http"', "'protocol' is an object; compare one of its fields, such as protocol.name"),
    ],
)
def test_what_is_neither_is_blamed_as_what_it_looks_like(text: str, reason: str) -> None:
    with pytest.raises(kfl.KflError) as caught:
        kfl.compile(text)
    assert caught.value.reason == reason


def test_a_dialect_can_be_insisted_on() -> None:
    with pytest.raises(kfl.KflError, match="write 'and'"):
        kfl.compile("http && dns", "kfl")
    with pytest.raises(kfl.KflError, match="write &&"):
        kfl.compile("http and dns", "kfl2")


@pytest.mark.parametrize(
    ("text", "limit"),
    [("http", None), ("limit(5)", 5), ("http and limit(0) and (limit(7) or limit(3))", 7), ("limit(0)", None)],
)
def test_limit_is_the_leftmost_that_is_not_zero(text: str, limit: int | None) -> None:
    assert kfl.compile(text).limit == limit


def test_record_asks_what_the_item_belongs_to() -> None:
    one = kfl.compile('record("a") and !record("b")')
    assert one.recordings == {"a", "b"}
    assert [one.matches({}, names) for names in ((), {"a"}, ["a", "b"], {"b": 1})] == [False, True, False, False]
    assert one.apply({}, {"a"}) == (True, {})


def test_now_is_asked_for_each_item() -> None:
    times = iter([999_999, 1_000_000, 1_000_001, 1_000_000 + 60_000, 1_000_001 + 60_000])
    one = kfl.compile("timestamp < now()", clock=lambda: next(times))
    assert [one.matches(HTTP) for _ in range(3)] == [False, False, True]
    one = kfl.compile("timestamp >= minutes(-1)", clock=lambda: next(times))
    assert [one.matches(HTTP) for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("name", "ms"),
    [
        ("seconds", 1000),
        ("hours", 3_600_000),
        ("weeks", 604_800_000),
        ("months", 2_592_000_000),
        ("years", 31_536_000_000),
    ],
)
def test_spans_are_counted_in_milliseconds(name: str, ms: int) -> None:
    assert kfl.compile(f"timestamp == {name}(-1.5)", clock=lambda: 1_000_000 + ms * 3 // 2).matches(HTTP)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("10/19/2021, 6:29:02 PM", 1634668142000),
        ("10/19/2021, 6:29:02.250 PM", 1634668142250),
        ("1/1/1970, 12:00:00 AM", 0),
        ("1/1/1970, 12:00:01 PM", 43_201_000),
    ],
)
def test_datetime_reads_what_is_documented(text: str, ms: int) -> None:
    assert kfl.compile(f'timestamp == datetime("{text}")').matches({"timestamp": ms})


def test_other_clocks_and_dialects_make_other_filters() -> None:
    assert kfl.compile("dns") is kfl.compile("dns")
    assert kfl.compile("dns") is not kfl.compile("dns", "kfl2")
    assert kfl.compile("dns") is not kfl.compile("dns", clock=lambda: 0)


@pytest.mark.parametrize("bad", ["2/30/2021, 1:00:00 AM", "1/1/2021, 13:00:00 AM", "2021-01-01", ""])
def test_a_time_that_does_not_exist_is_an_error(bad: str) -> None:
    with pytest.raises(kfl.KflError, match="'datetime' takes a time"):
        kfl.compile(f'timestamp > datetime("{bad}")')
