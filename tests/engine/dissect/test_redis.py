from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.redis import Redis
from engine.dissect.redis_detect import detect, direction_of_commands
from engine.dissect.redis_scan import MAX_LINE_BYTES, MAX_STREAMED
from engine.dissect.table import Verdict
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER
from tests.fuzz.samples.redis import REPLIES, command, conversations
from tests.support.dissecting import dissection, feed
from tests.support.streams import BYTE_NS, START_NS, Said, a_stream, chunks_of, damage, split_anywhere

OPTIONS = DissectOptions(max_body_bytes=10_000, max_pending=8)
GET, OK = command("GET", "k"), b"+OK\r\n"
CONFIRMED = b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
PUBLISHED = command("message", "a", "text")
PING: Said = (CLIENT, command("PING"))


def messages(chunks: Sequence[Chunk], reason: str = "closed") -> list[Message]:
    dissector = Redis(OPTIONS)
    return [message for chunk in chunks for message in dissector.feed(chunk)] + dissector.close(reason)


def items(talk: list[Said]) -> list[tuple[Any, ...]]:
    """Of each item what was asked, and the type and the value of what was answered; then its error."""
    stream = a_stream(port=6379)
    stream.shaken = True
    into = dissection()
    found = [*feed(into, chunks_of(talk, stream)), *into.finish()]
    assert [item["index"] for item in found] == list(range(len(found)))
    return [
        (
            item["request"] and " ".join([item["request"]["command"], *item["request"]["args"]]),
            item["response"] and f"{item['response']['keyword'] or item['response']['value']}",
            item["error"] and item["error"]["type"],
        )
        for item in found
    ]


def shown(found: Sequence[Message]) -> list[Any]:
    return [
        (
            m.is_request,
            m.alone,
            m.direction,
            m.start_ns,
            m.end_ns,
            m.size_bytes,
            m.payload.section(),
            m.payload.problem(),
        )
        for m in found
    ]


@pytest.mark.parametrize("number", range(len(conversations())))
@pytest.mark.parametrize("seed", range(12))
def test_messages_do_not_depend_on_where_the_data_is_cut(number: int, seed: int) -> None:
    whole = chunks_of(conversations()[number])
    assert shown(messages(split_anywhere(whole, seed))) == shown(messages(whole))


def test_times_and_sizes_are_those_of_the_first_and_last_byte() -> None:
    now_ns = START_NS
    for message in messages(chunks_of(conversations()[0])):
        assert message.start_ns == now_ns
        now_ns += message.size_bytes * BYTE_NS
        assert message.end_ns == now_ns - BYTE_NS


def test_every_kind_of_reply_is_one_message() -> None:
    found = messages(chunks_of([(CLIENT, GET * len(REPLIES)), (SERVER, b"".join(REPLIES))]))
    replies = [message for message in found if not message.is_request]
    assert [message.size_bytes for message in replies] == [len(reply) for reply in REPLIES]


@pytest.mark.parametrize(
    ("talk", "found"),
    [
        ([(CLIENT, GET * 2), (SERVER, OK * 2)], [("GET k", "OK", None)] * 2),
        (
            [(CLIENT, b"PING\r\n\r\nget k\n"), (SERVER, b"+PONG\r\n" + OK)],
            [("PING", "PONG", None), ("GET k", "OK", None)],
        ),
        ([(CLIENT, b"*0\r\n*-1\r\n" + GET), (SERVER, OK)], [("GET k", "OK", None)]),
        (
            [(CLIENT, command("MULTI") + GET + command("EXEC")), (SERVER, OK + b"+QUEUED\r\n*1\r\n$1\r\nv\r\n")],
            [("MULTI", "OK", None), ("GET k", "QUEUED", None), ("EXEC", '["v"]', None)],
        ),
        (
            [(CLIENT, command("x" * 70) + command(b"\r\n") + command("") + GET), (SERVER, b"-ERR\r\n" * 3 + OK)],
            [("X" * 70, "ERR", None), ("\r\n", "ERR", None), ("", "ERR", None), ("GET k", "OK", None)],
        ),
        ([(CLIENT, GET)], [("GET k", None, "pair-not-found")]),
        ([(SERVER, OK)], [(None, "OK", "pair-not-found")]),
    ],
    ids=["pipeline", "inline", "empty", "transaction", "no names", "unanswered", "unasked"],
)
def test_commands_and_replies_are_paired_in_order(talk: list[Said], found: list[Any]) -> None:
    assert items(talk) == found


