from __future__ import annotations

import signal

import pytest

from engine.scripting.deaths import how_it_ended, label


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exit status 0"),
        (70, "exit status 70"),
        (-signal.SIGKILL, "SIGKILL"),
        (-signal.SIGSEGV, "SIGSEGV: it crashed the interpreter"),
        (-signal.SIGVTALRM, "SIGVTALRM: loading it took more CPU than scripting.loadCpu allows"),
    ],
)
def test_an_end_is_told_in_words(status: int, words: str) -> None:
    assert how_it_ended(status) == words


def test_an_end_is_a_label_without_spaces() -> None:
    assert [label(-signal.SIGSYS), label(3)] == ["sigsys", "status_3"]
