"""Several exchanges at once on one connection, paired by their keys."""

from __future__ import annotations

from typing import Any

from engine.items.item import LazyItem
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, Stream
from tests.support.dissecting import dissection, feed
from tests.support.http2_peers import END_HEADERS, END_STREAM, PREFACE, SETTINGS, ByHand, answering, asking, frame
from tests.support.streams import START_NS, Said, a_stream

SECOND_NS = 1_000_000_000
CANCEL = b"\0\0\0\x08"


def at(second: int, said: Said, stream: Stream) -> Chunk:
    """All of it in one packet."""
    return Chunk(stream, *said, [0], [START_NS + second * SECOND_NS], 0)


def told(items: list[LazyItem]) -> list[tuple[Any, ...]]:
    return [
        (
            (item["request"] or {}).get("path"),
            (item["response"] or {}).get("status"),
            item["error"] and item["error"]["msg"],
        )
        for item in items
    ]


def test_a_long_answer_keeps_no_other_request_from_its_timeout() -> None:
    whole, stream, client, server = dissection(), a_stream(), ByHand(), ByHand()
    ask = PREFACE + SETTINGS + client.headers(1, asking("/watch")) + client.headers(3, asking("/hangs"))
    watch = SETTINGS + server.headers(1, answering(200), END_HEADERS)
    assert feed(whole, [at(0, (CLIENT, ask), stream), at(1, (SERVER, watch), stream)]) == []
    assert told(whole.expire(START_NS + 40 * SECOND_NS)) == [("/hangs", None, "no response within 30 s")]
    ended = at(50, (SERVER, frame(0, END_STREAM, 1, b"seen")), stream)
    assert told(feed(whole, [ended])) == [("/watch", 200, None)]
    assert whole.finish() == []


def test_a_reset_ends_the_request_that_waits_and_tells_of_no_response() -> None:
    whole, stream = dissection(), a_stream()
    ask = PREFACE + SETTINGS + ByHand().headers(1, asking("/slow"))
    said = [at(0, (CLIENT, ask), stream), at(1, (CLIENT, frame(3, 0, 1, CANCEL)), stream)]
    (item,) = feed(whole, said)
    assert told([item]) == [("/slow", None, "the client reset the stream (CANCEL)")]
    assert item["error"]["type"] == "connection"
    assert (item["response"], item["responseSize"], item["elapsedTime"]) == (None, 0, 0)


def test_a_reset_of_a_request_that_was_given_up_is_no_item() -> None:
    whole, stream = dissection(), a_stream()
    ask = PREFACE + SETTINGS + ByHand().headers(1, asking("/slow"))
    assert feed(whole, [at(0, (CLIENT, ask), stream)]) == []
    assert len(whole.expire(START_NS + 40 * SECOND_NS)) == 1
    assert feed(whole, [at(41, (CLIENT, frame(3, 0, 1, CANCEL)), stream)]) == []
