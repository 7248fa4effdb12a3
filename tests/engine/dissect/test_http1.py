from __future__ import annotations

import gzip
import random
import sys
import zlib
from collections.abc import Sequence
from typing import Any

import brotli
import pytest

from engine.dissect.http1 import Http1
from engine.dissect.http_protocol import detect
from engine.dissect.http_sections import HttpPayload
from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.table import Verdict
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER
from tests.support.streams import BYTE_NS, START_NS, Said, chunks_of, damage, split_anywhere

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OPTIONS = DissectOptions(max_body_bytes=10_000, max_header_bytes=2_000, max_pending=8)
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Trailer: 1\r\nY: 2\r\n\r\n"
)
TALKS: dict[str, list[Said]] = {
    "keep_alive": [(CLIENT, GET), (SERVER, OK), (CLIENT, GET), (SERVER, CHUNKED), (CLIENT, GET), (SERVER, OK)],
    "pipelining": [(CLIENT, GET * 3), (SERVER, OK + CHUNKED + OK)],
    "post": [(CLIENT, b"POST / HTTP/1.1\r\ncontent-length:7\r\n\r\na=1&b=2"), (SERVER, OK)],
    "chunked_request": [
        (CLIENT, b"PUT /x HTTP/1.1\r\nTRANSFER-ENCODING: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        (SERVER, OK),
    ],
    "continue": [
        (CLIENT, b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
        (SERVER, b"HTTP/1.1 100 Continue\r\n\r\n"),
        (CLIENT, b"abc"),
        (SERVER, b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK),
    ],
    "head": [
        (CLIENT, b"HEAD / HTTP/1.1\r\n\r\n" + GET),
        (SERVER, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + OK),
    ],
    "no_body": [
        (CLIENT, GET * 3),
        (SERVER, b"HTTP/1.1 204 No Content\r\n\r\n"),
        (SERVER, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" + OK),
    ],
    "until_close": [(CLIENT, b"GET / HTTP/1.0\r\n\r\n"), (SERVER, b"HTTP/1.0 200 OK\r\n\r\nall there is")],
    "bare_line_feeds": [
        (CLIENT, b"\r\n\nGET / HTTP/1.1\nHost: a\nX: b\n\n"),
        (SERVER, b"HTTP/1.1 200\nContent-Length: 2\n\nok"),
    ],
    "folded": [(CLIENT, b"GET / HTTP/1.1\r\nX: one\r\n  two\r\n\tthree\r\nX: four\r\n\r\n"), (SERVER, OK)],
    "early_answer": [
        (CLIENT, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234"),
        (SERVER, b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
        (CLIENT, b"56789"),
    ],
    "refused_upgrade": [
        (CLIENT, GET.replace(b"\r\n\r\n", b"\r\nUpgrade: websocket\r\n\r\n") + GET),
        (CLIENT, GET),
        (SERVER, OK.replace(b"200 OK", b"426 Upgrade Required") + OK + CHUNKED),
        (CLIENT, GET),
        (SERVER, OK),
    ],
    "refused_before_its_body": [
        (CLIENT, b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
        (SERVER, OK.replace(b"200 OK", b"417 Expectation Failed")),
        (CLIENT, b"POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345"),
        (SERVER, OK),
    ],
    "refused_and_sent_all_the_same": [
        (CLIENT, b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (SERVER, OK.replace(b"200 OK", b"413 Too Large")),
        (CLIENT, b'7;why="P"\r\nPOST /b\r\n0\r\n\r\n' + GET),
        (SERVER, OK),
    ],
    "server_first": [(SERVER, GET), (CLIENT, OK)],
}


def messages(chunks: Sequence[Chunk], reason: str = "closed", options: DissectOptions = OPTIONS) -> list[Message]:
    dissector = Http1(options)
    return [message for chunk in chunks for message in dissector.feed(chunk)] + dissector.close(reason)


def shown(found: Sequence[Message]) -> list[Any]:
    return [
        (m.is_request, m.direction, m.start_ns, m.end_ns, m.size_bytes, m.payload.section(), m.payload.problem())
        for m in found
    ]


def sections(talk: Sequence[Said], reason: str = "closed") -> list[dict[str, Any]]:
    return [message.payload.section() for message in messages(chunks_of(talk), reason)]


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("seed", range(25))
def test_messages_do_not_depend_on_where_the_data_is_cut(name: str, seed: int) -> None:
    whole = chunks_of(TALKS[name])
    assert shown(messages(split_anywhere(whole, seed))) == shown(messages(whole))


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("keep_alive", ["GET", 200, "GET", 200, "GET", 200]),
        ("pipelining", ["GET", "GET", "GET", 200, 200, 200]),
        ("continue", ["POST", 200]),
        ("head", ["HEAD", "GET", 200, 200]),
        ("no_body", ["GET", "GET", "GET", 204, 304, 200]),
        ("until_close", ["GET", 200]),
        ("bare_line_feeds", ["GET", 200]),
        ("early_answer", ["POST", 413]),
        ("refused_upgrade", ["GET", "GET", "GET", 426, 200, 200, "GET", 200]),
        ("refused_before_its_body", ["POST", 417, "POST", 200]),
        ("refused_and_sent_all_the_same", ["POST", 413, "GET", 200]),
        ("server_first", ["GET", 200]),
    ],
)
def test_every_message_is_found_once(name: str, starts: list[object]) -> None:
    assert [part.get("method") or part["status"] for part in sections(TALKS[name])] == starts


def test_times_and_sizes_are_those_of_the_first_and_last_byte() -> None:
    for name in ("keep_alive", "pipelining", "post", "head"):
        now_ns = START_NS
        for message in messages(chunks_of(TALKS[name])):
            assert message.start_ns == now_ns
            now_ns += message.size_bytes * BYTE_NS
            assert message.end_ns == now_ns - BYTE_NS
        assert now_ns == START_NS + sum(len(data) for _, data in TALKS[name]) * BYTE_NS


def test_the_direction_of_requests_is_told_by_the_bytes() -> None:
    request, response = messages(chunks_of(TALKS["server_first"]))
    assert (request.is_request, request.direction) == (True, SERVER)
    assert (response.is_request, response.direction) == (False, CLIENT)


def test_chunked_bodies_are_joined_and_their_framing_counts_as_size() -> None:
    response = messages(chunks_of([(CLIENT, GET), (SERVER, CHUNKED)]))[1]
    section = response.payload.section()
    assert section["content"]["text"] == "hello world"
    assert section["bodySize"] == 11
    assert response.size_bytes == len(CHUNKED)


@pytest.mark.parametrize("reason", ["closed", "reset", "idle", "open"])
def test_a_body_that_ends_with_the_connection_is_whole_only_if_that_was_closed(reason: str) -> None:
    response = messages(chunks_of(TALKS["until_close"]), reason)[1]
    assert response.payload.section()["content"]["text"] == "all there is"
    problem = response.payload.problem()
    assert (problem is None) == (reason == "closed")
    if problem:
        assert problem.type == ("connection" if reason == "reset" else "dissection")
        assert reason in problem.msg


def test_a_message_cut_by_the_end_of_the_stream_says_so() -> None:
    request, response = messages(chunks_of([(CLIENT, GET), (SERVER, OK[:-2])]), "reset")
    assert request.payload.problem() is None
    content = response.payload.section()["content"]
    assert (content["text"], content["comment"]) == ("hel", "the body ends early")
    problem = response.payload.problem()
    assert problem is not None
    assert problem.type == "connection"
    assert problem.msg == "response: the stream ended inside it (reset)"


@pytest.mark.parametrize(
    ("talk", "lost"),
    [
        (
            [(CLIENT, GET), (SERVER, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05")],
            "switched_protocol",
        ),
        (
            [(CLIENT, b"CONNECT a:443 HTTP/1.1\r\n\r\n"), (SERVER, b"HTTP/1.1 200 OK\r\n\r\n\x16\x03")],
            "switched_protocol",
        ),
        ([(CLIENT, b"A" * 3000)], "head_too_long"),
        ([(CLIENT, GET + b"SSH-2.0-OpenSSH\r\n\r\n")], "not_http"),
        ([(CLIENT, GET), (SERVER, OK), (SERVER, GET)], "both_roles"),
        ([(CLIENT, GET * 17)], "too_many_unanswered"),
        (
            [(CLIENT, GET), (SERVER, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000)],
            "line_too_long",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_giving_up_has_a_name(talk: list[Said], lost: str) -> None:
    dissector = Http1(OPTIONS)
    for chunk in chunks_of(talk):
        dissector.feed(chunk)
    assert dissector.lost == lost
    assert dissector.feed(chunks_of([(CLIENT, GET)])[0]) == []


def test_a_message_whose_framing_breaks_ends_with_its_last_byte() -> None:
    broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnot a size\r\n"
    request, response, after = messages(chunks_of([(CLIENT, GET), (SERVER, broken + b"junk" + OK)]))
    assert response.end_ns == request.end_ns + len(broken) * BYTE_NS
    assert response.payload.section()["content"]["text"] == "abc"
    assert response.payload.problem() == ("dissection", "chunk size expected")
    assert after.after_gap
    assert after.payload.section()["status"] == 200


def test_a_request_whose_length_makes_no_sense_is_still_told() -> None:
    (request,) = messages(chunks_of([(CLIENT, b"POST /x HTTP/1.1\r\nContent-Length: -5\r\n\r\nabc")]))
    assert request.payload.section()["url"] == "/x"
    problem = request.payload.problem()
    assert problem is not None
    assert problem.msg == "request: bad length"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 3\r\nContent-Length: 3",
        b"Content-Length: 3, 03 ,3",
        b"Transfer-Encoding: identity\r\nContent-Length: 3",
    ],
)
def test_lengths_that_agree_are_one_length(fields: bytes) -> None:
    parts = sections([(CLIENT, b"POST / HTTP/1.1\r\n%b\r\n\r\nabc" % fields + GET)])
    assert [part["method"] for part in parts] == ["POST", "GET"]
    assert parts[0]["postData"]["text"] == "abc"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 3, 4",
        b"Content-Length: 3,",
        b"Content-Length: +3",
        b"Content-Length: 0x3",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 3",
        b"Transfer-Encoding: chunked, gzip",
    ],
)
def test_what_is_no_framing_is_not_guessed(fields: bytes) -> None:
    said = in_one_packet(chunks_of([(CLIENT, b"POST / HTTP/1.1\r\n%b\r\n\r\nabc" % fields + GET)])[0])
    (request,) = messages([said])
    assert request.payload.problem() == ("dissection", "request: bad length")
    refusal, later = chunks_of([(SERVER, OK.replace(b"200 OK", b"400 Bad Request")), (CLIENT, GET)])
    _, answer, after = messages([said, refusal, in_one_packet(later)])
    assert (answer.payload.section()["status"], answer.payload.problem()) == (400, None)
    assert (after.payload.section()["method"], after.after_gap) == ("GET", True)


def test_chunks_outrank_a_length() -> None:
    both = b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    parts = sections([(CLIENT, both + GET)])
    assert [part["bodySize"] for part in parts] == [3, 0]


@pytest.mark.parametrize("reason", ["closed", "reset"])
def test_a_body_that_was_refused_before_it_was_sent_is_not_missed(reason: str) -> None:
    asked, refused = messages(chunks_of(TALKS["refused_before_its_body"][:2]), reason)
    assert asked.payload.section()["bodySize"] == 0
    assert (asked.payload.problem(), refused.payload.problem()) == (None, None)


@pytest.mark.parametrize(
    ("target", "path", "segments"),
    [
        ("http://shop.test:8080/p/a?x=1", "/p/a", ["p", "a"]),
        ("HTTPS://shop.test", "/", [""]),
        ("http://shop.test?x=1", "/", [""]),
        ("/go?to=http://x/y", "/go", ["go"]),
        ("/http://x/y", "/http://x/y", ["http:", "", "x", "y"]),
        ("*", "*", []),
        ("shop.test:443", "shop.test:443", []),
    ],
)
def test_the_path_of_a_target_in_any_form(target: str, path: str, segments: list[str]) -> None:
    (request,) = sections([(CLIENT, f"OPTIONS {target} HTTP/1.1\r\n\r\n".encode())])
    assert (request["url"], request["path"], request["pathSegments"]) == (target, path, segments)


def in_one_packet(chunk: Chunk) -> Chunk:
    return chunk._replace(starts=[0], times_ns=chunk.times_ns[:1])


def with_gap(talk: list[Said], turn: int, start: int, count: int) -> list[Chunk]:
    """The chunks of ``talk`` without ``count`` bytes of one turn."""
    chunks = chunks_of(talk)
    chunk = chunks[turn]
    before = chunk._replace(data=chunk.data[:start], starts=chunk.starts[:start], times_ns=chunk.times_ns[:start])
    end = start + count
    rest = len(chunk.data) - end
    after = chunk._replace(
        data=chunk.data[end:], starts=list(range(rest)), times_ns=chunk.times_ns[end:], missing_bytes=count
    )
    chunks[turn : turn + 1] = [part for part in (before, after) if part.data]
    return chunks


def test_a_gap_inside_a_body_is_a_gap_in_the_message_and_no_more() -> None:
    talk = [(CLIENT, GET), (SERVER, OK), (CLIENT, GET), (SERVER, OK)]
    found = messages(with_gap(talk, 1, len(OK) - 4, 2))
    gapped, whole = found[1], found[3]
    section = gapped.payload.section()
    assert section["content"]["text"] == "h"
    assert section["content"]["comment"] == "1 of 5 bytes kept"
    assert section["bodySize"] == 5
    assert gapped.size_bytes == len(OK)
    problem = gapped.payload.problem()
    assert problem is not None
    assert problem.msg == "response body: bytes are missing after 1"
    assert whole.payload.problem() is None
    assert not whole.after_gap


@pytest.mark.parametrize("turn", [0, 1])
def test_behind_a_gap_in_a_head_the_next_message_is_found_and_marked(turn: int) -> None:
    talk = [(CLIENT, GET), (SERVER, OK), (CLIENT, GET), (SERVER, OK)]
    found = messages(with_gap(talk, turn, 3, 9))
    assert len(found) == 3
    assert [message.after_gap for message in found if message.direction == turn] == [True]
    assert not any(message.after_gap for message in found if message.direction != turn)


def test_a_gap_beyond_the_end_of_a_body_ends_it_and_hides_the_next_head() -> None:
    talk = [(CLIENT, GET * 2), (SERVER, OK + OK), (CLIENT, GET), (SERVER, OK)]
    responses = [m for m in messages(with_gap(talk, 1, len(OK) - 2, 12)) if not m.is_request]
    assert len(responses) == 2
    assert responses[0].payload.section()["content"]["text"] == "hel"
    assert responses[0].size_bytes == len(OK)
    assert responses[0].payload.problem() is not None
    assert responses[1].after_gap


def test_a_gap_in_chunked_data_is_bridged_as_long_as_the_chunk_lasts() -> None:
    at = CHUNKED.index(b"hello")
    found = messages(with_gap([(CLIENT, GET), (SERVER, CHUNKED + OK)], 1, at + 1, 3))
    assert [m.payload.section().get("status") for m in found] == [None, 200, 200]
    assert found[1].payload.section()["bodySize"] == 11
    assert found[1].size_bytes == len(CHUNKED)
    assert found[1].payload.problem() is not None


@pytest.mark.parametrize(
    ("coding", "body", "text"),
    [
        ("gzip", gzip.compress(b"plain", mtime=0), "plain"),
        ("x-gzip", gzip.compress(b"two ", mtime=0) + gzip.compress(b"members", mtime=0), "two members"),
        ("deflate", zlib.compress(b"zlib"), "zlib"),
        ("deflate", zlib.compress(b"raw", wbits=-15), "raw"),
        ("br", brotli.compress(b"brotli" * 9), "brotli" * 9),
        ("zstd", zstd.compress(b"zstd"), "zstd"),
        ("zstd", zstd.compress(b"two ") + zstd.compress(b"frames"), "two frames"),
        ("br, zstd", zstd.compress(brotli.compress(b"both of them")), "both of them"),
        ("deflate, gzip", gzip.compress(zlib.compress(b"both"), mtime=0), "both"),
        ("identity", b"as it is", "as it is"),
        ("", "żółw".encode(), "żółw"),
    ],
)
def test_content_coding_is_undone(coding: str, body: bytes, text: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Type: text/plain\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    content = sections([(CLIENT, GET), (SERVER, head.encode() + body)])[1]["content"]
    assert content == {"size": len(text.encode()), "mimeType": "text/plain", "encoding": "", "text": text}


@pytest.mark.parametrize(
    ("coding", "body", "comment"),
    [
        ("compress", b"\x1f\x9d", "content coding 'compress' is not undone"),
        ("br", b"\xff\xffno brotli", "content coding 'br' does not fit the body"),
        ("br", brotli.compress(b"plain" * 100)[:-3], "cut short"),
        ("br", brotli.compress(bytes(20_000)), "decoded to more than 10000 bytes"),
        ("zstd", b"no zstd at all", "content coding 'zstd' does not fit the body"),
        ("zstd", zstd.compress(bytes(range(256)) * 9)[:-3], "cut short"),
        ("zstd", zstd.compress(bytes(20_000)), "decoded to more than 10000 bytes"),
        (", ".join(["gzip"] * 9), gzip.compress(b"plain", mtime=0), "9 content codings are not undone"),
        ("gzip", b"no gzip", "content coding 'gzip' does not fit the body"),
        ("gzip", gzip.compress(b"plain" * 100, mtime=0)[:-9], "cut short"),
        ("gzip", gzip.compress(bytes(20_000), mtime=0), "decoded to more than 10000 bytes"),
    ],
)
def test_what_is_not_undone_says_so(coding: str, body: bytes, comment: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding.encode(), len(body))
    content = sections([(CLIENT, GET), (SERVER, head + body)])[1]["content"]
    assert content["comment"] == comment
    assert content["size"] <= OPTIONS.max_body_bytes


def test_codings_of_the_transfer_are_undone_as_well() -> None:
    body = gzip.compress(zlib.compress(b"both"), mtime=0)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
    content = sections([(CLIENT, GET), (SERVER, head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))])[1]["content"]
    assert (content["text"], content["size"]) == ("both", 4)


def test_trailers_are_told_where_there_are_any() -> None:
    found = sections([(CLIENT, GET), (SERVER, CHUNKED), (CLIENT, GET), (SERVER, OK)])
    assert [part.get("trailers") for part in found] == [None, {"X-Trailer": "1", "Y": "2"}, None, None]


def test_framing_is_read_from_folded_fields() -> None:
    folded = b"POST / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    length = b"POST / HTTP/1.1\r\nContent-Length: \r\n\t 2\r\n\r\nde"
    assert [part["postData"]["text"] for part in sections([(CLIENT, folded + length)])] == ["abc", "de"]


def test_bytes_that_are_no_text_are_base64() -> None:
    body = b"\xff\xfe\x00"
    content = sections([(CLIENT, GET), (SERVER, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + body)])[1]["content"]
    assert (content["encoding"], content["text"], content["size"]) == ("base64", "//4A", 3)


def test_a_body_in_tiny_chunks_takes_no_more_memory_than_another() -> None:
    body = b"1\r\nx\r\n" * 9_000
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [chunk._replace(starts=[0]) for chunk in chunks_of([(CLIENT, GET), (SERVER, head + body + b"0\r\n\r\n")])]
    response = messages(chunks)[1]
    assert response.payload.section()["content"]["text"] == "x" * 9_000
    assert isinstance(response.payload, HttpPayload)
    assert len(response.payload.parts) < 100


def test_a_body_is_kept_up_to_the_limit_and_says_so() -> None:
    body = "ż".encode() * 10_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 20001\r\n\r\nx"
    response = messages(chunks_of([(CLIENT, GET), (SERVER, head + body)]))[1]
    content = response.payload.section()["content"]
    assert content["comment"] == "10000 of 20001 bytes kept"
    assert content["text"] == "x" + "ż" * 4999  # not half a character
    assert response.payload.section()["bodySize"] == 20001
    assert response.payload.problem() is None


def test_a_request_is_taken_apart() -> None:
    head = (
        b"POST /shop/items?id=1&id=2&q=a+b%21&empty= HTTP/1.1\r\nHost: shop\r\nCookie: a=1; b=x=y\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 12\r\n\r\nname=J%C3%B6"
    )
    (request,) = sections([(CLIENT, head)])
    assert request == {
        "method": "POST",
        "url": "/shop/items?id=1&id=2&q=a+b%21&empty=",
        "targetUri": "/shop/items?id=1&id=2&q=a+b%21&empty=",
        "path": "/shop/items",
        "pathSegments": ["shop", "items"],
        "httpVersion": "HTTP/1.1",
        "headers": {
            "Host": "shop",
            "Cookie": "a=1; b=x=y",
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": "12",
        },
        "cookies": {"a": "1", "b": "x=y"},
        "queryString": {"id": ["1", "2"], "q": "a b!", "empty": ""},
        "headersSize": len(head) - 12,
        "bodySize": 12,
        "postData": {
            "mimeType": "application/x-www-form-urlencoded",
            "params": [{"name": "name", "value": "Jö"}],
            "text": "name=J%C3%B6",
        },
    }


def test_a_response_is_taken_apart() -> None:
    head = b"HTTP/1.0 302 Moved  Here\r\nLocation: /new\r\nSet-Cookie: a=1; Path=/\r\n"
    head += b"set-cookie: b=2, c\r\nContent-Length: 0\r\n\r\n"
    assert sections([(CLIENT, GET), (SERVER, head)])[1] == {
        "status": 302,
        "statusText": "Moved  Here",
        "httpVersion": "HTTP/1.0",
        "headers": {"Location": "/new", "Set-Cookie": "a=1; Path=/,b=2, c", "Content-Length": "0"},
        "cookies": {"a": "1", "b": "2, c"},
        "content": {"size": 0, "mimeType": "", "encoding": "", "text": ""},
        "redirectURL": "/new",
        "headersSize": len(head),
        "bodySize": 0,
    }


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        (b"X: one\r\n  two\r\n\tthree", {"X": "one two three"}),
        (b"x:1\r\nX: 2\r\nx: 3", {"x": "1,2,3"}),
        (b"Name : v", {"Name": "v"}),
        (b"A:   v  \r\nB:\tw", {"A": "v", "B": "w"}),
        (b"Empty:\r\nB: :", {"Empty": "", "B": ":"}),
        (b"no colon", {"no colon": ""}),
        (b"A: b\r\n C: d\r\nE: f", {"A": "b C: d", "E": "f"}),
        (b"A: b\nC: d", {"A": "b", "C": "d"}),
        (b"A: \xe9", {"A": "é"}),
        (b"a:b: c\r\nDate: d", {"a": "b: c", "Date": "d"}),
        (b"One Two: c", {"One Two": "c"}),
    ],
)
def test_odd_header_fields_are_read(fields: bytes, headers: dict[str, str]) -> None:
    (request,) = sections([(CLIENT, b"GET / HTTP/1.1\r\n" + fields + b"\r\n\r\n")])
    assert request["headers"] == headers


@pytest.mark.parametrize(
    ("line", "status", "text"),
    [
        (b"HTTP/1.1 200 OK", 200, "OK"),
        (b"HTTP/1.1 299", 299, ""),
        (b"HTTP/1.1 299 ", 299, ""),
        (b"HTTP/1.1 200\rOK", 200, "OK"),
    ],
)
def test_odd_status_lines_are_read(line: bytes, status: int, text: str) -> None:
    section = sections([(CLIENT, GET), (SERVER, line + b"\r\nContent-Length: 0\r\n\r\n")])[1]
    assert (section["status"], section["statusText"], section["httpVersion"]) == (status, text, "HTTP/1.1")


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (GET, Verdict.SURE),
        (b"PROPFIND /a b HTTP/1.1\n", Verdict.SURE),
        (OK, Verdict.SURE),
        (b"HTTP/1.1 20", Verdict.SHORT),
        (b"G", Verdict.SHORT),
        (b"GET /half", Verdict.SHORT),
        (b"GET key\r\n", Verdict.NO),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Verdict.NO),
        (b"SSH-2.0-OpenSSH_9\r\n", Verdict.NO),
        (b"INVITE sip:a SIP/2.0\r\n", Verdict.NO),
        (b"\x16\x03\x01\x02\x00", Verdict.NO),
        (b"GET " + b"x" * 9000, Verdict.NO),
    ],
)
def test_first_bytes_tell_http(data: bytes, verdict: Verdict) -> None:
    assert detect(data) is verdict


@pytest.mark.parametrize("seed", range(300))
def test_damage_raises_nothing_and_every_section_can_be_built(seed: int) -> None:
    chance = random.Random(seed)
    talk = [turn for name in chance.sample(sorted(TALKS), 3) for turn in TALKS[name]]
    chunks = damage(split_anywhere(chunks_of(talk), seed + 1), seed)
    reason = chance.choice(("closed", "reset", "idle"))
    for message in messages(chunks, reason):
        message.payload.problem()
        message.payload.section()
        assert message.size_bytes >= 0
        assert START_NS <= message.start_ns <= message.end_ns or message.after_gap


def test_memory_is_bounded_whatever_comes() -> None:
    dissector = Http1(OPTIONS)
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000
    for chunk in chunks_of([(CLIENT, GET), (SERVER, endless)]):
        dissector.feed(chunk)
    for _ in range(20):
        dissector.feed(chunks_of([(SERVER, b"y" * 100_000)])[0])
    (response,) = dissector.close("closed")
    assert isinstance(response.payload, HttpPayload)
    assert sum(len(part) for part in response.payload.parts) == OPTIONS.max_body_bytes
    assert response.payload.section()["bodySize"] == 2_100_000
