"""Recordings that ask about recordings have an order, or are refused."""

from __future__ import annotations

import pytest

from engine import kfl
from engine.kfl.recordings import in_order


def order(**texts: str) -> list[str]:
    return in_order({name: kfl.compile(text) for name, text in texts.items()})


def test_those_that_are_asked_about_go_first() -> None:
    assert order(a='record("b") and record("c")', b='record("c")', c="http", d="dns") == ["c", "b", "a", "d"]


def test_names_of_no_recording_are_ignored() -> None:
    assert order(a='record("elsewhere")') == ["a"]


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"a": 'http and record("a")'}, "recording 'a' asks about itself"),
        ({"a": 'record("b")', "b": 'record("a")'}, "recordings ask about each other in a circle: a -> b -> a"),
        (
            {"x": 'record("a")', "a": 'record("b")', "b": '!(record("c"))', "c": 'record("a")'},
            "recordings ask about each other in a circle: a -> b -> c -> a",
        ),
    ],
)
def test_a_circle_is_refused(texts: dict[str, str], reason: str) -> None:
    with pytest.raises(kfl.KflError) as caught:
        order(**texts)
    assert caught.value.reason == reason
    assert caught.value.column == caught.value.text.index("record") + 1


def test_many_recordings_in_a_row_are_put_in_order() -> None:
    texts = {f"r{number}": f'record("r{number + 1}")' for number in range(1500)}
    assert order(**texts) == [f"r{number}" for number in reversed(range(1500))]
