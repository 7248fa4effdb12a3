"""Streams that go on as another protocol, and protocols that carry another one; with two tiny protocols of our own."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.counters import Counters
from engine.dissect import http1
from engine.dissect.message import Message, Problem
from engine.dissect.options import DissectOptions
from engine.dissect.table import ProtocolRow, Successor, Verdict, constant
from engine.items.dissection import MAX_TRIES, Dissection
from engine.items.item import LazyItem
from engine.resolve.static import NoNames
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, TCP, Stream
from tests.support.dissecting import GET, OK, feed
from tests.support.streams import a_stream, chunks_of, split_anywhere

LINES = constant(
    "lines", "1", "LINES", "Lines", macro="lines", colour="#000000", reference="", ports=[], layer4="tcp", priority=9
)


class Text:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def section(self) -> dict[str, Any]:
        return {"text": self.data.decode("latin-1")}

    def problem(self) -> Problem | None:
        return None


class Lines:
    """``?…`` asks, ``!…`` answers, ``*…`` stands alone; ``>`` switches to HTTP, ``~`` to whatever comes."""

    answering = False

    def __init__(self, options: DissectOptions) -> None:
        self.lost = ""
        self.successor: Successor | None = None
        self._held = [b"", b""]

    def feed(self, chunk: Chunk) -> list[Message]:
        said: list[Message] = []
        at = 0
        while (end := chunk.data.find(b"\n", at)) >= 0:
            line = self._held[chunk.direction] + chunk.data[at:end]
            self._held[chunk.direction], at = b"", end + 1
            if line in (b">", b"~"):
                row = http1.ROW if line == b">" else None
                self.lost, self.successor = "switched_protocol", Successor(row, None, _rest(chunk, at))
                return said
            time_ns = chunk.time_ns_at(end)
            said.append(
                Message(
                    line[:1] != b"!",
                    chunk.direction,
                    None,
                    time_ns,
                    time_ns,
                    len(line),
                    Text(line),
                    alone=line[:1] == b"*",
                )
            )
        self._held[chunk.direction] += chunk.data[at:]
        return said

    def close(self, reason: str) -> list[Message]:
        return []


class Hidden(Lines):
    """Carries what follows its first line, every byte one less than what was sent."""

    muted = False

    def __init__(self, options: DissectOptions) -> None:
        super().__init__(options)
        self._plain: list[Chunk] = []
        self._opened = False

    def feed(self, chunk: Chunk) -> list[Message]:
        if self._opened:
            plain = bytes(byte - 1 & 255 for byte in chunk.data)
            self._plain.append(chunk._replace(data=plain))
            return []
        before, _, behind = chunk.data.partition(b"\n")
        self._opened = b"\n" in chunk.data
        said = super().feed(chunk._replace(data=before + b"\n" * self._opened))
        return said + (self.feed(chunk.behind(len(before) + 1)) if behind else [])

    def inner(self) -> list[Chunk]:
        plain, self._plain = self._plain, []
        return plain

    def mute(self) -> None:
        Hidden.muted = True


def _rest(chunk: Chunk, at: int) -> list[Chunk]:
    return [chunk.behind(at)] if at < len(chunk.data) else []


def _begins(*starts: bytes) -> Any:
    return lambda data: Verdict.SURE if data[:1] in starts else Verdict.NO


LINE_ROW = ProtocolRow("lines", TCP, _begins(b"?", b"!", b"*", b">", b"~"), frozenset(), Lines, lambda *_: LINES)
HIDDEN_ROW = ProtocolRow("hidden", TCP, _begins(b"#"), frozenset(), Hidden, lambda *_: LINES, carries=True)


def dissection(*rows: ProtocolRow) -> Dissection:
    return Dissection(rows, DissectOptions(), NoNames(), "n1", "10.0.0.9", Counters())


def told(item: LazyItem) -> tuple[Any, ...]:
    request, response, error = item["request"], item["response"], item["error"]
    what = request and (request.get("text") or request["path"])
    answer = response and (response.get("text") or response["status"])
    return item.index, item["protocol"]["name"], item["tls"], what, answer, error and error["type"]


TALK = [(CLIENT, b"?one\n?two\n"), (SERVER, b"!first\n"), (CLIENT, b">\n" + GET % 1), (SERVER, OK % 200)]
ALL = (http1.ROW, LINE_ROW, HIDDEN_ROW)


def test_a_message_that_stands_alone_is_an_item_without_an_error() -> None:
    items = feed(dissection(*ALL), chunks_of([(CLIENT, b"?a\n"), (SERVER, b"*pushed\n!b\n")]))
    assert [told(item) for item in items] == [
        (0, "lines", False, "*pushed", None, None),
        (1, "lines", False, "?a", "!b", None),
    ]
    assert items[0]["src"]["ip"] == "10.0.0.2"


def test_a_stream_goes_on_as_its_dissector_says_and_numbers_its_items_on() -> None:
    items = feed(dissection(*ALL), chunks_of(TALK))
    assert [told(item) for item in items] == [
        (0, "lines", False, "?one", "!first", None),
        (1, "lines", False, "?two", None, "dissection"),
        (2, "http", False, "/1", 200, None),
    ]


def test_a_stream_may_be_found_out_anew() -> None:
    items = feed(dissection(*ALL), chunks_of([(CLIENT, b"?a\n~\n" + GET % 2), (SERVER, OK % 201)]))
    assert [told(item)[3:5] for item in items] == [("?a", None), ("/2", 201)]


def test_a_successor_that_is_not_enabled_ends_the_stream() -> None:
    into, stream = dissection(LINE_ROW), a_stream()
    assert len(feed(into, chunks_of(TALK, stream))) == 2
    assert into.put_away(stream)


@pytest.mark.parametrize("seed", range(30))
def test_a_switch_does_not_depend_on_where_the_data_is_cut(seed: int) -> None:
    whole = [item.as_dict() for item in feed(dissection(*ALL), chunks_of(TALK))]
    assert [item.as_dict() for item in feed(dissection(*ALL), split_anywhere(chunks_of(TALK), seed))] == whole


def hidden(data: bytes) -> bytes:
    return bytes(byte + 1 & 255 for byte in data)


CARRIED = [(CLIENT, b"#hello\n" + hidden(GET % 1)), (SERVER, hidden(OK % 200)), (CLIENT, hidden(GET % 2))]


def test_what_a_protocol_carries_is_found_out_and_marked() -> None:
    into, stream = dissection(*ALL), a_stream()
    items = feed(into, chunks_of(CARRIED, stream))
    stream.state = "reset"
    items += into.ended(stream)
    assert [told(item) for item in items] == [
        (0, "http", True, "/1", 200, None),
        (1, "http", True, "/2", None, "connection"),
        (2, "lines", False, "#hello", None, "connection"),
    ]
    assert into.finish() == []


@pytest.mark.parametrize("seed", range(20))
def test_what_is_carried_does_not_depend_on_where_the_data_is_cut(seed: int) -> None:
    whole = [told(item) for item in feed(dissection(*ALL), chunks_of(CARRIED))]
    assert [told(item) for item in feed(dissection(*ALL), split_anywhere(chunks_of(CARRIED), seed))] == whole


def test_a_carried_request_times_out_and_pausing_tells_of_it() -> None:
    into, stream = dissection(*ALL), a_stream()
    feed(into, chunks_of(CARRIED, stream))
    late = into.expire(stream.start_ns + 40_000_000_000)
    assert sorted(told(item)[3:] for item in late) == [("#hello", None, "timeout"), ("/2", None, "timeout")]
    into, stream = dissection(*ALL), a_stream()
    feed(into, chunks_of(CARRIED, stream))
    assert {told(item)[5] for item in into.pause()} == {"dissection"}
    assert into.expire(stream.start_ns + 40_000_000_000) == []


def test_a_carrier_is_told_when_nobody_wants_what_it_carries() -> None:
    Hidden.muted = False
    feed(dissection(*ALL), chunks_of([(CLIENT, b"#hello\n"), *[(CLIENT, hidden(b"\0nothing known"))] * MAX_TRIES]))
    assert Hidden.muted


def test_who_wants_what_a_stream_leads_to_gets_it() -> None:
    leading = ProtocolRow(
        "lines", TCP, LINE_ROW.detect, frozenset(), Lines, lambda *_: LINES, leads=lambda data, wanted: "http" in wanted
    )
    for row, expected in ((leading, 3), (LINE_ROW, 0)):
        into = dissection(http1.ROW, row)
        into.want(frozenset({"http"}))
        assert len(feed(into, chunks_of(TALK))) == expected
    into = dissection(*ALL)
    into.want(frozenset({"http"}))
    assert len(feed(into, chunks_of(CARRIED))) == 1


@pytest.mark.parametrize("seed", range(50))
def test_a_chunk_cut_at_an_offset_keeps_the_time_of_every_byte(seed: int) -> None:
    chance = random.Random(seed)
    starts = sorted({0, *(chance.randrange(1, 50) for _ in range(5))})
    chunk = Chunk(Stream(1, TCP, b"", 1, b"", 2, 0, 0), CLIENT, bytes(range(50)), starts, [at * 7 for at in starts], 9)
    offset = chance.randrange(50)
    rest = chunk.behind(offset)
    assert rest.data == chunk.data[offset:]
    assert [rest.time_ns_at(at) for at in range(50 - offset)] == [
        chunk.time_ns_at(at + offset) for at in range(50 - offset)
    ]
    assert rest.missing_bytes == (0 if offset else 9)
