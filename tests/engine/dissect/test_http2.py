from __future__ import annotations

import gzip
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from engine.dissect.http2 import ROW, Http2, upgraded
from engine.dissect.http2_protocol import detect
from engine.dissect.http2_sections import Http2Payload
from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.registry import load_rows
from engine.dissect.table import Verdict, recognise
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, TCP
from tests.fuzz.protocols import names, samples_of
from tests.support.http2_peers import (
    END_HEADERS,
    END_STREAM,
    PADDED,
    PREFACE,
    SETTINGS,
    ByHand,
    Peers,
    answering,
    asking,
    call,
    frame,
    padded,
    promised,
)
from tests.support.streams import BYTE_NS, START_NS, Said, chunks_of, damage, split_anywhere

OPTIONS = DissectOptions(max_body_bytes=10_000, max_header_bytes=4_000, max_pending=16)


def several() -> list[Said]:
    """Streams that are interleaved, and a body in pieces."""
    peers = Peers().ask(1, asking("/1", "POST", ("cookie", "a=1"), ("cookie", "b=2")), None)
    peers.ask(3, asking("/3?q=1&q=2")).more(CLIENT, 1, b"first ")
    peers.answer(3, answering(200, ("set-cookie", "s=1; Path=/"), ("set-cookie", "t=2")), b"three")
    peers.more(CLIENT, 1, b"second", end=True)
    return peers.answer(1, answering(303, ("location", "/3")), b"").said


def interim() -> list[Said]:
    """Answers that are announced, and trailers."""
    peers = Peers().ask(1, asking("/slow"))
    peers.answer(1, answering(103, ("link", "</a.css>")), None)
    return peers.answer(1, answering(200), b"late", (("sum", "7"),)).said


def early() -> list[Said]:
    """The answer is whole before the request is."""
    peers = Peers().ask(1, asking("/large", "POST"), None).more(CLIENT, 1, b"a" * 100)
    return peers.answer(1, answering(413), b"too large").more(CLIENT, 1, b"b" * 50, end=True).said


TALKS: dict[str, Callable[[], list[Said]]] = {
    talk.__name__: talk for talk in (several, interim, padded, promised, early, call)
}


def messages(chunks: Sequence[Chunk], reason: str = "closed", options: DissectOptions = OPTIONS) -> list[Message]:
    dissector = Http2(options)
    return [message for chunk in chunks for message in dissector.feed(chunk)] + dissector.close(reason)


def shown(found: Sequence[Message]) -> list[Any]:
    return [
        (
            m.is_request, m.direction, m.key, m.start_ns, m.end_ns, m.size_bytes,
            m.payload.section(), m.payload.problem(), m.instead,
        )
        for m in found
    ]  # fmt: skip


def brief(found: Sequence[Message]) -> list[tuple[object, ...]]:
    """Stream and path or status of each, and its problem."""
    told = []
    for message in found:
        section, problem = message.payload.section(), message.instead or message.payload.problem()
        what = "none" if message.instead else section["path"] if message.is_request else section["status"]
        told.append((message.key, what, *([problem.msg] if problem else [])))
    return told


