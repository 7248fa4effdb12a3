from __future__ import annotations

import msgspec
import pytest

from engine.frames.control import Report, reports_of
from engine.frames.endpoint import MAX_MESSAGE_BYTES


@pytest.mark.parametrize("letter", ["a", "\N{SNOWMAN}", "\N{GRINNING FACE}"])
@pytest.mark.parametrize("scripts", [0, 1, 60, 3000])
def test_counters_of_any_number_of_scripts_are_told_in_messages_that_may_be_sent(letter: str, scripts: int) -> None:
    long = letter * (251 // len(letter.encode()))
    counters = {f"script_{name}_total{{script={long}{n}}}": 1 << 62 for n in range(scripts) for name in ("a", "b")}
    reports = list(reports_of(counters, letter * 100_000))
    assert all(len(msgspec.msgpack.encode(report)) <= MAX_MESSAGE_BYTES for report in reports)
    assert [report.more for report in reports] == [True] * (len(reports) - 1) + [False]
    told: dict[str, int] = {}
    for report in reports:
        told |= report.counters
    assert told == counters
    assert reports[-1].note.startswith(letter * 1000)


def test_a_few_counters_are_one_message() -> None:
    assert list(reports_of({"a_total": 1}, "note")) == [Report({"a_total": 1}, "note")]
