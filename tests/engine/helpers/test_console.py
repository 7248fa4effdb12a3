"""Console lines: how many, what they look like, where they go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.counters import Counters
from engine.frames.control import ConsoleLine
from engine.helpers import console as module
from engine.helpers.bucket import TokenBucket
from engine.helpers.console import Console, ScriptConsole
from tests.support.broker import WALL_NS
from tests.support.disk import file_size_limit


@pytest.fixture
def told() -> list[ConsoleLine]:
    return []


@pytest.fixture
def console(tmp_path: Path, told: list[ConsoleLine]) -> Iterator[Console]:
    console = Console(tmp_path, "n1", told.append, Counters())
    yield console
    console.close()


@pytest.mark.parametrize(
    ("level", "text", "line"),
    [
        ("log", "hello", "[n1-top.py] Fri, 20 Nov 2026 13:09:10 GMT: hello\n"),
        ("error", "no", "[n1-top.py:ERROR] Fri, 20 Nov 2026 13:09:10 GMT: no\n"),
        ("log", "a\nb\r\x1b[2J\u202e", "[n1-top.py] Fri, 20 Nov 2026 13:09:10 GMT: a\\nb\\r\\x1b[2J\\u202e\n"),
        ("log", "x" * 5000, "[n1-top.py] Fri, 20 Nov 2026 13:09:10 GMT: " + "x" * 2048 + "…\n"),
    ],
    ids=["log", "error", "control characters", "long"],
)
def test_a_line_has_kubesharks_form(console: Console, tmp_path: Path, level: str, text: str, line: str) -> None:
    console.write("top.py", level, text, WALL_NS)
    assert (tmp_path / "console.log").read_text() == line


def test_the_file_does_not_grow_without_end(console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    for number in range(100):
        console.write("top.py", "log", str(number), WALL_NS)
    old, new = (tmp_path / name for name in ("console.log.1", "console.log"))
    assert old.stat().st_size + new.stat().st_size < 2200
    assert (old.read_text() + new.read_text()).splitlines()[-1].endswith(": 99")


def test_a_full_disk_costs_the_file_and_not_the_line(tmp_path: Path, told: list[ConsoleLine]) -> None:
    counters = Counters()
    console = Console(tmp_path, "n1", told.append, counters)
    with file_size_limit(100):
        for _ in range(5):
            console.write("top.py", "log", "hello", WALL_NS)
    console.close()
    assert len(told) == 5
    assert counters.get("broker_log_unwritten_total") == 3
    assert [line[-5:] for line in (tmp_path / "console.log").read_text().splitlines()] == ["hello"] * 2


@pytest.mark.parametrize("rate", [1, 5, 50])
def test_a_bucket_gives_its_rate_and_one_burst(rate: int) -> None:
    bucket = TokenBucket(rate)
    taken = sum(bucket.take(100 + step / 1000) for step in range(10_000))
    assert rate * 10 <= taken <= rate * 11


def test_a_bucket_is_no_fuller_for_a_long_rest() -> None:
    bucket = TokenBucket(5)
    bucket.take(1.0)
    assert sum(bucket.take(1e6) for _ in range(100)) == 5


def test_what_is_suppressed_is_said_once_a_second(console: Console, told: list[ConsoleLine]) -> None:
    counters = Counters()
    script = ScriptConsole(console, "top.py", 5, counters)
    for step in range(3000):
        script.write("log", "again", 10 + step / 1000, WALL_NS)
    script.say_suppressed(20.0, WALL_NS)
    script.say_suppressed(21.0, WALL_NS)
    said = [int(line.text.split()[1]) for line in told if line.text.startswith("suppressed")]
    written = sum(line.text == "again" for line in told)
    assert sum(said) == counters.get("broker_log_suppressed_total") == 3000 - written
    assert len(said) <= 4
    assert 15 <= written <= 20