def sections(talk: Sequence[Said], reason: str = "closed") -> list[dict[str, Any]]:
    return [message.payload.section() for message in messages(chunks_of(talk), reason)]


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("seed", range(25))
def test_messages_do_not_depend_on_where_the_data_is_cut(name: str, seed: int) -> None:
    whole = chunks_of(TALKS[name]())
    assert shown(messages(split_anywhere(whole, seed))) == shown(messages(whole))


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("seed", range(30))
def test_nor_where_the_capture_begins_in_the_middle_or_has_a_gap(name: str, seed: int) -> None:
    chance = random.Random(seed)
    talk = chunks_of(TALKS[name]())
    chunks = talk[chance.randrange(min(4, len(talk))) :]
    at = chance.randrange(len(chunks))
    cut = min(chance.randrange(1, 40), len(chunks[at].data) - 1)
    gone = chunks[at]
    starts = gone.starts[: len(gone.data) - cut]
    chunks[at] = gone._replace(data=gone.data[cut:], starts=starts, times_ns=gone.times_ns[cut:], missing_bytes=cut)
    pieces = split_anywhere([chunk._replace(missing_bytes=0) for chunk in chunks[:at]], seed)
    rest = split_anywhere([chunk._replace(missing_bytes=0) for chunk in chunks[at:]], seed + 1)
    rest[0] = rest[0]._replace(missing_bytes=cut)
    assert shown(messages([*pieces, *rest])) == shown(messages(chunks))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("several", [(3, "/3"), (3, 200), (1, "/1"), (1, 303)]),
        ("interim", [(1, "/slow"), (1, 200)]),
        ("padded", [(1, "/padded"), (1, 200)]),
        ("promised", [(1, "/index"), (2, "/style.css"), (2, 200), (1, 200)]),
        ("early", [(1, "/large"), (1, 413)]),
        ("call", [(1, "/shop.Cart/Watch"), (1, 200)]),
    ],
)
def test_every_message_is_found_once_requests_first(name: str, told: list[object]) -> None:
    assert brief(messages(chunks_of(TALKS[name]()))) == told


def test_sections_have_the_keys_of_http_1_and_pseudo_headers() -> None:
    _, _, request, response = sections(several())
    assert request == {
        "method": "POST",
        "url": "/1",
        "targetUri": "/1",
        "path": "/1",
        "pathSegments": ["1"],
        "httpVersion": "HTTP/2.0",
        "headers": {
            ":method": "POST", ":scheme": "http", ":path": "/1", ":authority": "shop.test", "cookie": "a=1; b=2",
        },
        "cookies": {"a": "1", "b": "2"},
        "queryString": {},
        "headersSize": request["headersSize"],
        "bodySize": 12,
        "postData": {"mimeType": "", "params": [], "text": "first second"},
    }  # fmt: skip
    assert (response["status"], response["statusText"], response["redirectURL"]) == (303, "", "/3")
    request, response = sections(several())[:2]
    assert request["queryString"] == {"q": ["1", "2"]}
    assert response["cookies"] == {"s": "1", "t": "2"}
    assert response["headers"]["set-cookie"] == "s=1; Path=/,t=2"
    assert response["content"] == {"size": 5, "mimeType": "", "encoding": "", "text": "three"}


def test_times_and_sizes_are_those_of_the_frames_of_a_stream() -> None:
    hand, other = ByHand(), ByHand()
    ask = hand.headers(1, asking("/a", "POST"), END_HEADERS)
    body, reply = frame(0, END_STREAM, 1, b"body"), other.headers(1, answering(204))
    ping = frame(6, 0, 0, b"12345678")
    request, response = messages(
        chunks_of([(CLIENT, PREFACE + SETTINGS + ask + ping + body), (SERVER, SETTINGS + reply)])
    )
    before = len(PREFACE + SETTINGS)
    assert request.start_ns == START_NS + before * BYTE_NS
    assert request.end_ns == START_NS + (before + len(ask + ping + body) - 1) * BYTE_NS
    assert request.size_bytes == len(ask + body)
    assert response.size_bytes == len(reply)
    assert response.end_ns == START_NS + (before + len(ask + ping + body + SETTINGS + reply) - 1) * BYTE_NS
    assert request.payload.section()["headersSize"] == len(ask) - 9


def test_padding_is_no_body_and_trailers_are_no_headers() -> None:
    _, response = sections(padded())
    assert response["content"]["text"] == "padded"
    _, response = sections(interim())
    assert response["headers"] == {":status": "200"}
    assert response["trailers"] == {"sum": "7"}


