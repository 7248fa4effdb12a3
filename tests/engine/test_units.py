from __future__ import annotations

import pytest

from engine.errors import ConfigError
from engine.units import format_bytes, format_duration, parse_duration_s, parse_size_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1h30m", 5400), ("250ms", 0.25), ("0", 0), ("2d", 172800), (5, 5), ("1.5m", 90)],
    ids=str,
)
def test_durations_are_read_as_people_write_them(text: str | float, seconds: float) -> None:
    assert parse_duration_s("x", text) == seconds


@pytest.mark.parametrize("text", ["", "10 parsecs", "s", "-1s", "1h x", True, None, "1s1"], ids=str)
def test_what_is_no_duration_is_refused_with_the_place(text: str) -> None:
    with pytest.raises(ConfigError, match=r"tap\.x: expected a duration such as '10s', got"):
        parse_duration_s("tap.x", text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500Mi", 500 << 20),
        ("50MB", 50_000_000),
        ("1Gi", 1 << 30),
        ("7", 7),
        (7, 7),
        ("1.5Ki", 1536),
        ("2 GiB", 2 << 30),
    ],
    ids=str,
)
def test_sizes_are_read_as_people_write_them(text: str | int, size: int) -> None:
    assert parse_size_bytes("x", text) == size


@pytest.mark.parametrize("text", ["", "Mi", "5 apples", "-5Mi"], ids=str)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a size such as '500Mi'"):
        parse_size_bytes("x", text)


@pytest.mark.parametrize("seconds", [0, 0.25, 1, 59, 60, 61, 3600, 5400, 86399, 100000])
def test_a_formatted_duration_reads_back(seconds: float) -> None:
    assert parse_duration_s("x", format_duration(seconds)) == seconds


def test_bytes_are_shown_in_binary_units() -> None:
    assert [format_bytes(n) for n in (5, 1536, 5 << 20, 3 << 40)] == ["5 B", "1.5 KiB", "5.0 MiB", "3.0 TiB"]
