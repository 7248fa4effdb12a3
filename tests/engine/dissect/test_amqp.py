from __future__ import annotations

import base64
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from pamqp import commands
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue

from engine.dissect.amqp import MAX_CONTENTS, Amqp
from engine.dissect.amqp_frames import detect
from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.table import Verdict
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER
from tests.support.amqp_wire import HEARTBEAT, HELLO, content, content_frames, method, publish, raw
from tests.support.dissecting import dissection, feed
from tests.support.streams import Said, a_stream, chunks_of, damage, split_anywhere

OPTIONS = DissectOptions(max_body_bytes=2_000, max_pending=8)
DELIVER = Basic.Deliver("tag", 7, True, "orders", "k")
BIND = method(Queue.Bind(queue="a", exchange="x"))
ONE = content_frames(Basic.Publish(routing_key="1"), b"one" * 9, 1, 9)
TWO = content_frames(Basic.Publish(routing_key="2"), b"two" * 9, 2, 9)
NOT_FOUND = Channel.Close(404, "NOT_FOUND - no queue", 50, 10)
TALKS: dict[str, list[Said]] = {
    "opened": [
        (CLIENT, HELLO),
        (SERVER, method(Connection.Start(0, 9, {"product": "RabbitMQ"}), 0)),
        (CLIENT, method(Connection.StartOk({"product": "shop"}, "PLAIN", "\0guest\0secret"), 0)),
        (SERVER, method(Connection.Tune(2047, 131072, 60), 0)),
        (CLIENT, method(Connection.TuneOk(2047, 131072, 60), 0) + method(Connection.Open("/"), 0)),
        (SERVER, method(Connection.OpenOk(), 0)),
        (CLIENT, method(Channel.Open())),
        (SERVER, method(Channel.OpenOk("0"))),
    ],
    "declared": [
        (CLIENT, method(Queue.Declare(queue="a")) + method(Queue.Declare(queue="b")) + BIND),
        (SERVER, method(Queue.DeclareOk("a", 1, 0)) + method(Queue.DeclareOk("b", 2, 0)) + method(Queue.BindOk())),
    ],
    "published": [
        (CLIENT, publish(data=b"x" * 300, cut=100, content_type="text/plain") + publish(data=b"")),
        (SERVER, method(Basic.Ack(2, True)) + HEARTBEAT),
    ],
    "interleaved": [
        (CLIENT, b"".join(first + second for first, second in zip(ONE, TWO, strict=True))),
        (SERVER, content(DELIVER, b"in between")),
    ],
    "got": [
        (CLIENT, method(Basic.Get(queue="a"))),
        (SERVER, content(Basic.GetOk(4, False, "", "a", 9), b"got")),
        (CLIENT, method(Basic.Get(queue="a")) + method(Basic.Ack(4))),
        (SERVER, method(Basic.GetEmpty())),
    ],
    "not waited for": [
        (CLIENT, method(Exchange.Declare(exchange="x", nowait=True)) + method(Basic.Consume(queue="a", nowait=True))),
        (CLIENT, method(Confirm.Select(nowait=True)) + method(Basic.Reject(1))),
    ],
    "failed": [
        (CLIENT, method(Queue.Declare(queue="a", passive=True)) + method(Queue.Declare(queue="b"), 2)),
        (SERVER, method(NOT_FOUND)),
        (CLIENT, method(Channel.CloseOk())),
        (SERVER, method(Queue.DeclareOk("b", 0, 0), 2)),
    ],
}  # fmt: skip


def stream(shaken: bool = True) -> Any:
    made = a_stream(port=5672)
    made.shaken = shaken
    return made


def run(dissector: Amqp, chunks: Sequence[Chunk], state: str = "closed") -> list[Message]:
    found = [message for chunk in chunks for message in dissector.feed(chunk)]
    return found + dissector.close(state)


def messages(talk: Sequence[Said], shaken: bool = True) -> list[Message]:
    return run(Amqp(OPTIONS), chunks_of(talk, stream(shaken)))


