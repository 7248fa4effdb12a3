from __future__ import annotations

import random
import tracemalloc
import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode

from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.websocket import NO_EXTENSIONS, WebSocket, agreed
from engine.dissect.websocket_deflate import SURPLUS, Extensions
from engine.dissect.websocket_frames import unmask
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER
from tests.fuzz.samples.websocket import handshake
from tests.support.dissecting import dissection, feed
from tests.support.streams import Said, chunks_of, damage, split_anywhere

OPTIONS = DissectOptions(max_body_bytes=1000)
DEFLATE = Extensions.of("permessage-deflate")


def said(opcode: int, data: bytes, way: int = CLIENT, fin: bool = True) -> Said:
    """A frame as the ``websockets`` package writes it."""
    return way, Frame(Opcode(opcode), data, fin).serialize(mask=way == CLIENT)


def raw(first: int, data: bytes, length: bytes = b"") -> Said:
    """A frame of the server, as it should or should not be."""
    return SERVER, bytes([first]) + (length or bytes([len(data)])) + data


def messages(chunks: Sequence[Chunk], extensions: Extensions = NO_EXTENSIONS, reason: str = "closed") -> list[Message]:
    dissector = WebSocket(OPTIONS, extensions)
    return [message for chunk in chunks for message in dissector.feed(chunk)] + dissector.close(reason)


def sections(talk: list[Said], extensions: Extensions = NO_EXTENSIONS) -> list[dict[str, Any]]:
    return [message.payload.section() for message in messages(chunks_of(talk), extensions)]


def told(message: Message) -> tuple[Any, ...]:
    section, problem = message.payload.section(), message.payload.problem()
    return section["type"], section["sender"], section["text"], section["fragments"], problem and problem.msg


TALK = [
    said(1, b"hello"), said(1, b"hi", SERVER), said(1, b"one ", CLIENT, False), said(9, b"ping"),
    said(10, b"ping", SERVER), said(0, b"two ", CLIENT, False), said(0, b"three"),
    said(2, bytes(range(256)), SERVER), said(2, b"x" * 70_000, SERVER), said(1, b""),
    said(8, Close(1001, "bye").serialize()), said(8, Close(1001, "").serialize(), SERVER),
]  # fmt: skip


def test_messages_are_found_with_who_sent_them() -> None:
    found = messages(chunks_of(TALK))
    assert [told(message) for message in found[:6]] == [
        ("text", "client", "hello", 1, None),
        ("text", "server", "hi", 1, None),
        ("ping", "client", "ping", 1, None),
        ("pong", "server", "ping", 1, None),
        ("text", "client", "one two three", 3, None),
        ("binary", "server", found[5].payload.section()["text"], 1, None),
    ]
    assert [message.direction for message in found] == [0, 1, 0, 1, 0, 1, 1, 0, 0, 1]
    assert all(message.alone and message.is_request for message in found)


def test_sizes_and_times_are_those_of_the_frames() -> None:
    found = messages(chunks_of(TALK))
    assert sum(message.size_bytes for message in found) == sum(len(data) for _, data in TALK)
    starts = {chunk.times_ns[0] for chunk in chunks_of(TALK)}
    ends = {chunk.times_ns[-1] for chunk in chunks_of(TALK)}
    assert all(message.start_ns in starts and message.end_ns in ends for message in found)


def test_a_close_has_a_code_and_a_reason() -> None:
    found = sections([*TALK, said(8, b"", SERVER), raw(0x88, b"\3")])[-4:]
    assert [(one["closeCode"], one["closeReason"]) for one in found] == [
        (1001, "bye"),
        (1001, ""),
        (None, ""),
        (None, ""),
    ]


def test_what_is_too_long_is_cut_and_says_so() -> None:
    found = sections([(SERVER, Frame(Opcode.TEXT, b"x" * 5000).serialize(mask=False))])[0]
    assert (found["size"], len(found["text"]), found["comment"]) == (5000, 1000, "1000 of 5000 bytes kept")


