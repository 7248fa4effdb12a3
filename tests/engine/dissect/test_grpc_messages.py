from __future__ import annotations

import gzip
import random
from typing import Any

import pytest

from engine.dissect.grpc_messages import MAX_SHOWN, MessageCount, call_of, is_grpc, messages_of, status_of
from engine.dissect.http2 import Http2
from engine.dissect.http2_protocol import GRPC as GRPC_PROTOCOL
from engine.dissect.http2_protocol import HTTP_2, describe
from engine.dissect.options import DissectOptions
from engine.streams.stream import CLIENT
from tests.support.http2_peers import END_HEADERS, GRPC, ByHand, Peers, answering, asking, call, frame
from tests.support.streams import Said, chunks_of

LIMIT = 10_000
ZIPPED = gzip.compress(b"x" * 99, mtime=0)
ASK = asking("/shop.Cart/Get", "POST", GRPC, ("te", "trailers"))


def message(data: bytes, *, compressed: bool = False) -> bytes:
    data = gzip.compress(data, mtime=0) if compressed else data
    return bytes([compressed]) + len(data).to_bytes(4, "big") + data


def sections(talk: list[Said]) -> tuple[dict[str, Any], dict[str, Any]]:
    dissector = Http2(DissectOptions(max_body_bytes=LIMIT))
    said = [told for chunk in chunks_of(talk) for told in dissector.feed(chunk)]
    request, response = (told.payload.section() for told in said)
    return request, response


def test_a_call_says_what_was_called_and_how_it_ended() -> None:
    ended = (("grpc-status", "0"), ("grpc-message", ""))
    talk = Peers().ask(1, ASK, message(b"ask")).answer(1, answering(200, GRPC), message(b"reply"), ended).said
    request, response = sections(talk)
    assert request["grpc"] == {
        "service": "shop.Cart",
        "method": "Get",
        "encoding": "identity",
        "messageCount": 1,
        "messageBytes": 3,
        "compressedCount": 0,
        "messages": [{"size": 3, "compressed": False, "text": "ask", "encoding": ""}],
    }
    assert {key: response["grpc"][key] for key in ("status", "statusName", "message", "messageCount")} == {
        "status": 0, "statusName": "OK", "message": "", "messageCount": 1,
    }  # fmt: skip
    assert response["headers"]["grpc-status"] == response["trailers"]["grpc-status"] == "0"


def test_messages_that_stream_are_counted_and_decompressed() -> None:
    request, response = sections(call())
    assert request["grpc"]["messageCount"] == 3
    assert [each["text"] for each in response["grpc"]["messages"]] == ["seen 0", "seen 1", "seen 2"]
    assert response["grpc"]["compressedCount"] == 3
    assert (response["grpc"]["status"], response["grpc"]["message"]) == (5, "no such cart")


def test_a_response_of_trailers_only_has_its_status_in_the_headers() -> None:
    refused = answering(200, GRPC, ("grpc-status", "14"), ("grpc-message", "try%20later"))
    _, response = sections(Peers().ask(1, ASK, message(b"x")).answer(1, refused).said)
    assert response["grpc"]["statusName"] == "UNAVAILABLE"
    assert response["grpc"]["message"] == "try later"
    assert "trailers" not in response


def test_a_long_call_shows_its_first_messages_and_counts_all() -> None:
    peers = Peers().ask(1, ASK, None)
    for number in range(400):
        peers.more(CLIENT, 1, message(b"%037d" % number), end=number == 399)
    peers.answer(1, answering(200, GRPC), b"", (("grpc-status", "0"),))
    request, _ = sections(peers.said)
    said = request["grpc"]
    assert (said["messageCount"], said["messageBytes"], len(said["messages"])) == (400, 14800, MAX_SHOWN)
    assert request["bodySize"] == 400 * 42


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", []),
        (message(b"a") + message(b""), [("a", 1, None), ("", 0, None)]),
        (message(b"abcdef")[:-2], [("abcd", 6, "the message is not whole")]),
        (message(b"a") + b"\0\0", [("a", 1, None)]),
        (b"\1\0\0\0\2\xff\xff", [("//8=", 2, "content coding 'gzip' does not fit the body")]),
        (message(b"x" * 99, compressed=True), [("x" * 99, len(ZIPPED), None)]),
    ],
    ids=["none", "empty", "cut", "prefix-cut", "not-gzip", "gzip"],
)
def test_messages_in_a_body(body: bytes, shown: list[object]) -> None:
    found = [(told["text"], told["size"], told.get("comment")) for told in messages_of(body, "gzip", LIMIT)]
    assert found == shown


