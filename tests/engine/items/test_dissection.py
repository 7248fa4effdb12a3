from __future__ import annotations

import random
from typing import Any

import pytest

from engine.counters import Counters
from engine.items.conversation import MAX_TURN_BYTES
from engine.items.dissection import MAX_TRIES, Dissection
from engine.items.item import LazyItem
from engine.streams.stream import CLIENT, ICMP, SERVER, TCP, UDP, UNHEEDED, Stream
from tests.support.dissecting import GET, OK, dissection, feed
from tests.support.streams import START_NS, Said, a_stream, chunks_of, damage, datagram, split_anywhere

QUERY = b"\0\7\1\0\0\1\0\0\0\0\0\0\3www\0\0\1\0\1"
ANSWER = b"\0\7\x81\x80\0\1\0\0\0\0\0\0\3www\0\0\1\0\1"
NS_PER_S = 1_000_000_000


def ended(stream: Stream, state: str) -> Stream:
    stream.state = state
    return stream


def heeded(into: Dissection, stream: Stream) -> bool:
    return not (into.put_away(stream) and stream.dissector == UNHEEDED)


def row(item: LazyItem) -> tuple[Any, ...]:
    """``(index, path, status, error type)``."""
    request, response, error = item["request"], item["response"], item["error"]
    path = request and request["path"]
    return item.index, path, response and response["status"], error and error["type"]


def test_pipelined_requests_are_paired_in_their_order() -> None:
    talk = [(CLIENT, GET % 1 + GET % 2), (SERVER, OK % 201 + OK % 202), (CLIENT, GET % 3), (SERVER, OK % 203)]
    items = feed(dissection(), chunks_of(talk))
    assert [row(item) for item in items] == [(0, "/1", 201, None), (1, "/2", 202, None), (2, "/3", 203, None)]


@pytest.mark.parametrize("seed", range(20))
def test_items_do_not_depend_on_where_the_data_is_cut(seed: int) -> None:
    talk = [(CLIENT, GET % 1 + GET % 2), (SERVER, OK % 201 + OK % 202), (CLIENT, GET % 3), (SERVER, OK % 203)]
    whole = [item.as_dict() for item in feed(dissection(), chunks_of(talk))]
    assert [item.as_dict() for item in feed(dissection(), split_anywhere(chunks_of(talk), seed))] == whole


def test_dns_is_paired_by_id_whatever_the_order() -> None:
    stream, other = a_stream(UDP, 53), b"\0\x08"
    chunks = [
        datagram(stream, CLIENT, QUERY, START_NS),
        datagram(stream, CLIENT, other + QUERY[2:], START_NS + 1_000_000),
        datagram(stream, SERVER, other + ANSWER[2:], START_NS + 5_000_000),
        datagram(stream, SERVER, ANSWER, START_NS + 9_000_000),
    ]
    items = feed(dissection(), chunks)
    assert [(item.index, item["elapsedTime"], item["error"]) for item in items] == [(0, 4, None), (1, 9, None)]


def test_a_query_repeated_with_its_id_is_an_item_without_response_and_then_one_with() -> None:
    stream = a_stream(UDP, 53)
    items = feed(dissection(), [datagram(stream, side, data) for side, data in [(0, QUERY), (0, QUERY), (1, ANSWER)]])
    assert [(item["response"] is None, (item["error"] or {}).get("type")) for item in items] == [
        (True, "pair-not-found"),
        (False, None),
    ]


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("reset", "connection"),
        ("closed", "connection"),
        ("idle", "timeout"),
        ("open", "pair-not-found"),
        ("half_open", "pair-not-found"),
    ],
)
def test_a_request_without_response_becomes_an_item_when_its_stream_ends(state: str, kind: str) -> None:
    into, stream = dissection(), a_stream()
    assert feed(into, chunks_of([(CLIENT, GET % 1)], stream)) == []
    (item,) = into.ended(ended(stream, state))
    assert row(item) == (0, "/1", None, kind)
    assert item["response"] is None
    assert item["elapsedTime"] == item["responseSize"] == 0
    assert not heeded(into, stream)
    assert into.ended(stream) == into.finish() == []


def test_half_a_response_is_told_with_what_there_is() -> None:
    into, stream = dissection(), a_stream()
    feed(into, chunks_of([(CLIENT, GET % 1), (SERVER, (OK % 200)[:-2])], stream))
    (item,) = into.ended(ended(stream, "reset"))
    assert row(item) == (0, "/1", 200, "connection")
    assert item["response"]["content"]["text"] == "hel"


def test_a_response_without_request_is_an_item_from_the_side_that_asked() -> None:
    (item,) = feed(dissection(), chunks_of([(SERVER, OK % 200)]))
    assert row(item) == (0, None, 200, "pair-not-found")
    assert item["src"]["ip"] == "10.0.0.1"
    assert item["requestSize"] == 0
    assert item.timestamp_ns == START_NS