@pytest.mark.parametrize(
    ("talk", "found"),
    [
        (
            [
                (CLIENT, command("SUBSCRIBE", "a", "b")),
                (SERVER, CONFIRMED * 2 + PUBLISHED),
                PING,
                (SERVER, command("pong", "")),
            ],
            [("SUBSCRIBE a b", "SUBSCRIBE", None), (None, "MESSAGE", None), ("PING", '["pong", ""]', None)],
        ),
        (
            [(CLIENT, command("SUBSCRIBE", "a", "b")), (SERVER, CONFIRMED + PUBLISHED + CONFIRMED)],
            [(None, "MESSAGE", None), ("SUBSCRIBE a b", "SUBSCRIBE", None)],
        ),
        (
            [
                (CLIENT, command("SUBSCRIBE", "a", "b") + command("UNSUBSCRIBE") + GET),
                (SERVER, CONFIRMED * 2 + CONFIRMED.replace(b"$9\r\n", b"$11\r\nun") * 2 + OK),
            ],
            [("SUBSCRIBE a b", "SUBSCRIBE", None), ("UNSUBSCRIBE", "UNSUBSCRIBE", None), ("GET k", "OK", None)],
        ),
        (
            [(CLIENT, command("SUBSCRIBE", "a", "b")), (SERVER, CONFIRMED)],
            [("SUBSCRIBE a b", "SUBSCRIBE", "dissection")],
        ),
        ([(CLIENT, command("LRANGE", "l", "0", "-1")), (SERVER, PUBLISHED)], [("LRANGE l 0 -1", "MESSAGE", None)]),
        (
            [(CLIENT, command("SUBSCRIBE", "a", "b") * 2 + GET), (SERVER, b"-NOPERM\r\n" + CONFIRMED * 2 + OK)],
            [("SUBSCRIBE a b", "NOPERM", None), ("SUBSCRIBE a b", "SUBSCRIBE", None), ("GET k", "OK", None)],
        ),
        (
            [
                (CLIENT, command("MULTI") + command("SUBSCRIBE", "a", "b") + command("DISCARD") + GET),
                (SERVER, OK + b"+QUEUED\r\n" + OK * 2),
                (CLIENT, command("SUBSCRIBE", "c")),
                (SERVER, CONFIRMED),
            ],
            [
                ("MULTI", "OK", None),
                ("SUBSCRIBE a b", "QUEUED", None),
                ("DISCARD", "OK", None),
                ("GET k", "OK", None),
                ("SUBSCRIBE c", "SUBSCRIBE", None),
            ],
        ),
        ([(SERVER, PUBLISHED)], [(None, "MESSAGE", None)]),
        (
            [(CLIENT, GET), (SERVER, b">2\r\n+invalidate\r\n_\r\n" + OK)],
            [(None, "INVALIDATE", None), ("GET k", "OK", None)],
        ),
        (
            [(CLIENT, command("SUBSCRIBE", "a") + GET), (SERVER, CONFIRMED.replace(b"*", b">") + OK)],
            [("SUBSCRIBE a", "SUBSCRIBE", None), ("GET k", "OK", None)],
        ),
        (
            [(CLIENT, command("MONITOR")), (SERVER, OK + b'+1700000000.5 [0 10.0.0.1:7] "GET" "k"\r\n')],
            [("MONITOR", "OK", None), (None, '1700000000.5 [0 10.0.0.1:7] "GET" "k"', None)],
        ),
    ],
    ids=[
        "channels",
        "between",
        "unsubscribe all",
        "cut",
        "a list",
        "refused",
        "queued",
        "begun before",
        "push",
        "resp3",
        "monitor",
    ],
)
def test_what_no_command_asked_for_stands_alone(talk: list[Said], found: list[Any]) -> None:
    assert items(talk) == found


@pytest.mark.parametrize(
    ("words", "silent"),
    [("SKIP", 1), ("OFF", 3)],
)
def test_commands_whose_replies_are_off_stand_alone(words: str, silent: int) -> None:
    """The one behind SKIP, and all behind OFF until ON."""
    commands = command("client", "reply", words) + GET * silent
    on = command("CLIENT", "REPLY", "ON") if words == "OFF" else b""
    found = items([(CLIENT, commands + on + GET), (SERVER, OK * (2 if on else 1))])
    asked = [(f"CLIENT reply {words}", None, None)] + [("GET k", None, None)] * silent
    answered = [("CLIENT REPLY ON", "OK", None)] * bool(on) + [("GET k", "OK", None)]
    assert found == asked + answered