def items(talk: Sequence[Said], shaken: bool = True) -> list[dict[str, Any]]:
    whole = dissection()
    made = feed(whole, chunks_of(talk, stream(shaken)))
    return [item.as_dict() for item in [*made, *whole.finish()]]


def seen(message: Message) -> tuple[Any, ...]:
    return (
        message.is_request, message.direction, message.key, message.start_ns, message.end_ns, message.size_bytes,
        message.alone, message.after_gap, message.payload.section(), message.payload.problem(),
    )  # fmt: skip


def names(found: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple((item[half] or {}).get("method") for half in ("request", "response")) for item in found]


def errors(found: Sequence[dict[str, Any]]) -> list[str]:
    return [item["error"]["msg"] for item in found if item["error"]]


def test_a_connection_is_opened_by_questions_of_both_sides() -> None:
    found = items(TALKS["opened"])
    assert names(found) == [
        ("connection start", "connection start-ok"),
        ("connection tune", "connection tune-ok"),
        ("connection open", "connection open-ok"),
        ("channel open", "channel open-ok"),
    ]
    assert [item["src"]["port"] for item in found] == ["5672", "5672", "51234", "51234"]
    assert found[0]["response"]["response"] == "(13 bytes)"
    assert "secret" not in str(found)
    assert errors(found) == []
    assert found[0]["protocol"]["version"] == "0-9-1"


def test_answers_go_to_the_oldest_question_of_their_kind() -> None:
    found = items(TALKS["declared"])
    assert [(item["request"]["queue"], item["response"].get("messageCount")) for item in found] == [
        ("a", 1),
        ("b", 2),
        ("a", None),
    ]


def test_a_message_is_its_method_its_properties_and_its_body() -> None:
    whole, empty, acknowledged = items(TALKS["published"])
    request = whole["request"]
    assert base64.b64decode(request.pop("body")) == b"x" * 300
    assert request == {
        "method": "basic publish",
        "channel": 1,
        "exchange": "orders",
        "routingKey": "k",
        "mandatory": False,
        "immediate": False,
        "properties": {"contentType": "text/plain"},
    }
    assert (empty["request"]["body"], empty["request"]["properties"]) == ("", {})
    assert acknowledged["request"]["deliveryTag"] == 2
    assert acknowledged["src"]["port"] == "5672"
    assert [(item["response"], item["error"]) for item in (whole, empty, acknowledged)] == [(None, None)] * 3
    assert whole["requestSize"] == len(publish(data=b"x" * 300, cut=100, content_type="text/plain"))


def test_heartbeats_between_the_frames_of_a_content_are_no_part_of_it() -> None:
    frames = content_frames(Basic.Publish(exchange="orders", routing_key="k"), b"x" * 300, cut=100)
    (item,) = items([(CLIENT, HEARTBEAT + HEARTBEAT.join(frames) + HEARTBEAT), (SERVER, HEARTBEAT)])
    assert base64.b64decode(item["request"]["body"]) == b"x" * 300
    assert item["error"] is None


def test_all_properties() -> None:
    data = publish(
        content_encoding="gzip", headers={"a": [1]}, delivery_mode=2, priority=9, correlation_id="c", reply_to="r",
        expiration="60", message_id="m", timestamp=datetime.fromtimestamp(7, UTC),
        message_type="t", user_id="u", app_id="app", cluster_id="",
    )  # fmt: skip
    (item,) = items([(CLIENT, data)])
    assert item["request"]["properties"] == {
        "contentEncoding": "gzip",
        "headers": {"a": [1]},
        "deliveryMode": 2,
        "priority": 9,
        "correlationId": "c",
        "replyTo": "r",
        "expiration": "60",
        "messageId": "m",
        "timestamp": 7,
        "type": "t",
        "userId": "u",
        "appId": "app",
    }


def test_contents_of_several_channels_may_be_mixed() -> None:
    found = items(TALKS["interleaved"])
    assert [(item["request"]["routingKey"], base64.b64decode(item["request"]["body"])) for item in found] == [
        ("1", b"one" * 9),
        ("2", b"two" * 9),
        ("k", b"in between"),
    ]