def test_bodies_are_decoded_as_those_of_http_1() -> None:
    zipped = gzip.compress(b"plain text", mtime=0)
    talk = Peers().ask(1, asking("/z")).answer(1, answering(200, ("content-encoding", "gzip")), zipped).said
    assert sections(talk)[1]["content"]["text"] == "plain text"


def test_what_is_pushed_is_asked_by_the_client_as_far_as_anybody_did() -> None:
    _, promise, response, _ = messages(chunks_of(promised()))
    assert (promise.direction, promise.is_request, promise.payload.section()["pushed"]) == (CLIENT, True, True)
    assert (response.direction, response.key) == (SERVER, 2)


def test_an_upgraded_request_is_answered_on_stream_1() -> None:
    request = Message(True, CLIENT, None, START_NS, START_NS + 5, 99, Http2Payload(True, 10, asking("/up")))
    dissector = upgraded(request)[1](OPTIONS)
    reply = SETTINGS + ByHand().headers(1, answering(200), END_HEADERS) + frame(0, END_STREAM, 1, b"hello")
    chunks = chunks_of([(SERVER, reply), (CLIENT, PREFACE + SETTINGS)])
    found = [message for chunk in chunks for message in dissector.feed(chunk)]
    assert brief(found) == [(1, "/up"), (1, 200)]
    assert (found[0].size_bytes, found[0].start_ns) == (99, START_NS)


CANCELLED, REFUSED, NO_ERROR = (number.to_bytes(4, "big") for number in (8, 7, 0))


def reset(stream: int, code: bytes) -> bytes:
    return frame(3, 0, stream, code)


def after_a_request(*turns: Said, ends: bool = True) -> list[tuple[object, ...]]:
    """What comes of these turns, behind a request on stream 1 that ends or goes on."""
    flags = END_HEADERS | (END_STREAM if ends else 0)
    first = PREFACE + SETTINGS + ByHand().headers(1, asking("/a", "POST"), flags)
    return brief(messages(chunks_of([(CLIENT, first), (SERVER, SETTINGS), *turns])))


HEAD = ByHand().headers(1, answering(200), END_HEADERS)
GOODBYE = frame(7, 0, 0, b"\0\0\0\0\0\0\0\x0btoo_many_pings")


@pytest.mark.parametrize(
    ("turns", "ends", "told"),
    [
        ([(CLIENT, reset(1, CANCELLED))], True, [(1, "/a"), (1, "none", "the client reset the stream (CANCEL)")]),
        (
            [(SERVER, reset(1, REFUSED))],
            False,
            [
                (1, "/a", "request: it was not sent to its end"),
                (1, "none", "the server reset the stream (REFUSED_STREAM)"),
            ],
        ),
        (
            [(SERVER, HEAD + frame(0, 0, 1, b"half")), (CLIENT, reset(1, CANCELLED))],
            True,
            [(1, "/a"), (1, 200, "response: the client reset the stream (CANCEL)")],
        ),
        (
            [(SERVER, HEAD + frame(0, END_STREAM, 1, b"whole") + reset(1, NO_ERROR))],
            False,
            [(1, "/a"), (1, 200)],
        ),
        (
            [(CLIENT, reset(1, CANCELLED)), (SERVER, HEAD + frame(0, END_STREAM, 1, b"late"))],
            True,
            [(1, "/a"), (1, "none", "the client reset the stream (CANCEL)")],
        ),
        (
            [(SERVER, GOODBYE)],
            True,
            [
                (1, "/a"),
                (1, "none", "the server went away and did not look at this stream (ENHANCE_YOUR_CALM: too_many_pings)"),
            ],
        ),
        (
            [(SERVER, frame(7, 0, 0, b"\0\0\0\1\0\0\0\2"))],
            True,
            [(1, "/a"), (1, "none", "the server went away (INTERNAL_ERROR)")],
        ),
        ([(SERVER, frame(7, 0, 0, b"\0\0\0\1\0\0\0\0") + HEAD + frame(0, 1, 1))], True, [(1, "/a"), (1, 200)]),
        ([], True, [(1, "/a")]),
        ([], False, [(1, "/a", "request: the connection ended inside it (closed)")]),
        (
            [(SERVER, HEAD)],
            True,
            [(1, "/a"), (1, 200, "response: the connection ended inside it (closed)")],
        ),
    ],
    ids=[
        "cancelled", "refused", "cancelled-half", "answered-early", "late-answer", "goaway", "goaway-error",
        "goaway-orderly", "no-answer", "half-a-request", "half-an-answer",
    ],
)  # fmt: skip
def test_what_ends_a_stream_is_told(turns: list[Said], ends: bool, told: list[object]) -> None:
    assert after_a_request(*turns, ends=ends) == told