def test_a_command_that_blocks_waits_as_long_as_it_likes() -> None:
    into, hour_ns = dissection(), 3_600_000_000_000
    for name, told in (("BLPOP", 0), ("LPOP", 1)):
        stream = a_stream(port=6379, number=told + 1)
        feed(into, chunks_of([(CLIENT, command(name, "list", "0"))], stream))
        assert len(into.expire(START_NS + hour_ns * (told + 1))) == told
    stream = a_stream(port=6379, number=3)
    feed(into, chunks_of([(CLIENT, command("XREAD", "BLOCK", "0", "STREAMS", "s", "$"))], stream))
    assert into.expire(START_NS + 9 * hour_ns) == []


def test_replication_is_recognised_and_not_taken_apart() -> None:
    dissector = Redis(OPTIONS)
    talk = [(CLIENT, command("PSYNC", "?", "-1")), (SERVER, b"+FULLRESYNC abc 1\r\n$9\r\nREDIS0011")]
    found = [message for chunk in chunks_of(talk) for message in dissector.feed(chunk)]
    assert (len(found), dissector.lost) == (2, "replication")


@pytest.mark.parametrize(
    ("talk", "lost"),
    [
        ([PING, (SERVER, b"SSH-2.0\r\n")], "not_redis"),
        ([PING, (SERVER, b"$5\r\nhello!\r\n")], "bad_length"),
        ([PING, (SERVER, b"$x\r\n")], "not_redis"),
        ([PING, (SERVER, b"$-2\r\n")], "bad_length"),
        ([PING, (SERVER, b"*1099511627776\r\n")], "bad_length"),
        ([PING, (SERVER, b"+" + b"x" * MAX_LINE_BYTES)], "line_too_long"),
        ([PING, (SERVER, b"*?\r\n" * (MAX_STREAMED + 1))], "not_redis"),
        ([PING, (SERVER, b".\r\n")], "not_redis"),
    ],
)
def test_giving_up_has_a_name(talk: list[Said], lost: str) -> None:
    dissector = Redis(OPTIONS)
    for chunk in chunks_of(talk):
        dissector.feed(chunk)
    assert dissector.lost == lost
    assert dissector.feed(chunks_of([PING])[0]) == []


def test_what_waits_for_replies_that_never_come_is_bounded() -> None:
    dissector = Redis(OPTIONS)
    chunk = chunks_of([(CLIENT, GET)])[0]._replace(data=GET * 1000, starts=[0], times_ns=[START_NS])
    for _ in range(100):
        dissector.feed(chunk)
    assert dissector.lost == ""
    mixed = chunk._replace(data=(GET + command("WAIT", "1", "0")) * 1000)
    for _ in range(40):
        dissector.feed(mixed)
    assert dissector.lost == "too_many_unanswered"


def test_a_value_that_is_too_long_is_cut_and_says_so() -> None:
    _, reply = messages(chunks_of([(CLIENT, GET), (SERVER, b"$20000\r\n" + b"x" * 20_000 + b"\r\n")]))
    section = reply.payload.section()
    assert len(section["value"]) == 10_000 - len(b"$20000\r\n")
    assert section["comment"] == "10000 of 20010 bytes kept"
    assert reply.payload.problem() is None


def with_gap(talk: list[Said], turn: int, start: int, count: int) -> list[Chunk]:
    chunks = chunks_of(talk)
    chunk = chunks[turn]
    before = chunk._replace(data=chunk.data[:start], starts=chunk.starts[:start], times_ns=chunk.times_ns[:start])
    after = chunk.behind(start + count)._replace(missing_bytes=count)
    chunks[turn : turn + 1] = [part for part in (before, after) if part.data]
    return chunks


@pytest.mark.parametrize("count", [3, 900, 993])
def test_a_gap_inside_a_string_is_a_gap_in_its_message_and_no_more(count: int) -> None:
    """993 bytes are the rest of the string with its line end: the value ends in the gap."""
    value = b"$1000\r\n" + b"x" * 1000 + b"\r\n"
    found = messages(with_gap([(CLIENT, GET * 2), (SERVER, value + OK)], 1, 16, count))
    assert [message.is_request for message in found] == [True, True, False, False]
    gapped, whole = found[2:]
    assert gapped.payload.problem() == ("dissection", "bytes of it are missing")
    assert gapped.payload.section()["value"] == "x" * 9
    assert gapped.size_bytes == len(value)
    assert (whole.payload.section()["value"], whole.payload.problem(), whole.after_gap) == ("OK", None, False)


