"""What waits is bounded in bytes, in one stream and in all of them, whatever it is that waits."""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import replace

import pytest

from engine.counters import Counters
from engine.dissect.message import Problem, no_answer
from engine.items.conversation import MAX_FITTED, Conversation
from engine.items.dissection import MAX_LAYERS, MAX_SWITCHES, Dissection
from engine.items.item import LazyItem
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, UDP, Stream
from tests.engine.items import test_switching as switching
from tests.engine.items.test_dissection import QUERY
from tests.support.dissecting import OK, dissection, feed
from tests.support.http2_peers import END_HEADERS, END_STREAM, PREFACE, SETTINGS, ByHand, answering, asking, frame
from tests.support.streams import START_NS, Said, a_stream, chunks_of, datagram

KIB, MIB = 1 << 10, 1 << 20
DROPPED = "dissect_dropped_total{reason=pending_bytes_limit}"
CROWDED = "dissect_dropped_total{reason=pending_limit}"


def post(number: int, size_bytes: int) -> bytes:
    return b"POST /%d HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (number, size_bytes) + b"x" * size_bytes


def at(ms: int, stream: Stream, said: Said) -> Chunk:
    """All of it in one packet."""
    return Chunk(stream, *said, [0], [START_NS + ms * 1_000_000], 0)


def held_after(into: Dissection, chunks: Iterable[Chunk]) -> tuple[int, int]:
    """Bytes that ``into`` holds once it has heard ``chunks``, and the items that came, which nobody keeps."""
    gc.collect()
    tracemalloc.start()
    try:
        items = sum(len(into.feed(chunk)) for chunk in chunks)
        gc.collect()
        return tracemalloc.get_traced_memory()[0], items
    finally:
        tracemalloc.stop()


def paths(items: Iterable[LazyItem]) -> list[str]:
    return [item["request"]["path"] for item in items if item["request"] is not None]


def test_a_pipeline_of_large_requests_keeps_the_newest_that_fit() -> None:
    counters = Counters()
    into, stream = dissection(counters=counters, max_pending_bytes=64 * KIB), a_stream()
    items = feed(into, [at(number, stream, (CLIENT, post(number, 10 * KIB))) for number in range(20)])
    assert paths(items) == [f"/{number}" for number in range(len(items))]
    assert {item["error"]["msg"] for item in items} == {
        "too many bytes of this stream wait for their other half (dissect.maxPendingBytes)"
    }
    assert counters.get(DROPPED) == len(items) == 14  # six of 10 kiB fit, with what they take besides
    answers = feed(into, [at(20, stream, (SERVER, (OK % 200) * 20))])
    left = [item for item in answers if item["request"] is not None]
    assert paths(left) == [f"/{number}" for number in range(14, 20)]
    assert all(item["response"]["status"] == 200 and item["error"] is None for item in left)


def test_the_only_request_that_waits_is_never_too_large() -> None:
    into, stream = dissection(max_pending_bytes=1 * KIB), a_stream()
    talk = [turn for number in range(5) for turn in ((CLIENT, post(number, 10 * KIB)), (SERVER, OK % 200))]
    assert [item["error"] for item in feed(into, [at(0, stream, said) for said in talk])] == [None] * 5


def test_one_stream_holds_no_more_than_its_limit() -> None:
    into, stream = dissection(max_pending_bytes=2 * MIB), a_stream()
    said = (at(number, stream, (CLIENT, post(number, 256 * KIB))) for number in range(100))
    held_bytes, items = held_after(into, said)
    assert held_bytes < 2 * MIB + 256 * KIB
    assert items >= 92


def test_streams_hold_no_more_than_the_limit_of_all_and_the_oldest_go() -> None:
    counters = Counters()
    into = dissection(counters=counters, max_pending_total_bytes=4 * MIB)
    streams = [a_stream(number=number) for number in range(1, 301)]
    items: list[LazyItem] = []
    gone = 0
    order = list(range(300))
    random.Random(5).shuffle(order)
    for ms, number in enumerate(order):
        items = into.feed(at(ms, streams[number], (CLIENT, post(ms, 64 * KIB))))
        assert paths(items) == [f"/{old}" for old in range(gone, gone + len(items))]
        assert {item["error"]["msg"] for item in items} <= {
            "too many bytes of all streams wait (dissect.maxPendingTotal)"
        }
        gone += len(items)
    assert counters.get(DROPPED) == gone
    assert 300 - 64 <= gone < 300
    assert gone + len(into.finish()) == 300


def test_small_requests_of_many_streams_are_bounded_by_what_they_take() -> None:
    into = dissection(max_pending_total_bytes=2 * MIB)
    get = b"GET / HTTP/1.1\r\n\r\n"
    streams = [a_stream(number=number) for number in range(1, 101)]
    said = (at(number, streams[number % 100], (CLIENT, get)) for number in range(10_000))
    held_bytes, items = held_after(into, said)
    assert items > 6_000
    assert held_bytes < 4 * MIB  # the streams themselves are in it


@pytest.mark.parametrize("seed", range(20))
def test_all_that_was_asked_is_told_once(seed: int) -> None:
    chance, counters = random.Random(seed), Counters()
    into = dissection(counters=counters, max_pending_bytes=20 * KIB, max_pending_total_bytes=60 * KIB, max_pending=9)
    streams = [a_stream(number=number) for number in range(1, 12)]
    items: list[LazyItem] = []
    for ms in range(300):
        said = (SERVER, OK % 200) if chance.random() < 0.3 else (CLIENT, post(ms, chance.choice((0, 1, 3)) * KIB))
        items += into.feed(at(ms, chance.choice(streams), said))
    items += into.finish()
    told = Counter(paths(items))
    assert set(told.values()) == {1}
    for stream in streams:
        assert [item.index for item in items if item.stream is stream] == list(range(stream.items))
    heavy = [item for item in items if item["error"] and "too many" in item["error"]["msg"]]
    assert counters.get(DROPPED) + counters.get(CROWDED) == len(heavy) > 0