@pytest.mark.parametrize("seed", range(25))
def test_messages_do_not_depend_on_where_the_data_is_cut(seed: int) -> None:
    talk = [turn for turn in TALK if len(turn[1]) < 1000 or seed]
    whole = messages(chunks_of(talk))
    assert shown(messages(split_anywhere(chunks_of(talk), seed))) == shown(whole)
    compressed, _ = exchange(seed, True)
    assert shown(messages(split_anywhere(chunks_of(compressed), seed), DEFLATE)) == shown(
        messages(chunks_of(compressed), DEFLATE)
    )


def shown(found: Sequence[Message]) -> list[Any]:
    return [
        (m.direction, m.start_ns, m.end_ns, m.size_bytes, m.after_gap, m.payload.section(), m.payload.problem())
        for m in found
    ]


def exchange(seed: int, takeover: bool) -> tuple[list[Said], list[tuple[int, bytes]]]:
    """Frames that the ``websockets`` package compresses, in fragments or not, and the messages that they are."""
    chance = random.Random(seed)
    bits = chance.randrange(9, 16)
    deflates = [PerMessageDeflate(not takeover, not takeover, bits, bits) for _ in range(2)]
    frames: list[Said] = []
    plain: list[tuple[int, bytes]] = []
    for _ in range(30):
        way, binary = chance.randrange(2), chance.random() < 0.5
        text = bytes(chance.choices(b"abcd efgh", k=chance.choice((0, 1, 9, 100, 900))))
        cuts = sorted(chance.randrange(len(text) + 1) for _ in range(chance.choice((0, 0, 1, 3))))
        pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        for at, piece in enumerate(pieces):
            opcode = Opcode.CONT if at else Opcode.BINARY if binary else Opcode.TEXT
            frame = Frame(opcode, piece, fin=at == len(pieces) - 1)
            frames.append((way, frame.serialize(mask=way == CLIENT, extensions=[deflates[way]])))
        plain.append((way, text))
    return frames, plain


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_compressed_messages_are_what_another_implementation_compressed(seed: int, takeover: bool) -> None:
    extensions = DEFLATE._replace(takeover=(takeover, takeover))
    frames, plain = exchange(seed, takeover)
    found = messages(chunks_of(frames), extensions)
    assert [(message.direction, message.payload.section()["text"].encode()) for message in found] == plain
    assert all(message.payload.section()["compressed"] for message in found)


@pytest.mark.parametrize(
    ("value", "extensions"),
    [
        ("", (False, (True, True), False)),
        ("permessage-deflate", (True, (True, True), False)),
        ("permessage-deflate; server_no_context_takeover; server_max_window_bits=10", (True, (True, False), False)),
        ("Permessage-Deflate;client_no_context_takeover", (True, (False, True), False)),
        ("x-webkit-deflate-frame", (False, (True, True), True)),
        ("x-a; b=1, permessage-deflate, permessage-deflate; server_no_context_takeover", (True, (True, True), True)),
    ],
)
def test_extensions_are_what_the_response_says(value: str, extensions: tuple[object, ...]) -> None:
    assert tuple(Extensions.of(value)) == extensions


def test_the_side_that_asked_is_the_client_whoever_opened_the_stream() -> None:
    row, opened = agreed(b"", b"HTTP/1.1 101 OK\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", SERVER)
    (message,) = opened(OPTIONS).feed(chunks_of([(SERVER, Frame(Opcode.TEXT, b"x").serialize(mask=True))])[0])
    assert (row.name, message.payload.section()["sender"], message.payload.problem()) == ("ws", "client", None)


@pytest.mark.parametrize(
    ("turn", "problem"),
    [
        ((CLIENT, Frame(Opcode.TEXT, b"x").serialize(mask=False)), "a frame of the client has no mask"),
        ((SERVER, Frame(Opcode.TEXT, b"x").serialize(mask=True)), "a frame of the server has a mask"),
        (raw(0x81, b"x", b"\x7e\0\1"), "a length takes more bytes than it needs"),
        (raw(0x81, b"x", b"\x7f\0\0\0\0\0\0\0\1"), "a length takes more bytes than it needs"),
        (raw(0x80, b"x"), "its first fragments are missing"),
        (raw(0x88, b"\3"), "a close with half a code"),
        (raw(0x01, b"x"), "the stream ended inside it (closed)"),
        (raw(0x81, b"x", b"\5"), "the stream ended inside it (closed)"),
    ],
)
def test_what_is_wrong_with_a_message_is_said(turn: Said, problem: str) -> None:
    (message,) = messages(chunks_of([turn]))
    found = message.payload.problem()
    assert found is not None
    assert found.msg == problem
    assert len(message.payload.section()["text"]) <= 1