def test_who_goes_away_answers_what_it_looked_at_and_nothing_above() -> None:
    client, server = ByHand(), ByHand()
    ask = PREFACE + SETTINGS + b"".join(client.headers(number, asking(f"/{number}")) for number in (1, 3, 5))
    bye = SETTINGS + frame(7, 0, 0, b"\0\0\0\3\0\0\0\0")
    reply = bye + server.headers(3, answering(200)) + server.headers(1, answering(201))
    assert brief(messages(chunks_of([(CLIENT, ask), (SERVER, reply)])))[3:] == [
        (5, "none", "the server went away and did not look at this stream (NO_ERROR)"),
        (3, 200),
        (1, 201),
    ]


def test_a_flood_of_empty_continuations_takes_neither_time_nor_room() -> None:
    block = ByHand().encoder.encode(asking("/flood"))
    start = PREFACE + SETTINGS + frame(1, END_STREAM, 1, block[:5])
    dissector = Http2(OPTIONS)
    dissector.feed(chunks_of([(CLIENT, start)])[0])
    flood = chunks_of([(CLIENT, frame(9, 0, 1) * 1000)])[0]._replace(starts=[0], times_ns=[START_NS])
    began = time.process_time()
    for _ in range(100):
        assert dissector.feed(flood) == []
    assert time.process_time() - began < 5
    assert dissector.held_bytes < 10_000
    (request,) = dissector.feed(chunks_of([(CLIENT, frame(9, END_HEADERS, 1, block[5:]))])[0])
    assert request.payload.section()["path"] == "/flood"


def test_a_frame_that_arrives_while_its_stream_is_reset_changes_nothing_that_was_told() -> None:
    ask = PREFACE + SETTINGS + ByHand().headers(1, asking("/a")) + ByHand().headers(3, asking("/b"))
    reply, body = SETTINGS + HEAD, frame(0, 0, 1, b"first half, second half")
    talk = [(CLIENT, ask), (SERVER, reply + body[:20]), (CLIENT, reset(1, CANCELLED)), (SERVER, body[20:])]
    dissector = Http2(OPTIONS)
    found = [message for chunk in chunks_of(talk) for message in dissector.feed(chunk)]
    assert brief(found)[2:] == [(1, 200, "response: the client reset the stream (CANCEL)")]
    assert found[2].payload.section()["content"]["text"] == "first half,"
    assert found[2].payload.section()["bodySize"] == 11


def test_in_the_middle_of_a_connection_what_is_unknown_is_named() -> None:
    hand = ByHand()
    hand.headers(1, asking("/before", "GET", ("x-token", "old")))
    late = hand.headers(3, asking("/after", "POST", ("x-token", "old"), ("x-new", "1")))
    request, response = messages(chunks_of([(CLIENT, late), (SERVER, ByHand().headers(3, answering(404)))]))
    headers = request.payload.section()["headers"]
    assert headers == {
        ":method": "POST", ":scheme": "http", ":path": "/after", "<unknown 2>": "", "<unknown 1>": "", "x-new": "1",
    }  # fmt: skip
    problem = request.payload.problem()
    assert problem is not None
    assert problem.msg == "request: table entries of 2 header fields were not captured"
    assert response.payload.section()["status"] == 404
    assert response.payload.problem() is None


