"""The dissector in docs/adding-a-protocol.md works as it stands there."""

from __future__ import annotations

import random
import re
from pathlib import Path
from types import ModuleType

import pytest

from engine.counters import Counters
from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.items.dissection import Dissection
from engine.resolve.static import NoNames
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, TCP
from tests.support.streams import a_stream, chunks_of, damage, split_anywhere

PAGE = Path(__file__).resolve().parents[3] / "docs" / "adding-a-protocol.md"
TALK = [
    (CLIENT, b"ASK who is there\nNOTE nobody answers this\nASK and why\n"),
    (SERVER, b"TELL me\nTELL just so\n"),
    (CLIENT, b"ASK again\r\n"),
]


@pytest.fixture(scope="module")
def template() -> ModuleType:
    """A module made of the block of Python on the page."""
    (text,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("template")
    exec(compile(text, str(PAGE), "exec"), module.__dict__)
    return module


def dissection(template: ModuleType) -> Dissection:
    rows = load_rows([template], installed=False)
    return Dissection(rows, DissectOptions(), NoNames(), "n1", "10.0.0.9", Counters())


def messages(template: ModuleType, chunks: list[Chunk]) -> list[Message]:
    dissector = template.Asking(DissectOptions())
    return [message for chunk in chunks for message in dissector.feed(chunk)]


def test_items_come_of_it(template: ModuleType) -> None:
    line, stream = dissection(template), a_stream(TCP, 7007)
    items = [item for chunk in chunks_of(TALK, stream) for item in line.feed(chunk)]
    stream.state = "closed"
    items += line.ended(stream)
    told = [
        (item["request"], (item["response"] or {}).get("text"), (item["error"] or {}).get("type")) for item in items
    ]
    assert told == [
        ({"verb": "NOTE", "text": "nobody answers this"}, None, None),
        ({"verb": "ASK", "text": "who is there"}, "me", None),
        ({"verb": "ASK", "text": "and why"}, "just so", None),
        ({"verb": "ASK", "text": "again"}, None, "connection"),
    ]
    assert {item["protocol"]["name"] for item in items} == {"asking"}
    assert all(item.encode() for item in items)


def test_elsewhere_it_is_not_taken_for_it(template: ModuleType) -> None:
    line = dissection(template)
    assert [item for chunk in chunks_of(TALK, a_stream(TCP, 80)) for item in line.feed(chunk)] == []


@pytest.mark.parametrize("seed", range(20))
def test_it_does_not_depend_on_where_the_data_is_cut(template: ModuleType, seed: int) -> None:
    def shown(chunks: list[Chunk]) -> list[tuple[object, ...]]:
        found = messages(template, chunks)
        return [(m.direction, m.start_ns, m.end_ns, m.size_bytes, m.alone, m.payload.section()) for m in found]

    whole = shown(chunks_of(TALK))
    assert len(whole) == 6
    assert shown(split_anywhere(chunks_of(TALK), seed)) == whole


def test_it_goes_on_behind_a_gap(template: ModuleType) -> None:
    first, second = chunks_of([(CLIENT, b"ASK one"), (CLIENT, b"lost end\nASK two\n")])
    second = second._replace(missing_bytes=9)
    (found,) = messages(template, [first, second])
    assert (found.payload.section()["text"], found.after_gap) == ("two", True)


def test_damage_raises_nothing_and_memory_is_bounded(template: ModuleType) -> None:
    chance = random.Random(7)
    for seed in range(500):
        for message in messages(template, damage(split_anywhere(chunks_of(TALK * 2), seed), seed)):
            message.payload.section()
    dissector = template.Asking(DissectOptions(max_header_bytes=1000))
    for chunk in chunks_of([(CLIENT, b"ASK " + bytes(chance.choices(b"abc", k=500)))] * 5):
        assert dissector.feed(chunk) == []
    assert dissector.lost == "line_too_long"