def test_what_is_decompressed_is_bounded_over_all_messages() -> None:
    bomb = message(b"0" * 1_000_000, compressed=True)
    shown = messages_of(bomb * 50, "gzip", LIMIT)
    assert len(shown) == 50
    assert sum(len(told["text"]) for told in shown) <= LIMIT + 50
    assert all("decoded to more than" in told["comment"] for told in shown)


def test_codings_that_are_not_undone_are_named() -> None:
    (told,) = messages_of(b"\1\0\0\0\3abc", "snappy", LIMIT)
    assert (told["text"], told["comment"]) == ("abc", "message coding 'snappy' is not undone")


@pytest.mark.parametrize("seed", range(20))
def test_counts_do_not_depend_on_where_the_body_is_cut(seed: int) -> None:
    chance = random.Random(seed)
    sizes = [chance.choice((0, 1, 4, 5, 300)) for _ in range(30)]
    body = b"".join(message(bytes(size)) for size in sizes)
    count, pos = MessageCount(), 0
    while pos < len(body):
        step = chance.choice((1, 2, 5, 7, 200))
        count.feed(body[pos : pos + step])
        pos += step
    assert (count.messages, count.bytes, count.cut, count.broken) == (30, sum(sizes), False, False)


@pytest.mark.parametrize(
    ("before", "missing", "broken", "messages"),
    [(b"\0\0\0\0\x0aab", 8, False, 2), (b"\0\0\0\0\x0aab", 9, True, 1), (b"\0\0", 1, True, 0)],
    ids=["inside", "over", "prefix"],
)
def test_a_gap_inside_a_message_loses_no_count(before: bytes, missing: int, broken: bool, messages: int) -> None:
    count = MessageCount()
    count.feed(before)
    count.miss(missing)
    count.feed(message(b"next"))
    assert (count.broken, count.messages) == (broken, messages)


@pytest.mark.parametrize(
    ("mime_type", "is_one"),
    [
        ("application/grpc", True),
        ("application/grpc+proto", True),
        ("application/grpc; charset=x", True),
        ("application/grpc-web", False),
        ("application/grpc-web+proto", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_content_types_of_grpc(mime_type: str, is_one: bool) -> None:
    assert is_grpc(mime_type) == is_one


def test_paths_and_statuses() -> None:
    assert call_of("/a.b.Service/Do") == ("a.b.Service", "Do")
    assert call_of("Do") == ("", "Do")
    assert status_of({"grpc-status": "99"})["statusName"] == "CODE_99"
    assert status_of({"grpc-status": "-1"})["status"] is None
    assert status_of({"grpc-status": "1e3"})["status"] is None
    assert status_of({}) == {"status": None, "statusName": "", "message": ""}


def test_either_content_type_tells_grpc() -> None:
    dissector = Http2(DissectOptions())
    talk = Peers().ask(1, asking("/a", "POST"), b"x").answer(1, answering(200, GRPC), b"").said
    request, response = (told.payload for chunk in chunks_of(talk) for told in dissector.feed(chunk))
    assert describe(request, response) is GRPC_PROTOCOL
    assert describe(request, None) is HTTP_2


@pytest.mark.parametrize(
    ("body", "is_one"),
    [(message(b"a") + message(b""), True), (message(b"ab")[:-1], False), (b"plain text", False), (b"", False)],
    ids=["messages", "cut", "text", "none"],
)
def test_where_the_content_type_was_not_captured_the_messages_tell(body: bytes, is_one: bool) -> None:
    hand = ByHand()
    hand.headers(1, ASK)
    late = hand.headers(3, ASK, END_HEADERS) + frame(0, 1, 3, body)
    ((request,),) = (Http2(DissectOptions()).feed(chunk) for chunk in chunks_of([(CLIENT, late)]))
    assert (describe(request.payload, None) is GRPC_PROTOCOL) == is_one
    section = request.payload.section()
    assert ("grpc" in section) == is_one
    if is_one:
        assert section["grpc"]["messageCount"] == 2
        assert section["grpc"]["comment"] == "taken for gRPC by its messages: the content type was not captured"