def test_a_message_inside_another_ends_it() -> None:
    found = messages(chunks_of([raw(0x01, b"begun"), raw(0x81, b"whole")]))
    assert [told(message)[2:] for message in found] == [
        ("begun", 1, "another message began before its end"),
        ("whole", 1, None),
    ]


def test_text_that_is_none_says_so() -> None:
    (found,) = sections([raw(0x81, b"\xff")])
    assert (found["encoding"], found["comment"]) == ("base64", "the text is no UTF-8")


@pytest.mark.parametrize(
    "turn",
    [
        raw(0x83, b"x"),
        raw(0xC1, b"x"),
        raw(0x09, b"x"),
        raw(0x89, b"x" * 126, b"\x7e\0\x7e"),
        raw(0x81, b"x", b"\x7f\xff\0\0\0\0\0\0\1"),
    ],
    ids=["opcode", "reserved bit", "ping in fragments", "long ping", "length"],
)
def test_what_is_no_frame_ends_the_dissection(turn: Said) -> None:
    dissector = WebSocket(OPTIONS)
    told_before = [m for chunk in chunks_of([raw(0x01, b"begun"), turn]) for m in dissector.feed(chunk)]
    assert dissector.lost == "bad_frame"
    (begun,) = told_before
    assert begun.payload.problem() == ("dissection", "what follows is no frame")
    assert dissector.feed(chunks_of([raw(0x81, b"x")])[0]) == []


def test_an_unknown_extension_may_use_reserved_bits() -> None:
    (found,) = sections([raw(0xF3, b"x")], Extensions.of("x-other"))
    assert (found["type"], found["comment"]) == ("opcode 3", "as an extension made it that is not known here")


def with_gap(turns: list[Said], at: int, start: int, count: int) -> list[Chunk]:
    """The chunks of ``turns``; of turn ``at`` the bytes from ``start`` are missing."""
    chunks = chunks_of(turns)
    data = chunks[at].data
    after, before = chunks[at].behind(start + count), data[:start]
    first = chunks[at]._replace(data=before, starts=list(range(start)), times_ns=chunks[at].times_ns[:start])
    chunks[at : at + 1] = [*([first] if before else []), after._replace(missing_bytes=count)]
    return chunks


def in_one_packet(chunk: Chunk) -> Chunk:
    return chunk._replace(starts=[0], times_ns=chunk.times_ns[:1])


def test_a_gap_inside_a_payload_is_a_gap_in_the_message_and_no_more() -> None:
    turns = [said(1, b"0123456789"), said(1, b"next")]
    first, second = messages(with_gap(turns, 0, 9, 3))
    assert told(first) == ("text", "client", "012", 1, "bytes are missing after 3")
    assert first.payload.section()["comment"] == "3 of 10 bytes kept"
    assert first.size_bytes == len(turns[0][1])
    assert told(second) == ("text", "client", "next", 1, None)


def test_behind_a_gap_that_hides_a_header_the_next_packet_of_whole_frames_goes_on() -> None:
    turns = [said(1, b"begun", CLIENT, False), said(0, b"lost"), said(1, b"first "), said(1, b"next")]
    lost, rest = turns[1][1], [in_one_packet(chunk) for chunk in chunks_of(turns[2:])]
    chunks = [chunks_of(turns[:1])[0], rest[0]._replace(data=b"more of it", missing_bytes=len(lost)), *rest]
    found = messages(chunks)
    assert [told(message)[2:] for message in found] == [
        ("begun", 1, "bytes are missing"),
        ("first ", 1, None),
        ("next", 1, None),
    ]
    assert [message.after_gap for message in found] == [False, True, False]