def test_behind_a_gap_the_next_packet_that_begins_a_value_goes_on() -> None:
    asked, began, rest = chunks_of([(CLIENT, GET * 3), (SERVER, b"*2\r\n:1\r\n"), (SERVER, b"the end\r\n:3\r\n" + OK)])
    rest = rest._replace(starts=[0, 9], times_ns=[rest.times_ns[0], rest.times_ns[9]], missing_bytes=5)
    broken, after, last = messages([asked, began, rest])[3:]
    assert last.payload.section()["value"] == "OK"
    assert broken.payload.problem() is not None
    assert (after.payload.section()["value"], after.after_gap) == ("3", True)


def test_a_reply_behind_a_gap_that_may_have_hidden_others_is_not_guessed_at() -> None:
    talk = [(CLIENT, GET), (SERVER, OK), (CLIENT, command("SET", "k", "v")), (SERVER, b"+FINE\r\n")]
    chunks = chunks_of(talk)
    chunks[3] = chunks[3]._replace(missing_bytes=len(OK))
    del chunks[1]
    stream = chunks[0].stream
    stream.shaken = True
    into = dissection()
    found = [item.as_dict() for item in [*feed(into, chunks), *into.finish()]]
    assert [item["request"] and item["request"]["command"] for item in found] == ["GET", "SET", None]
    assert found[0]["response"] is None


@pytest.mark.parametrize(
    ("said", "direction", "asks"),
    [
        (command("PING"), SERVER, SERVER),
        (command("FT.SEARCH", "i"), SERVER, CLIENT),
        (command("one", "two"), SERVER, CLIENT),
        (command("one two", "three"), CLIENT, SERVER),
        (OK, CLIENT, SERVER),
        (b":1\r\n", SERVER, CLIENT),
        (b"PING\r\n", SERVER, SERVER),
        (b"*", CLIENT, -1),
        (b"*1\r\n$4\r\nPI", SERVER, -1),
        (b"PI", CLIENT, -1),
        (b"howdy\r\n", SERVER, CLIENT),
    ],
)
def test_the_side_that_asks_is_told_by_the_bytes(said: bytes, direction: int, asks: int) -> None:
    assert direction_of_commands(said, direction) == asks


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (GET, Verdict.SURE),
        (command("JSON.SET", "k", "$", "1"), Verdict.SURE),
        (b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5000000\r\nx", Verdict.SURE),
        (b"*2\r\n$4\r\nnot\r\n", Verdict.NO),
        (b"*", Verdict.SHORT),
        (b"*3\r\n$3\r\nSE", Verdict.SHORT),
        (b"", Verdict.NO),
        *[(reply, Verdict.PLAUSIBLE) for reply in REPLIES[:13]],
        (b"+OK POP3 server ready\r\n", Verdict.PLAUSIBLE),
        (b"PING\r\n", Verdict.PLAUSIBLE),
        (b"set key 0 0 5\r\nhello\r\n", Verdict.PLAUSIBLE),
        (b"PIN", Verdict.SHORT),
        (b"HELLOO", Verdict.NO),
        (b"+O", Verdict.SHORT),
        (b"220 smtp ready\r\n", Verdict.NO),
        (b"SSH-2.0-OpenSSH\r\n", Verdict.NO),
        (b"GET / HTTP/1.1\r\n\r\n", Verdict.PLAUSIBLE),
        (b"\x16\x03\x01", Verdict.NO),
        (b"AMQP\0\0\x09\x01", Verdict.NO),
    ],
)
def test_the_first_bytes_tell_redis(data: bytes, verdict: Verdict) -> None:
    assert detect(data) is verdict


def test_replies_on_another_port_are_not_redis() -> None:
    assert feed(dissection(), chunks_of([(SERVER, b"+OK POP3 server ready\r\n")], a_stream(port=110))) == []


@pytest.mark.parametrize("seed", range(300))
def test_damage_raises_nothing_and_every_section_can_be_built(seed: int) -> None:
    talk = conversations()[seed % len(conversations())]
    for message in messages(damage(split_anywhere(chunks_of(talk * 2), seed), seed), "reset"):
        message.payload.problem()
        assert message.payload.section()["type"]