def test_what_is_got_is_an_answer_with_content() -> None:
    found = items(TALKS["got"])
    assert names(found) == [
        ("basic get", "basic get-ok"),
        ("basic ack", None),
        ("basic get", "basic get-empty"),
    ]
    assert base64.b64decode(found[0]["response"]["body"]) == b"got"
    assert found[0]["response"]["messageCount"] == 9


def test_methods_that_nobody_answers_stand_alone() -> None:
    found = items(TALKS["not waited for"])
    assert [name for name, _ in names(found)] == ["exchange declare", "basic consume", "confirm select", "basic reject"]
    assert errors(found) == []


def test_a_question_that_closes_its_channel_is_answered_by_that() -> None:
    failed, closed, other = items(TALKS["failed"])
    assert names([failed, closed, other]) == [
        ("queue declare", "channel close"),
        ("channel close", "channel close-ok"),
        ("queue declare", "queue declare-ok"),
    ]
    assert failed["response"]["replyCode"] == 404
    message = {"type": "connection", "msg": "channel closed: 404 NOT_FOUND - no queue"}
    assert (failed["error"], closed["error"], other["error"]) == (message, message, None)
    assert (closed["src"]["port"], closed["request"]["methodId"]) == ("5672", 10)


def test_a_connection_that_is_closed_answers_all_channels() -> None:
    refused = Connection.Close(320, "CONNECTION_FORCED", 0, 0)
    found = items(
        [
            (CLIENT, method(Queue.Declare(queue="a")) + method(Queue.Purge(queue="b"), 2)),
            (SERVER, method(refused, 0)),
            (CLIENT, method(Connection.CloseOk(), 0)),
        ]
    )
    assert names(found) == [
        ("queue declare", "connection close"),
        ("queue purge", "connection close"),
        ("connection close", "connection close-ok"),
    ]
    assert errors(found) == ["connection closed: 320 CONNECTION_FORCED"] * 3


def test_a_channel_that_its_user_closes_is_no_error() -> None:
    talk = [(CLIENT, method(Channel.Close(200, "bye", 0, 0))), (SERVER, method(Channel.CloseOk()))]
    assert errors(items(talk)) == []


def test_what_could_not_be_routed_comes_back() -> None:
    (item,) = items([(SERVER, content(Basic.Return(312, "NO_ROUTE", "", "nowhere"), b"lost"))])
    assert (item["request"]["replyCode"], item["response"], item["error"]) == (312, None, None)


def test_an_answer_whose_question_was_not_seen() -> None:
    (item,) = items([(SERVER, method(Queue.DeclareOk("a", 0, 0)))], shaken=False)
    assert names([item]) == [(None, "queue declare-ok")]
    assert item["error"]["type"] == "pair-not-found"


def test_a_question_without_an_answer() -> None:
    (item,) = items([(CLIENT, method(Queue.Declare(queue="a")))])
    assert item["error"]["type"] == "pair-not-found"


def test_a_method_that_is_not_known_is_named_by_its_numbers() -> None:
    (item,) = items([(CLIENT, raw(1, 1, b"\0\x3c\0\x63what"))])
    assert item["request"] == {"method": "60 99", "channel": 1, "comment": "the method is not known"}
    assert item["error"] is None


def test_a_large_body_is_kept_as_far_as_the_limit() -> None:
    big = publish(data=b"y" * 5000, cut=1500)
    (message,) = messages([(CLIENT, big)])
    section = message.payload.section()
    assert base64.b64decode(section["body"]) == b"y" * 2000
    assert section["comment"] == "2000 of 5000 bytes of the body kept"
    assert (message.payload.problem(), message.size_bytes) == (None, len(big))


def test_contents_that_are_never_complete_are_bounded() -> None:
    dissector = Amqp(OPTIONS)
    begun = [b"".join(content_frames(Basic.Publish(), b"z" * 900, channel, 800)[:3]) for channel in range(1, 400)]
    found = [message for chunk in chunks_of([(CLIENT, b"".join(begun))], stream()) for message in dissector.feed(chunk)]
    assert len(found) == 399 - MAX_CONTENTS
    assert sum(content.payload.kept_bytes for content in dissector._begun[CLIENT].values()) <= OPTIONS.max_body_bytes
    assert dissector._kept[CLIENT] == sum(each.payload.kept_bytes for each in dissector._begun[CLIENT].values())
    assert len(dissector.close("closed")) == MAX_CONTENTS