@pytest.mark.parametrize("takeover", [True, False])
def test_what_refers_to_missing_bytes_is_not_inflated(takeover: bool) -> None:
    frames, plain = exchange(7, takeover)
    ours = [turn for turn in frames if turn[0] == CLIENT]
    chunks = [in_one_packet(chunk) for chunk in chunks_of(ours)]
    lost = chunks.pop(2)
    chunks[2] = chunks[2]._replace(missing_bytes=len(lost.data))
    found = messages(chunks, DEFLATE._replace(takeover=(takeover, takeover)))
    comments = {message.payload.section().get("comment", "") for message in found[3:]}
    assert ("not inflated: bytes that it refers to are missing" in comments) is takeover
    assert (
        takeover or found[-1].payload.section()["text"].encode() == [text for way, text in plain if way == CLIENT][-1]
    )


def compressed(data: bytes) -> bytes:
    deflator = zlib.compressobj(wbits=-15)
    return (deflator.compress(data) + deflator.flush(zlib.Z_SYNC_FLUSH))[:-4]


def server(first: int, data: bytes) -> Said:
    return SERVER, bytes([first, 127]) + len(data).to_bytes(8, "big") + data


def test_a_bomb_is_cut() -> None:
    """64 MB in 64 kB; what is kept is 1000 bytes, and what is looked at 16 times that."""
    bomb = compressed(bytes(64 << 20))
    chunks = [in_one_packet(chunk) for chunk in chunks_of([server(0xC1, bomb)])]
    tracemalloc.start()
    (message,) = messages(chunks, DEFLATE)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    section = message.payload.section()
    assert len(section["text"]) == 1000
    assert section["comment"] == f"not inflated to its end: it inflates to more than {1000 * SURPLUS} bytes"
    assert peak_bytes < 1 << 20


def test_a_message_with_a_final_block_is_whole_and_the_next_one_refers_to_it() -> None:
    deflator = zlib.compressobj(wbits=-15)
    final = deflator.compress(b"hello hello") + deflator.flush() + b"\0"
    deflator = zlib.compressobj(wbits=-15, zdict=b"hello hello")
    after = (deflator.compress(b"hello hello") + deflator.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert [one["text"] for one in sections([raw(0xC1, final), raw(0xC1, after)], DEFLATE)] == ["hello hello"] * 2


def test_what_does_not_inflate_says_so() -> None:
    (found,) = sections([raw(0xC1, b"\xff\xff\xff")], DEFLATE)
    assert found["comment"] == "not inflated to its end: it does not inflate"


def test_many_final_blocks_cost_no_more_than_linear_time() -> None:
    chunks = [in_one_packet(chunk) for chunk in chunks_of([server(0xC1, b"\3\0" * 100_000)])]
    (message,) = messages(chunks, DEFLATE)
    assert "does not inflate" in message.payload.section()["comment"]


@pytest.mark.parametrize("seed", range(50))
def test_the_mask_is_what_a_slow_loop_says(seed: int) -> None:
    chance = random.Random(seed)
    data, key, phase = chance.randbytes(chance.randrange(1, 40)), chance.randbytes(4), chance.randrange(4)
    assert unmask(data, key, phase) == bytes(byte ^ key[(at + phase) & 3] for at, byte in enumerate(data))


def test_a_stream_becomes_websocket_by_its_handshake_and_only_by_it() -> None:
    items = feed(dissection(), chunks_of([*handshake(), *TALK]))
    assert [item["protocol"]["name"] for item in items] == ["http"] + ["ws"] * 10
    assert (items[2]["src"]["ip"], items[2]["dst"]["ip"]) == ("10.0.0.2", "10.0.0.1")
    assert all(item["error"] is None and item["response"] is None for item in items[1:])
    assert feed(dissection(), chunks_of(TALK)) == []


def test_who_wants_websocket_alone_gets_it_from_streams_that_ask_for_it() -> None:
    into = dissection()
    into.want(frozenset({"ws"}))
    items = feed(into, chunks_of([*handshake(), *TALK]))
    assert sum(item["protocol"]["name"] == "ws" for item in items) == 10


@pytest.mark.parametrize("seed", range(300))
def test_damage_raises_nothing_and_every_section_can_be_built(seed: int) -> None:
    frames, _ = exchange(seed, seed % 2 == 0)
    for message in messages(damage(split_anywhere(chunks_of(frames[:12]), seed), seed), DEFLATE, "reset"):
        message.payload.problem()
        assert message.payload.section()["type"]