def test_src_is_who_asked_even_where_the_stream_was_opened_by_the_other() -> None:
    (item,) = feed(dissection(), chunks_of([(SERVER, GET % 1), (CLIENT, OK % 200)]))
    assert (item["src"]["ip"], item["dst"]["ip"]) == ("10.0.0.2", "10.0.0.1")
    assert (item["src"]["port"], item["dst"]["port"]) == ("80", "51234")


def test_a_request_expires_and_its_late_response_is_not_given_to_the_next_one() -> None:
    into, stream = dissection(pair_timeout_s=30.0), a_stream()
    talk = chunks_of([(CLIENT, GET % 1), (CLIENT, GET % 2), (SERVER, OK % 201 + OK % 202)], stream)
    assert feed(into, talk[:1]) == []
    assert into.expire(START_NS + 29 * NS_PER_S) == []
    (late,) = into.expire(START_NS + 31 * NS_PER_S)
    assert row(late) == (0, "/1", None, "timeout")
    assert late["error"]["msg"] == "no response within 30 s"
    assert [row(item) for item in feed(into, talk[1:])] == [
        (1, None, 201, "pair-not-found"),
        (2, "/2", 202, None),
    ]


def test_a_request_whose_response_is_arriving_does_not_expire() -> None:
    into, stream = dissection(pair_timeout_s=30.0), a_stream()
    chunks = chunks_of([(CLIENT, GET % 1), (SERVER, (OK % 200)[:-2]), (SERVER, b"lo")], stream)
    feed(into, chunks[:2])
    assert into.expire(START_NS + 600 * NS_PER_S) == []
    assert [row(item) for item in feed(into, chunks[2:])] == [(0, "/1", 200, None)]
    assert into.expire(START_NS + 900 * NS_PER_S) == []


def test_dns_queries_expire_too() -> None:
    into, stream = dissection(), a_stream(UDP, 53)
    feed(into, [datagram(stream, CLIENT, QUERY)])
    (item,) = into.expire(START_NS + 31 * NS_PER_S)
    assert item["error"]["type"] == "timeout"
    assert heeded(into, stream)


def test_requests_beyond_the_limit_become_items_and_are_counted() -> None:
    counters = Counters()
    into = dissection(counters=counters, max_pending=2)
    items = feed(into, chunks_of([(CLIENT, GET % 1 + GET % 2 + GET % 3), (SERVER, OK % 201 + OK % 202 + OK % 203)]))
    assert [row(item) for item in items] == [
        (0, "/1", None, "pair-not-found"),
        (1, None, 201, "pair-not-found"),
        (2, "/2", 202, None),
        (3, "/3", 203, None),
    ]
    assert counters.get("dissect_dropped_total{reason=pending_limit}") == 1


def test_a_lost_response_does_not_shift_the_ones_behind_it() -> None:
    """The response to /1 and the head of the one to /2 are missing; the client never pipelined."""
    talk: list[Said] = [(CLIENT, GET % 1), (CLIENT, GET % 2), (SERVER, OK % 202), (CLIENT, GET % 3), (SERVER, OK % 203)]
    for pipelined in (False, True):
        stream = a_stream()
        into, chunks = dissection(), chunks_of(talk, stream)
        chunks[2] = chunks[2]._replace(missing_bytes=44)
        items = feed(into, chunks)
        assert (1, "/2", 202, None) not in [row(item) for item in items] or not pipelined
        assert row(items[-1])[1:] == ("/3", 203, None)
        assert not any(row(item)[1:3] == ("/1", 202) for item in items)