def test_questions_that_are_never_answered_are_forgotten() -> None:
    dissector = Amqp(OPTIONS)
    talk = [(CLIENT, method(Queue.Declare(queue="a"), channel)) for channel in range(1, 101)]
    run(dissector, chunks_of(talk, stream()))
    assert dissector._waiting == sum(
        len(keys) for asked in dissector._asked[CLIENT].values() for keys in asked.values()
    )
    assert dissector._waiting <= 2 * OPTIONS.max_pending


def test_a_method_in_the_middle_of_a_content_ends_it() -> None:
    cut = b"".join(content_frames(Basic.Publish(routing_key="cut"), b"abc" * 10, 1, 9)[:3])
    first, second = items([(CLIENT, cut + method(Basic.Ack(1)))])
    assert first["error"]["msg"] == "request: the content ended early"
    assert base64.b64decode(first["request"]["body"]) == b"abc" * 3
    assert (second["request"]["method"], second["error"]) == ("basic ack", None)


# -- gaps and beginnings -------------------------------------------------------------------------------------------


def gapped(talk: Sequence[tuple[int, bytes, int]], shaken: bool = True) -> list[Chunk]:
    """Chunks of ``(direction, data, bytes missing before it)``, each one packet."""
    made = stream(shaken)
    return [
        Chunk(made, direction, data, [0], [1_700_000_000_000_000_000 + number], missing)
        for number, (direction, data, missing) in enumerate(talk)
    ]


def test_a_gap_within_a_body_costs_the_rest_of_it() -> None:
    data = publish(data=bytes(range(200)))
    at = data.index(bytes(range(200))) + 50
    chunks = gapped([(CLIENT, data[:at], 0), (CLIENT, data[at + 60 :] + method(Basic.Ack(1)), 60)])
    first, second = run(Amqp(OPTIONS), chunks)
    assert base64.b64decode(first.payload.section()["body"]) == bytes(range(50))
    problem = first.payload.problem()
    assert problem is not None
    assert problem.msg == "request: bytes of the body are missing after 50"
    assert first.size_bytes == len(data)
    assert (second.payload.section()["method"], second.payload.problem()) == ("basic ack", None)


def test_behind_a_gap_a_frame_begins_after_the_end_of_another() -> None:
    lost = publish(data=b"\xce\1\0\1" * 100)
    chunks = gapped(
        [
            (CLIENT, publish(data=b"whole"), 0),
            (CLIENT, lost[300:] + method(Queue.Declare(queue="a")), 300),
            (SERVER, method(Queue.DeclareOk("a", 0, 0)), 0),
        ]
    )
    assert [message.payload.section()["method"] for message in run(Amqp(OPTIONS), chunks)] == [
        "basic publish",
        "queue declare",
        "queue declare-ok",
    ]


def test_a_content_that_a_gap_cuts_is_told() -> None:
    data = publish(data=b"1" * 500, cut=100)
    chunks = gapped([(CLIENT, data[:300], 0), (CLIENT, method(Basic.Ack(3)), 9000)])
    first, second = run(Amqp(OPTIONS), chunks)
    problem = first.payload.problem()
    assert problem is not None
    assert problem.msg.startswith("request: bytes")
    assert (
        first.payload.section()["comment"]
        == f"{len(base64.b64decode(first.payload.section()['body']))} of 500 bytes of the body kept"
    )
    assert second.payload.section()["deliveryTag"] == 3