def test_in_the_middle_of_a_frame_the_next_packet_that_begins_one_is_found() -> None:
    hand = ByHand()
    rest = b"the rest of some frame, longer than a header"
    ask = hand.headers(9, asking("/next"))
    chunk = chunks_of([(CLIENT, rest + ask)])[0]
    chunk = chunk._replace(starts=[0, len(rest)], times_ns=[START_NS, START_NS + 7])
    (request,) = messages([chunk])
    assert (request.key, request.start_ns) == (9, START_NS + 7)


def test_trailers_of_an_answer_that_began_before_the_capture_are_told() -> None:
    trailers = frame(1, END_STREAM | END_HEADERS, 5, ByHand().encoder.encode([("grpc-status", "13")]))
    (response,) = messages(chunks_of([(SERVER, trailers)]))
    assert (response.is_request, response.payload.section()["trailers"]) == (False, {"grpc-status": "13"})
    problem = response.payload.problem()
    assert problem is not None
    assert problem.msg == "response: its header fields were not captured"


def test_what_is_unknown_of_trailers_is_told_apart() -> None:
    hand = ByHand()
    hand.headers(1, answering(200, ("server", "shop")))
    hand.headers(1, [("sum", "7")])
    late = hand.headers(3, answering(200, ("server", "shop")), END_HEADERS) + hand.headers(3, [("sum", "7")])
    (response,) = messages(chunks_of([(SERVER, late)]))
    problem = response.payload.problem()
    assert problem is not None
    assert problem.msg == (
        "response: table entries of 1 header field were not captured; "
        "response: trailers: table entries of 1 header field were not captured"
    )


def with_gap(chunk: Chunk, start: int, end: int) -> list[Chunk]:
    """The same without its bytes from ``start`` to ``end``."""
    first = chunk._replace(data=chunk.data[:start], starts=chunk.starts[:start], times_ns=chunk.times_ns[:start])
    count = len(chunk.data) - end
    second = chunk._replace(
        data=chunk.data[end:], starts=chunk.starts[:count], times_ns=chunk.times_ns[end:], missing_bytes=end - start
    )
    return [first, second]


def test_a_gap_inside_a_body_loses_no_more_than_that() -> None:
    hand = ByHand()
    reply = SETTINGS + hand.headers(1, answering(200, ("x", "y")), END_HEADERS)
    body = frame(0, END_STREAM, 1, b"a" * 100 + b"b" * 100)
    following = hand.headers(3, answering(404, ("x", "y")))
    ask = ByHand()
    first = PREFACE + SETTINGS + ask.headers(1, asking("/1")) + ask.headers(3, asking("/3"))
    asked, replied = chunks_of([(CLIENT, first), (SERVER, reply + body + following)])
    found = messages([asked, *with_gap(replied, len(reply) + 50, len(reply) + 150)])
    assert brief(found)[2:] == [(1, 200, "response body: bytes are missing after 41"), (3, 404)]
    assert found[2].payload.section()["bodySize"] == 200
    assert found[2].size_bytes == len(reply + body) - len(SETTINGS)
    assert found[3].payload.section()["headers"] == {":status": "404", "x": "y"}


def test_behind_a_gap_over_frames_the_table_is_not_known_and_what_was_open_is_doubted() -> None:
    hand = ByHand()
    reply = SETTINGS + hand.headers(1, answering(200, ("x", "y")), END_HEADERS) + frame(0, 0, 1, b"begun")
    lost = frame(0, END_STREAM, 1, b"never seen")
    following = hand.headers(3, answering(404, ("x", "y")))
    ask = ByHand()
    first = PREFACE + SETTINGS + ask.headers(1, asking("/1")) + ask.headers(3, asking("/3"))
    asked, replied = chunks_of([(CLIENT, first), (SERVER, reply + lost + following)])
    found = messages([asked, *with_gap(replied, len(reply), len(reply + lost))])
    assert brief(found)[2:] == [
        (3, 404, "response: table entries of 1 header field were not captured"),
        (1, 200, "response body: bytes are missing after 5"),
    ]
    assert found[2].payload.section()["headers"] == {":status": "404", "<unknown 1>": ""}