def test_an_http2_connection_lets_go_of_requests_that_wait_no_more() -> None:
    """Its streams stay open, but the bodies that were asked are those that wait."""
    into, stream, client = dissection(max_pending_bytes=2 * MIB), a_stream(), ByHand()
    body = b"y" * 16_000

    def said() -> Iterable[Chunk]:
        yield at(0, stream, (CLIENT, PREFACE + SETTINGS))
        for number in range(200):
            data = client.headers(2 * number + 1, asking(f"/{number}", "POST"), END_HEADERS)
            data += frame(0, 0, 2 * number + 1, body) * 3 + frame(0, END_STREAM, 2 * number + 1, body)
            yield at(number, stream, (CLIENT, data))

    held_bytes, items = held_after(into, said())
    assert held_bytes < 2.5 * MIB
    assert items >= 150


def test_http2_streams_given_up_for_others_are_counted() -> None:
    counters = Counters()
    into, stream, client, server = dissection(counters=counters, max_pending=4), a_stream(), ByHand(), ByHand()
    ask = PREFACE + SETTINGS + b"".join(client.headers(n, asking(f"/{n}"), END_HEADERS) for n in range(1, 19, 2))
    items = feed(into, [at(0, stream, (CLIENT, ask))])
    assert paths(items) == [f"/{n}" for n in range(1, 11, 2)]
    assert counters.get(CROWDED) == 5
    answer = SETTINGS + server.headers(11, answering(200), END_HEADERS)
    more = b"".join(client.headers(n, asking(f"/{n}"), END_HEADERS) for n in range(19, 21, 2))
    items = feed(into, [at(1, stream, (SERVER, answer)), at(2, stream, (CLIENT, more))])
    assert [(item["request"]["path"], item["response"]["status"]) for item in items] == [("/11", 200)]
    assert counters.get(CROWDED) == 6


def test_fields_of_open_http2_streams_are_bounded() -> None:
    """Six bytes on the wire take 184 and more taken apart."""
    into, stream = dissection(max_body_bytes=64 * KIB), a_stream()
    fields = b"".join(b"\0\2%02x\2zz" % (number & 255) for number in range(300))

    def said() -> Iterable[Chunk]:
        yield at(0, stream, (CLIENT, PREFACE + SETTINGS))
        for number in range(80):
            head = b"\x82\x84\x86" + fields
            yield at(number, stream, (CLIENT, frame(1, 4, 2 * number + 1, head)))

    held_bytes, items = held_after(into, said())
    assert held_bytes < 2 * 16 * 64 * KIB
    assert items > 50


def test_a_stream_that_switches_for_ever_is_given_up() -> None:
    counters = Counters()
    into, stream = dissection(counters=counters), a_stream()
    ask, agree = b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"
    items = feed(into, [at(0, stream, (CLIENT, ask * 2400)), at(1, stream, (SERVER, agree * 10_000))])
    assert [item["request"]["method"] for item in items] == ["CONNECT"] * (MAX_SWITCHES + 1)
    assert counters.get("dissect_streams_lost_total{reason=too_many_switches}") == 1
    assert into.put_away(stream)


def test_protocols_in_one_another_have_an_end() -> None:
    into, stream = switching.dissection(*switching.ALL), a_stream()
    data = b"?inside\n"
    for _ in range(400):
        data = b"#deeper\n" + switching.hidden(data)
    items = feed(into, chunks_of([(CLIENT, data)], stream))
    stream.state = "reset"
    items += into.ended(stream)
    assert [switching.told(item)[3] for item in items] == ["#deeper"] * MAX_LAYERS


def test_what_waits_in_every_layer_is_told_when_the_outermost_is_over() -> None:
    into, stream = switching.dissection(*switching.ALL), a_stream()
    data = b"#one\n" + switching.hidden(b"#two\n" + switching.hidden(b"?three\n"))
    feed(into, chunks_of([(CLIENT, data)], stream))
    stream.state = "reset"
    assert sorted(switching.told(item)[3] for item in into.ended(stream)) == ["#one", "#two", "?three"]


def test_pausing_tells_of_what_waits_in_streams_that_are_not_remembered() -> None:
    into, stream = dissection(), a_stream(UDP, 53)
    assert feed(into, [datagram(stream, CLIENT, QUERY)]) == []
    (item,) = into.pause()
    assert item["error"]["type"] == "dissection"
    assert into.finish() == []


def test_chunks_that_do_not_tell_the_protocol_are_few() -> None:
    """One byte each, both ways: they would be joined again for each that comes."""
    into, stream = dissection(), a_stream()
    stream.shaken = True
    most = 0
    for byte in b"GET /" + b"a" * 3000:
        for direction in (CLIENT, SERVER):
            feed(into, chunks_of([(direction, bytes((byte,)))], stream))
            conversation = stream.conversation
            most = max(most, len(conversation.held or ()))
    assert 100 < most <= 260


def test_a_response_that_fits_nobody_is_not_held_against_all_that_wait() -> None:
    """A thousand queries wait, and a flood of answers comes to others."""
    asked: list[Hashable] = []

    def fits(key: Hashable) -> bool:
        asked.append(key)
        return False

    conversation = Conversation()
    for key in range(1000):
        conversation.ask(replace(no_answer(CLIENT, key, Problem("", "")), is_request=True))
    stray = replace(no_answer(SERVER, -1, Problem("", "")), fits=fits)
    assert conversation.answer(stray) is None
    assert not conversation.waits_for(stray)
    assert asked == [*range(MAX_FITTED)] * 2