def test_a_capture_that_begins_in_the_middle() -> None:
    chunks = gapped(
        [
            (SERVER, content(DELIVER, b"a" * 200)[120:] + content(DELIVER, b"b"), 0),
            (CLIENT, method(Basic.Ack(7)), 0),
        ],
        shaken=False,
    )
    found = [message.payload.section()["method"] for message in run(Amqp(OPTIONS), chunks)]
    assert found == ["basic deliver", "basic ack"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"AMQP\0\1\0\0", "amqp_other_version"),
        (b"AMQP\3\1\0\0", "amqp_other_version"),
        (raw(1, 1, b"\0\x32\0\x0b", b"\0"), "not_amqp"),
        (raw(9, 1, b"abc"), "not_amqp"),
        (b"\1\0\1\x7f\xff\xff\xff" + bytes(40), "not_amqp"),
        (b"GET / HTTP/1.1\r\n\r\n", "not_amqp"),
    ],
)
def test_what_is_given_up(data: bytes, why: str) -> None:
    dissector = Amqp(OPTIONS)
    assert run(dissector, chunks_of([(CLIENT, data + method(Basic.Ack(1)))], stream())) == []
    assert dissector.lost == why


def test_an_answer_on_its_way_is_known() -> None:
    dissector = Amqp(OPTIONS)
    first, *_ = chunks_of([(SERVER, content(Basic.GetOk(1, False, "", "a", 0), b"x" * 100)[:90])], stream())
    assert not dissector.answering
    dissector.feed(first)
    assert dissector.answering


def test_looking_for_a_frame_takes_time_as_the_bytes_are_many() -> None:
    """Heads of methods that do not end as frames do, in ever so many small packets."""
    head = b"\1\0\1\0\0\0\4\0\x3c\0\x28x"
    took = []
    for count in (5_000, 20_000):
        data, dissector = head * count, Amqp(OPTIONS)
        starts = list(range(0, len(data), len(head)))
        began = time.process_time()
        dissector.feed(Chunk(stream(False), CLIENT, data, starts, [1_700_000_000_000_000_000] * len(starts), 0))
        took.append(time.process_time() - began)
    assert took[1] < 10 * took[0] + 0.5


# -- however it is cut ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("shaken", [True, False])
def test_messages_do_not_depend_on_where_the_data_is_cut(name: str, shaken: bool) -> None:
    chunks = chunks_of(TALKS[name], stream(shaken))
    whole = [seen(message) for message in run(Amqp(OPTIONS), chunks)]
    assert len(whole) >= 3
    for seed in range(25):
        assert [seen(message) for message in run(Amqp(OPTIONS), split_anywhere(chunks, seed))] == whole


@pytest.mark.parametrize("seed", range(100))
def test_damage_never_raises(seed: int) -> None:
    talk = [said for talk in TALKS.values() for said in talk]
    random.Random(seed).shuffle(talk)
    for message in run(Amqp(OPTIONS), damage(chunks_of(talk, stream(bool(seed % 2))), seed), "reset"):
        seen(message)


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (HELLO, Verdict.SURE),
        (HELLO[:5], Verdict.SHORT),
        (b"AMQP\0\1\0\0", Verdict.SURE),
        (method(commands.Connection.Start(), 0), Verdict.SURE),
        (method(Queue.DeclareOk("a", 0, 0)), Verdict.SURE),
        (method(Queue.DeclareOk("a", 0, 0))[:-1], Verdict.SHORT),
        (method(Queue.DeclareOk("a", 0, 0))[:9], Verdict.SHORT),
        (HEARTBEAT, Verdict.SURE),
        (raw(3, 1, b"a body"), Verdict.PLAUSIBLE),
        (raw(3, 1, b"a body", b"x"), Verdict.NO),
        (raw(1, 1, b"\0\x63\0\x63"), Verdict.PLAUSIBLE),
        (b"\1\0\0", Verdict.SHORT),
        (b"\x08\0\0\0\0\0\1\0\xce", Verdict.NO),
        (b"GET / HTTP/1.1\r\n", Verdict.NO),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Verdict.NO),
        (b"*1\r\n$4\r\nPING\r\n", Verdict.NO),
        (b"\1\0\1\x7f\xff\xff\xff\0\x32\0\x0a\0", Verdict.NO),
    ],
)
def test_first_bytes(data: bytes, verdict: Verdict) -> None:
    assert detect(data) is verdict