def test_a_stream_whose_end_was_missed_is_let_go_after_a_while() -> None:
    ask, hand = ByHand(), ByHand()
    first = PREFACE + SETTINGS + ask.headers(1, asking("/1"))
    reply = SETTINGS + hand.headers(1, answering(200), END_HEADERS)
    lost = frame(0, END_STREAM, 1, b"never seen")
    ping = frame(6, 0, 0, b"12345678")
    asked, replied = chunks_of([(CLIENT, first), (SERVER, reply + lost + ping)])
    later = chunks_of([(SERVER, ping)])[0]
    later = later._replace(times_ns=[START_NS + 31_000_000_000] * len(ping))
    dissector = Http2(OPTIONS)
    for chunk in (asked, *with_gap(replied, len(reply), len(reply + lost))):
        dissector.feed(chunk)
    assert brief(dissector.feed(later)) == [(1, 200, "response body: bytes are missing after 0")]


def test_header_blocks_beyond_the_limit_are_passed_over_and_the_next_one_is_read() -> None:
    ask = ByHand()
    flood = frame(1, END_STREAM, 1, b"\x82" * 100) + frame(9, 0, 1, b"\x82" * 3000) * 4
    first = PREFACE + SETTINGS + flood + frame(9, END_HEADERS, 1, b"\x82") + ask.headers(3, asking("/3"))
    found = messages(chunks_of([(CLIENT, first)]))
    assert brief(found) == [
        (1, "", "request: the header block is larger than 4000 bytes (dissect.maxHeader)"),
        (3, "/3"),
    ]
    large = frame(1, END_STREAM | END_HEADERS, 5, b"\x82" * 5000) + ask.headers(7, asking("/7"))
    found = messages(chunks_of([(CLIENT, PREFACE + SETTINGS + large)]))
    assert [told[0] for told in brief(found)] == [5, 7]


def test_no_more_streams_are_open_than_may_be() -> None:
    ask = ByHand()
    first = PREFACE + SETTINGS
    first += b"".join(ask.headers(2 * number + 1, asking(f"/{number}", "POST"), END_HEADERS) for number in range(40))
    dissector = Http2(OPTIONS)
    early = dissector.feed(chunks_of([(CLIENT, first)])[0])
    given_up = [told for told in brief(early) if told[1] != "none"]
    assert [path for _, path, _ in given_up] == [f"/{number}" for number in range(24)]
    assert len(dissector.close("closed")) == OPTIONS.max_pending