@pytest.mark.parametrize(
    "data", [b"\x16\x04\x01\x02\0\x01\0\x01\xfc\x03\x03".ljust(40), b"SSH-2.0-OpenSSH_9.2\r\n", bytes(100)]
)
def test_a_stream_of_something_else_is_given_up_after_a_few_chunks(data: bytes) -> None:
    into, stream = dissection(), a_stream(port=22)
    assert heeded(into, stream)
    for chunk in chunks_of([(CLIENT, data), (SERVER, data)] * (MAX_TRIES // 2), stream):
        assert heeded(into, stream)
        assert into.feed(chunk) == []
    assert not heeded(into, stream)
    assert into.feed(chunks_of([(CLIENT, GET % 1)], stream)[0]) == []
    assert into.finish() == into.ended(stream) == []


def test_one_datagram_is_enough_to_give_up() -> None:
    into, stream = dissection(), a_stream(UDP, 4789)
    assert heeded(into, stream)
    into.feed(datagram(stream, CLIENT, b"no dns at all"))
    assert not heeded(into, stream)


def test_other_transports_are_not_heeded() -> None:
    into, stream = dissection(), a_stream(ICMP)
    assert into.feed(chunks_of([(CLIENT, b"ping")], stream)[0]) == []
    assert not heeded(into, stream)


def test_a_stream_that_waits_for_nothing_is_put_away_and_goes_on_where_it_was() -> None:
    counters = Counters()
    into, stream = dissection(counters=counters), a_stream(UDP, 53)
    assert into.feed(datagram(stream, CLIENT, QUERY)) == []
    assert not into.put_away(stream)
    assert [item.index for item in into.feed(datagram(stream, SERVER, ANSWER))] == [0]
    assert into.put_away(stream)
    assert into.finish() == []
    later = a_stream(UDP, 53)
    later.dissector, later.items = stream.dissector, stream.items
    (item,) = feed(into, [datagram(later, CLIENT, QUERY), datagram(later, SERVER, ANSWER)])
    assert (item.index, item["protocol"]["name"], item["error"]) == (1, "dns", None)
    assert counters.get("dissect_streams_total{protocol=dns}") == 1


def test_a_stream_whose_dissector_remembers_something_is_not_put_away() -> None:
    into, stream = dissection(), a_stream()
    assert len(feed(into, chunks_of([(CLIENT, GET % 1), (SERVER, OK % 200)], stream))) == 1
    assert not into.put_away(stream)


def test_a_capture_that_begins_inside_a_body_finds_the_next_exchange() -> None:
    talk = [(SERVER, b"...the rest of a body"), (CLIENT, GET % 1), (SERVER, OK % 200)]
    assert [row(item) for item in feed(dissection(), chunks_of(talk))] == [(0, "/1", 200, None)]


def test_what_only_looks_like_a_beginning_is_held_up_to_a_limit() -> None:
    into, stream = dissection(), a_stream()
    stream.shaken = True
    for _ in range(40):
        into.feed(chunks_of([(CLIENT, b"G" * 10_000)], stream)[0])
    assert not heeded(into, stream)


def test_a_stream_that_leaves_http_for_nothing_that_is_known_is_wanted_no_more() -> None:
    into, stream = dissection(), a_stream()
    talk = [
        (CLIENT, b"GET /own HTTP/1.1\r\nUpgrade: my-own\r\n\r\n"),
        (SERVER, b"HTTP/1.1 101 Switching\r\nUpgrade: my-own\r\n\r\n" + b"\xff" * 40),
        *[(CLIENT, b"\xff" * 40), (SERVER, b"\xff" * 40)] * MAX_TRIES,
    ]
    assert [row(item) for item in feed(into, chunks_of(talk, stream))] == [(0, "/own", 101, None)]
    assert not heeded(into, stream)


def test_the_rest_of_a_download_tells_nothing_and_hides_nothing() -> None:
    """The capture begins in the middle of it, and it comes in many chunks."""
    into, stream = dissection(), a_stream()
    body = [(SERVER, b"\xff" * 100)] * 50
    talk = [*body, (CLIENT, GET % 7), (SERVER, OK % 200)]
    assert [row(item) for item in feed(into, chunks_of(talk, stream))] == [(0, "/7", 200, None)]


def test_what_tells_nothing_is_not_listened_to_for_ever() -> None:
    into, stream = dissection(), a_stream()
    chunk = chunks_of([(SERVER, b"\xff")], stream)[0]._replace(data=b"\xff" * (1 << 20))
    heard = 0
    while heeded(into, stream):
        feed(into, [chunk])
        heard += 1
    assert heard <= MAX_TRIES * (MAX_TURN_BYTES >> 20) + MAX_TRIES
    other = a_stream(number=2)
    feed(into, chunks_of([(SERVER, b"\xff" * 40), (CLIENT, b"\xff" * 40)] * MAX_TRIES, other))
    assert not heeded(into, other)


def test_requests_that_wait_when_dissection_gives_up_say_why() -> None:
    into, stream = dissection(), a_stream()
    items = feed(into, chunks_of([(CLIENT, GET % 1), (SERVER, b"220 smtp ready\r\n\r\n")], stream))
    assert [row(item) for item in items] == [(0, "/1", None, "dissection")]
    assert items[0]["error"]["msg"] == "not_http"


def test_finish_ends_what_nobody_ended() -> None:
    into = dissection()
    for number in (1, 2):
        feed(into, chunks_of([(CLIENT, GET % number)], a_stream(number=number)))
    assert [row(item)[1:] for item in into.finish()] == [("/1", None, "pair-not-found"), ("/2", None, "pair-not-found")]


@pytest.mark.parametrize("seed", range(200))
def test_damage_raises_nothing_and_items_count_from_zero(seed: int) -> None:
    chance = random.Random(seed)
    talk = [turn for number in range(4) for turn in ((CLIENT, GET % number), (SERVER, OK % (200 + number)))]
    stream = a_stream()
    into = dissection(max_pending=chance.choice((1, 2, 1024)))
    items = feed(into, damage(split_anywhere(chunks_of(talk, stream), seed + 1), seed))
    items += into.expire(START_NS + chance.randrange(60) * NS_PER_S)
    items += into.ended(ended(stream, chance.choice(("reset", "closed", "idle"))))
    assert [item.index for item in items] == list(range(len(items)))
    for item in items:
        item.encode()
        assert item["request"] is not None or item["response"] is not None
        assert (item["request"] and item["response"]) or item["error"]
    assert stream.protocol == TCP
    assert not heeded(into, stream) or stream.conversation is None
