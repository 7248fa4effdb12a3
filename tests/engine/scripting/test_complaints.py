from __future__ import annotations

import pytest

from engine.scripting.calls import HelperError
from engine.scripting.complaints import LINES_PER_S, Complaints, describe
from engine.scripting.guards import Stop


def raised_by(source: str, name: str = "top.py") -> BaseException:
    try:
        exec(compile(source, name, "exec"), {"HelperError": HelperError, "Stop": Stop})
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


TEXTS = {
    "line and kind": ("x = 1\n{}['a']", "line 2: KeyError: 'a'"),
    "deepest line": ("def f():\n    1 / 0\nf()", "line 2: ZeroDivisionError: division by zero"),
    "without text": ("raise ValueError", "line 1: ValueError"),
    "helper": ("raise HelperError('no such file')", "line 1: no such file"),
    "budget": ("raise Stop", "line 1: used more than 0.2 s of CPU and was abandoned"),
    "surrogate": ("raise ValueError('\\ud800')", "line 1: ValueError: \\ud800"),
    "text that fails": (
        "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
        "line 3: E: its text cannot be shown (ValueError)",
    ),
    "text that is no text": (
        "class E(Exception):\n    def __str__(self): return 1\nraise E",
        "line 3: E: its text cannot be shown (TypeError)",
    ),
}


@pytest.mark.parametrize(("source", "text"), TEXTS.values(), ids=TEXTS)
def test_an_error_is_described_for_the_author(source: str, text: str) -> None:
    assert describe(raised_by(source), "top.py", 0.2) == text


def test_a_long_text_is_cut() -> None:
    assert len(describe(raised_by("raise ValueError('x' * 10**6)"), "top.py", 0.2)) < 600


def test_an_error_outside_the_script_has_no_line() -> None:
    assert describe(raised_by("1 / 0", "elsewhere.py"), "top.py", 0.2) == "ZeroDivisionError: division by zero"


def test_lines_are_limited_by_the_second_and_the_rest_is_counted() -> None:
    complaints = Complaints()
    written = [complaints.line("x", 100.0 + number / 1000) for number in range(25)]
    assert [line for line in written if line] == ["x"] * LINES_PER_S
    assert complaints.line("y", 101.0) == "y (and 15 errors more since the last line)"
    assert complaints.line("y", 101.1) == "y"