@pytest.mark.parametrize(
    "data",
    [
        frame(0, 0, 0, b"data of no stream"),
        frame(4, 0, 0, b"12345"),
        frame(6, 0, 0, b"1"),
        frame(1, PADDED | END_HEADERS, 1, b"\xff"),
        frame(0, PADDED, 1, b"\xff"),
        frame(1, 0, 1, b"\x82") + frame(0, 0, 1, b"x"),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["stream-0", "settings", "ping", "padding", "padded-data", "no-continuation", "http1"],
)
def test_what_no_peer_would_accept_ends_it(data: bytes) -> None:
    dissector = Http2(OPTIONS)
    ask = PREFACE + SETTINGS + ByHand().headers(1, asking("/a", "POST"), END_HEADERS)
    found = dissector.feed(chunks_of([(CLIENT, ask + data)])[0])
    assert dissector.lost == "not_http2"
    assert brief(found) == [(1, "/a", "request: not_http2")]


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (PREFACE + SETTINGS, Verdict.SURE),
        (PREFACE[:20], Verdict.SHORT),
        (b"P", Verdict.SHORT),
        (SETTINGS, Verdict.SURE),
        (SETTINGS[:8], Verdict.SHORT),
        (b"\0", Verdict.SHORT),
        (ByHand().headers(7, asking("/a")), Verdict.SURE),
        (frame(0, 0, 5, b"body") + ByHand().headers(7, asking("/a")), Verdict.SURE),
        (ByHand().headers(7, asking("/a"))[:-2], Verdict.SHORT),
        (frame(1, 5, 7, b"\x40\x02a b\1c"), Verdict.NO),
        (frame(1, 5, 7, b"\x82\x7f"), Verdict.NO),
        (frame(0, 0, 5, b"body"), Verdict.SURE),
        (frame(0, 0, 5, b"body") * 2, Verdict.SURE),
        (frame(0, 0, 5, b"body") + frame(0, 0, 7, b"body")[:-1], Verdict.PLAUSIBLE),
        (frame(4, 0, 0), Verdict.PLAUSIBLE),
        (frame(0, 0, 5, b"b" * 9000)[:1400], Verdict.PLAUSIBLE),
        (frame(6, 0, 0, b"12345678"), Verdict.SURE),
        (frame(4, 0, 0, b"\xab\xcd\0\0\0\0"), Verdict.NO),
        (b"GET / HTTP/1.1\r\n\r\n", Verdict.NO),
        (b"\x16\x03\x01\x02\x00\x01", Verdict.NO),
        (b"AMQP\0\0\x09\x01", Verdict.NO),
        (b"*1\r\n$4\r\nPING\r\n", Verdict.NO),
        (b"\0\0\0\x1a\0\x12\0\x03\0\0\0\1\0\x05admin\0", Verdict.NO),
        (b"\0\x1d\x12\x34\1\0\0\1\0\0\0\0\0\0\3www\4shop\4test\0\0\1\0\1", Verdict.NO),
        (b"\0" * 200, Verdict.NO),
    ],
)
def test_first_bytes_tell_http_2(data: bytes, verdict: Verdict) -> None:
    assert detect(data) is verdict


@pytest.mark.parametrize("protocol", [name for name in names() if name != "http2"])
def test_what_other_protocols_say_is_not_taken_for_http_2(protocol: str) -> None:
    samples = samples_of(protocol)
    for talk in samples.conversations if samples.row.transport == TCP else ():
        for _, data in talk:
            assert detect(data) in (Verdict.NO, Verdict.SHORT), data[:40]


@pytest.mark.parametrize("name", TALKS)
def test_no_other_protocol_takes_what_http_2_says_for_its_own(name: str) -> None:
    rows = [row for row in load_rows(installed=False) if row.transport == TCP]
    for _, data in TALKS[name]():
        assert recognise(rows, data, (51234, 80)) is ROW


@pytest.mark.parametrize("seed", range(300))
def test_damage_raises_nothing_and_every_section_can_be_built(seed: int) -> None:
    chance = random.Random(seed)
    talk = [turn for name in chance.sample(sorted(TALKS), 2) for turn in TALKS[name]()]
    chunks = damage(split_anywhere(chunks_of(talk), seed + 1), seed)
    for message in messages(chunks, chance.choice(("closed", "reset", "idle"))):
        message.payload.problem()
        message.payload.section()
        assert message.size_bytes >= 0
        assert message.instead or min(message.start_ns, message.end_ns) >= START_NS


