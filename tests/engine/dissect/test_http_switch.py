from __future__ import annotations

import pytest

from engine.dissect.http1 import Http1
from engine.dissect.http_switch import leads
from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER
from tests.support.dissecting import GET, OK, dissection, feed
from tests.support.http2_peers import END_HEADERS, END_STREAM, PREFACE, SETTINGS, ByHand, answering, asking, frame
from tests.support.streams import Said, a_stream, chunks_of, split_anywhere

OPTIONS = DissectOptions(max_header_bytes=20_000, max_pending=200)
CONNECT = b"CONNECT inside:80 HTTP/1.1\r\nHost: inside:80\r\n\r\n"
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
UPGRADE = b"GET /up HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: other/2\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other/2\r\n\r\n"
TALKS: dict[str, list[Said]] = {
    "connect": [(CLIENT, CONNECT), (SERVER, CONNECTED), (CLIENT, GET % 1), (SERVER, OK % 201)],
    "connect_at_once": [(CLIENT, CONNECT + GET % 1), (SERVER, CONNECTED + OK % 201)],
    "connect_early": [(CLIENT, CONNECT), (CLIENT, GET % 1), (SERVER, CONNECTED), (SERVER, OK % 201)],
    "upgrade": [(CLIENT, UPGRADE), (SERVER, SWITCHED), (CLIENT, GET % 1), (SERVER, OK % 201)],
    "upgrade_behind_others": [
        (CLIENT, GET % 9 + UPGRADE + GET % 1),
        (SERVER, OK % 299 + b"HTTP/1.1 103 Early Hints\r\n\r\n" + SWITCHED + OK % 201),
    ],
}


def heard(chunks: list[Chunk]) -> tuple[list[Message], Http1]:
    dissector = Http1(OPTIONS)
    return [message for chunk in chunks for message in dissector.feed(chunk)], dissector


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("seed", range(15))
def test_what_is_said_behind_a_switch_is_handed_on_to_the_last_byte(name: str, seed: int) -> None:
    chunks = split_anywhere(chunks_of(TALKS[name]), seed)
    messages, dissector = [], Http1(OPTIONS)
    while not dissector.lost:
        messages += dissector.feed(chunks.pop(0))
    assert dissector.lost == "switched_protocol"
    assert messages[-1].payload.section()["status"] in (101, 200)
    assert dissector.successor is not None
    rest = [*dissector.successor.chunks, *chunks]
    assert b"".join(chunk.data for chunk in rest if chunk.direction == CLIENT) == GET % 1
    assert b"".join(chunk.data for chunk in rest if chunk.direction == SERVER) == OK % 201
    for chunk in rest:
        assert chunk.starts == list(range(len(chunk.data)))
        assert len(chunk.times_ns) == len(chunk.data)


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("seed", range(10))
def test_what_goes_on_is_found_out_by_its_bytes(name: str, seed: int) -> None:
    items = feed(dissection(), split_anywhere(chunks_of(TALKS[name]), seed))
    assert items[-1]["request"]["path"] == "/1"
    assert items[-1]["response"]["status"] == 201
    assert all(item["error"] is None for item in items)
    assert [item["index"] for item in items] == list(range(len(items)))


def test_an_answer_without_its_request_switches_as_well() -> None:
    _, dissector = heard(chunks_of([(SERVER, SWITCHED + b"more")]))
    assert dissector.successor is not None
    assert [chunk.data for chunk in dissector.successor.chunks] == [b"more"]


H2C = (
    b"POST /up HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    b"Content-Length: 4\r\n\r\nbody"
)


@pytest.mark.parametrize("seed", range(10))
def test_a_request_with_a_body_that_switches_to_http_2_is_answered_there_or_refused(seed: int) -> None:
    agreed = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    reply = SETTINGS + ByHand().headers(1, answering(200), END_HEADERS) + frame(0, END_STREAM, 1, b"hi")
    later = PREFACE + SETTINGS + ByHand().headers(3, asking("/3"))
    talk: list[Said] = [(CLIENT, H2C), (SERVER, OK % 403), (CLIENT, H2C), (SERVER, agreed + reply), (CLIENT, later)]
    into = dissection()
    items = [*feed(into, split_anywhere(chunks_of(talk), seed)), *into.finish()]
    assert [
        (item["protocol"]["version"], item["request"]["path"], item["response"] and item["response"]["status"])
        for item in items
    ] == [("1.1", "/up", 403), ("1.1", "/up", 101), ("2.0", "/up", 200), ("2.0", "/3", None)]
    assert [item["request"]["postData"]["text"] for item in items] == ["body", "body", "body", ""]


def test_requests_behind_one_that_is_refused_are_requests() -> None:
    refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    messages, dissector = heard(chunks_of([(CLIENT, CONNECT + GET % 1), (SERVER, refused + OK % 200)]))
    assert [message.payload.section().get("method") for message in messages] == ["CONNECT", "GET", None, None]
    assert dissector.lost == ""


def test_what_waits_for_an_answer_that_never_comes_is_bounded() -> None:
    messages, dissector = heard(chunks_of([(CLIENT, UPGRADE)] + [(CLIENT, GET % 1)] * 100))
    assert len(messages) > 5
    assert dissector.lost == ""


def test_what_waits_when_the_stream_ends_is_told() -> None:
    dissector = Http1(OPTIONS)
    (first,) = dissector.feed(chunks_of([(CLIENT, UPGRADE + GET % 1)])[0])
    (second,) = dissector.close("closed")
    assert [first.payload.section()["url"], second.payload.section()["url"]] == ["/up", "/1"]


@pytest.mark.parametrize(
    ("data", "wanted", "expected"),
    [
        (CONNECT, {"redis"}, True),
        (UPGRADE, {"redis"}, True),
        (GET % 1, {"ws"}, False),
        ((GET % 1)[:-1], {"ws"}, True),
        (OK % 200, {"ws"}, False),
        ((OK % 200)[:20], {"ws"}, False),
        (UPGRADE.replace(b"other/2", b"websocket"), {"ws"}, True),
        (UPGRADE.replace(b"other/2", b"WebSocket"), {"redis"}, False),
        (UPGRADE.replace(b"other/2", b"h2c, websocket"), {"redis", "ws"}, True),
        (GET % 1 + UPGRADE, {"ws"}, False),
        (b"GET / HTTP/1.1\r\nUpgrade-Insecure-Requests: 1\r\n\r\n", {"ws"}, False),
    ],
)
def test_the_first_request_says_where_a_stream_may_lead(data: bytes, wanted: set[str], expected: bool) -> None:
    assert leads(data, frozenset(wanted)) is expected


def test_a_stream_that_leads_nowhere_is_not_dissected() -> None:
    into = dissection()
    into.want(frozenset({"dns"}))
    stream = a_stream()
    assert feed(into, chunks_of([(CLIENT, GET % 1), (SERVER, OK % 200)], stream)) == []
    assert stream.conversation.over