def test_the_bodies_of_all_open_streams_together_are_bounded() -> None:
    options = DissectOptions(max_body_bytes=10_000, max_pending=100)
    hand, dissector = ByHand(), Http2(options)
    asks = [hand.headers(2 * number + 1, asking(f"/{number}", "POST"), END_HEADERS) for number in range(40)]
    data = [frame(0, 0, 2 * number + 1, bytes(9_000)) for number in range(40)]
    for said in (PREFACE + SETTINGS, *asks, *data):
        assert dissector.feed(chunks_of([(CLIENT, said)])[0]) == []
    found = [message.payload for message in dissector.close("closed")]
    kept = [len(part) for payload in found if isinstance(payload, Http2Payload) for part in payload.parts]
    assert 160_000 < sum(kept) <= 160_000 + 9_000
    last = found[-1].section()
    assert last["bodySize"] == 9_000
    assert last["postData"]["comment"].startswith("0 of 9000 bytes kept")


def test_what_has_ended_counts_no_more_against_that_bound() -> None:
    hand, dissector = ByHand(), Http2(DissectOptions(max_body_bytes=10_000, max_pending=100))
    dissector.feed(chunks_of([(CLIENT, PREFACE + SETTINGS)])[0])
    for number in range(1, 199, 2):
        ask = hand.headers(number, asking("/x", "POST"), END_HEADERS) + frame(0, END_STREAM, number, bytes(9_000))
        (request,) = dissector.feed(chunks_of([(CLIENT, ask)])[0])
        assert request.payload.problem() is None
        assert "comment" not in request.payload.section()["postData"]


def test_frames_of_nothing_leave_nothing() -> None:
    hand, dissector = ByHand(), Http2(OPTIONS)
    first = PREFACE + SETTINGS + hand.headers(1, asking("/a", "POST"), END_HEADERS)
    bad = frame(1, END_HEADERS, 1, b"\xff")
    dissector.feed(chunks_of([(CLIENT, first + bad * 100)])[0])
    dissector.feed(chunks_of([(CLIENT, frame(1, 0, 3, hand.encoder.encode(asking("/b"))[:4]))])[0])
    dissector.feed(chunks_of([(CLIENT, frame(9, 0, 3) * 1000)])[0])
    block = dissector._halves[CLIENT].block
    assert block is not None
    assert len(block.parts) == 1
    (request,) = dissector.close("closed")
    problem = request.payload.problem()
    assert problem is not None
    assert problem.msg.count("cannot be decoded") <= 4


def test_a_flood_of_goaways_takes_no_time() -> None:
    hand, server, dissector = ByHand(), ByHand(), Http2(DissectOptions())
    streams = range(1, 2001, 2)
    asks = b"".join(hand.headers(stream, asking("/a")) for stream in streams)
    heads = b"".join(server.headers(stream, answering(200), END_HEADERS) for stream in streams)
    for said in ((CLIENT, PREFACE + SETTINGS + asks), (SERVER, SETTINGS + heads)):
        dissector.feed(chunks_of([said])[0])
    flood = b"".join(frame(7, 0, 0, last.to_bytes(4, "big") + bytes(4)) for last in range(20_000, 0, -1))
    began_s = time.process_time()
    dissector.feed(chunks_of([(SERVER, flood)])[0])
    assert time.process_time() - began_s < 1  # 0.06 s where nothing else runs
    assert len(dissector.close("closed")) == 1000


def test_memory_is_bounded_whatever_comes() -> None:
    dissector = Http2(OPTIONS)
    dissector.feed(
        chunks_of([(CLIENT, PREFACE + SETTINGS + ByHand().headers(1, asking("/a", "POST"), END_HEADERS))])[0]
    )
    for _ in range(50):
        dissector.feed(chunks_of([(CLIENT, frame(0, 0, 1, b"y" * 10_000))])[0])
        dissector.feed(chunks_of([(CLIENT, frame(1, END_HEADERS, 1, b"\x40\1a\1b" * 100))])[0])
    (request,) = dissector.close("closed")
    payload = request.payload
    assert isinstance(payload, Http2Payload)
    assert sum(len(part) for part in payload.parts) == OPTIONS.max_body_bytes
    assert len(payload.trailers) == 100
    assert payload.section()["bodySize"] == 500_000
