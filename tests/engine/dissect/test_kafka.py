from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import pytest

from engine.dissect.kafka import Kafka, detect
from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.table import Verdict
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER
from tests.support.dissecting import dissection, feed
from tests.support.kafka_wire import batch, request, response
from tests.support.streams import Said, a_stream, chunks_of, damage, split_anywhere

OPTIONS = DissectOptions(max_body_bytes=2_000, max_pending=8)


def produce(version: int, acks: int, correlation: int = 1, value: bytes = b"one") -> bytes:
    topic = {"Name": "orders", "PartitionData": [{"Index": 3, "Records": batch([(b"k", value, [])])}]}
    return request("Produce", version, correlation, Acks=acks, TimeoutMs=500, TopicData=[topic])


def acknowledged(version: int, correlation: int = 1) -> bytes:
    partition = {"Index": 3, "BaseOffset": 42}
    return response("Produce", version, correlation, Responses=[{"Name": "orders", "PartitionResponses": [partition]}])


def heartbeat(correlation: int) -> bytes:
    return request("Heartbeat", 0, correlation, GroupId="g", GenerationId=1, MemberId="m")


def beaten(correlation: int, error: int = 0) -> bytes:
    return response("Heartbeat", 0, correlation, ErrorCode=error)


def raw(api: int, version: int, correlation: int, client: bytes = b"shop", body: bytes = b"") -> bytes:
    """A request by hand."""
    head = api.to_bytes(2, "big", signed=True) + version.to_bytes(2, "big") + correlation.to_bytes(4, "big")
    data = head + len(client).to_bytes(2, "big") + client + body
    return len(data).to_bytes(4, "big") + data


ASK_VERSIONS = request("ApiVersions", 3, 9, ClientSoftwareName="x", ClientSoftwareVersion="1")
VERSIONS = response("ApiVersions", 3, 9, ApiKeys=[{"ApiKey": 0, "MinVersion": 0, "MaxVersion": 9}])
TALKS: dict[str, list[Said]] = {
    "one": [(CLIENT, produce(7, 1)), (SERVER, acknowledged(7))],
    "answered the other way round": [
        (CLIENT, heartbeat(1) + produce(3, -1, 2) + heartbeat(3)),
        (SERVER, acknowledged(3, 2) + beaten(3)),
        (SERVER, beaten(1)),
    ],
    "versions": [(CLIENT, ASK_VERSIONS), (SERVER, VERSIONS), (CLIENT, produce(9, 1)), (SERVER, acknowledged(9))],
    "without answers": [(CLIENT, produce(9, 0, 1) + produce(2, 0, 2) + heartbeat(3)), (SERVER, beaten(3))],
    "tokens": [
        (CLIENT, raw(17, 0, 1, body=b"\0\5PLAIN")),
        (SERVER, b"\0\0\0\x11\0\0\0\1\0\0\0\0\0\1\0\5PLAIN"),
        (CLIENT, b"\0\0\0\x0c\0user\0secret"),
        (SERVER, b"\0\0\0\0"),
        (CLIENT, heartbeat(2)),
        (SERVER, beaten(2)),
    ],
    "other APIs": [(CLIENT, raw(19, 7, 5, body=b"\0rest")), (SERVER, b"\0\0\0\x08\0\0\0\5\0\1\2\3")],
}


def messages(talk: Sequence[Said], shaken: bool = True, options: DissectOptions = OPTIONS) -> list[Message]:
    return run(Kafka(options), chunks_of(talk, stream(shaken)))


def stream(shaken: bool) -> Any:
    made = a_stream(port=9092)
    made.shaken = shaken
    return made


def run(dissector: Kafka, chunks: Sequence[Chunk], state: str = "closed") -> list[Message]:
    found = [message for chunk in chunks for message in dissector.feed(chunk)]
    return found + dissector.close(state)


def seen(message: Message) -> tuple[Any, ...]:
    return (
        message.is_request, message.direction, message.key, message.start_ns, message.end_ns, message.size_bytes,
        message.alone, message.after_gap, message.payload.section(), message.payload.problem(),
    )  # fmt: skip


def sections(found: Sequence[Message]) -> list[tuple[Any, ...]]:
    return [(message.is_request, message.key, message.payload.section()["payload"]) for message in found]


def items(talk: Sequence[Said], shaken: bool = True) -> list[dict[str, Any]]:
    whole = dissection()
    made = feed(whole, chunks_of(talk, stream(shaken)))
    return [item.as_dict() for item in [*made, *whole.finish()]]


def test_a_request_and_its_answer() -> None:
    (item,) = items(TALKS["one"])
    request, response = item["request"], item["response"]
    capture = request.pop("captureTime"), response.pop("captureTime")
    assert capture == ("2023-11-14T22:13:20.000000000Z", "2023-11-14T22:13:20.000122000Z")
    (record,) = request["payload"]["topicData"][0]["partitions"]["partitionData"]["records"]["recordBatch"].pop(
        "record"
    )
    assert (record["key"], record["value"], record["offset"]) == ("k", "one", 0)
    assert request["payload"]["topicData"][0]["topic"] == "orders"
    assert {key: request[key] for key in request if key != "payload"} == {
        "size": 118,
        "apiKeyName": "Produce",
        "apiKey": 0,
        "apiVersion": 7,
        "correlationID": 1,
        "clientID": "shop",
    }
    (topic,) = response["payload"]["responses"]
    assert topic["partitionResponses"][0]["baseOffset"] == 42
    assert (response["size"], response["correlationID"]) == (response["size"], 1)
    assert item["error"] is None
    assert (item["requestSize"], item["protocol"]["name"]) == (122, "kafka")


def test_answers_find_their_requests_whatever_the_order() -> None:
    found = items(TALKS["answered the other way round"])
    assert [(item["request"]["correlationID"], item["response"]["correlationID"]) for item in found] == [
        (2, 2),
        (3, 3),
        (1, 1),
    ]
    assert [item["request"]["apiKeyName"] for item in found] == ["Produce", "Heartbeat", "Heartbeat"]
    assert found[2]["response"]["payload"] == {"errorCode": 0}


@pytest.mark.parametrize("version", range(14))
def test_a_request_without_acknowledgement_stands_alone(version: int) -> None:
    assert [message.alone for message in messages([(CLIENT, produce(version, 0))])] == [True]
    for acks in (1, -1):
        assert [message.alone for message in messages([(CLIENT, produce(version, acks))])] == [False]
    transactional = {"TransactionalId": "tx"} if version >= 3 else {}
    data = request("Produce", version, 1, Acks=0, **transactional)
    assert [message.alone for message in messages([(CLIENT, data)])] == [True]
    (item,) = items([(CLIENT, data)])
    assert (item["response"], item["error"]) == (None, None)


def test_the_header_of_the_answer_to_api_versions_is_the_oldest() -> None:
    (item, _) = items(TALKS["versions"])
    assert item["response"]["payload"]["apiKeys"] == [{"apiKey": 0, "minVersion": 0, "maxVersion": 9}]
    assert item["error"] is None


def test_who_does_not_know_the_version_answers_api_versions_as_the_first_one_did() -> None:
    refused = response("ApiVersions", 0, 9, ErrorCode=35, ApiKeys=[{"ApiKey": 18, "MinVersion": 0, "MaxVersion": 2}])
    for ask in (ASK_VERSIONS, raw(18, 6, 9, body=b"\0\2x\2y\0")):
        (item,) = items([(CLIENT, ask), (SERVER, refused)])
        payload = item["response"]["payload"]
        assert payload == {"errorCode": 35, "apiKeys": [{"apiKey": 18, "minVersion": 0, "maxVersion": 2}]}
        assert item["error"] is None


def test_tokens_of_sasl_pair_in_order_and_are_not_shown() -> None:
    handshake, token, beat = items(TALKS["tokens"])
    assert handshake["request"]["apiKeyName"] == "SaslHandshake"
    assert token["request"]["payload"] == {"comment": "a token of SASL"}
    assert (token["request"]["size"], token["response"]["size"]) == (12, 0)
    assert (token["request"]["apiKey"], token["request"]["apiKeyName"]) == (None, "")
    assert token["response"]["payload"] == {"comment": "a token of SASL"}
    assert "secret" not in str(token)
    assert beat["request"]["apiKeyName"] == "Heartbeat"
    assert all(item["error"] is None for item in (handshake, token, beat))


def test_other_apis_and_versions_are_headers_and_say_so() -> None:
    (item,) = items(TALKS["other APIs"])
    assert item["request"]["payload"] == {"comment": "the body of CreateTopics is not taken apart"}
    assert item["response"]["payload"] == {"comment": "the body of CreateTopics is not taken apart"}
    assert item["error"] is None
    (item,) = items([(CLIENT, raw(12, 7, 1)), (SERVER, beaten(1))])
    assert item["request"]["payload"] == {"comment": "version 7 of Heartbeat is not known"}
    (first, item) = items([(CLIENT, heartbeat(1) + raw(300, 1, 2)), (SERVER, beaten(1))])
    assert first["error"] is None
    assert (item["request"]["apiKey"], item["request"]["apiKeyName"]) == (300, "")
    assert item["request"]["payload"] == {"comment": "the body of API 300 is not taken apart"}


def test_an_answer_to_a_request_that_was_not_seen_is_a_header() -> None:
    (lonely, paired) = items([(CLIENT, heartbeat(5)), (SERVER, acknowledged(7, 4) + beaten(5))])
    assert lonely["request"] is None
    assert lonely["response"]["correlationID"] == 4
    assert lonely["response"]["payload"] == {"comment": "which API it answers is not known"}
    assert lonely["error"]["type"] == "pair-not-found"
    assert paired["response"]["payload"] == {"errorCode": 0}


def test_a_controlled_shutdown_of_the_first_version_has_no_client() -> None:
    data = b"\0\0\0\x0c" + b"\0\7\0\0\0\0\0\7" + b"\0\0\0\1"
    (message,) = messages([(CLIENT, data)])
    section = message.payload.section()
    assert (section["clientID"], section["correlationID"], section["apiKeyName"]) == (None, 7, "ControlledShutdown")


def test_a_body_that_ends_early_is_an_error_and_shown_as_far_as_it_goes() -> None:
    data = heartbeat(1)
    cut = (len(data) - 7).to_bytes(4, "big") + data[4:-3]
    (item,) = items([(CLIENT, cut), (SERVER, beaten(1))])
    assert item["request"]["payload"] == {"groupId": "g", "generationId": 1}
    assert item["error"] == {"type": "dissection", "msg": "request: it ends early"}


def test_more_than_the_limit_is_not_kept_and_said() -> None:
    big = produce(7, 1, value=bytes(5000))
    (asked, answered) = messages([(CLIENT, big), (SERVER, acknowledged(7))])
    payload = asked.payload.section()["payload"]
    assert payload["comment"] == f"2000 of {len(big)} bytes kept (dissect.maxBody)"
    assert payload["requiredAcks"] == 1
    assert asked.payload.problem() is None
    assert asked.size_bytes == len(big)
    assert answered.payload.section()["payload"]["responses"][0]["topic"] == "orders"


# -- gaps and beginnings -------------------------------------------------------------------------------------------


def gapped(talk: Sequence[tuple[int, bytes, int]], shaken: bool = True) -> list[Chunk]:
    """Chunks of ``(direction, data, bytes missing before it)``, each one packet."""
    made = stream(shaken)
    chunks = []
    for number, (direction, data, missing) in enumerate(talk):
        chunks.append(Chunk(made, direction, data, [0], [1_700_000_000_000_000_000 + number], missing))
    return chunks


def test_a_gap_within_a_frame_costs_its_end() -> None:
    big = produce(7, 1, value=b"x" * 1000)
    chunks = gapped([(CLIENT, big[:300], 0), (CLIENT, big[500:] + heartbeat(2), 200), (SERVER, beaten(2), 0)])
    first, second, third = run(Kafka(OPTIONS), chunks)
    problem = first.payload.problem()
    assert problem is not None
    assert problem.msg == "request: bytes are missing after 300"
    assert first.payload.section()["payload"]["requiredAcks"] == 1
    assert first.size_bytes == len(big)
    assert second.payload.section()["apiKeyName"] == "Heartbeat"
    assert third.payload.section()["payload"] == {"errorCode": 0}


def test_a_gap_beyond_a_frame_is_passed_to_the_next_packet_that_begins_one() -> None:
    data = produce(7, 1)
    chunks = gapped(
        [
            (CLIENT, heartbeat(1) + data[:40], 0),
            (CLIENT, data[60:], 5000),
            (CLIENT, heartbeat(8), 0),
            (SERVER, beaten(1), 0),
            (SERVER, b"\1\2\3\4\5\6\7\x08\x09", 700),
            (SERVER, beaten(8), 0),
        ]
    )
    first, cut, after, *answers = run(Kafka(OPTIONS), chunks)
    assert [message.payload.section()["correlationID"] for message in (first, cut, after)] == [1, 1, 8]
    problem = cut.payload.problem()
    assert problem is not None
    assert problem.msg == "request: bytes are missing after 40"
    assert (after.after_gap, after.payload.problem()) == (True, None)
    assert [message.key for message in answers] == [1, 8]


def test_a_capture_that_begins_in_the_middle() -> None:
    rest = acknowledged(7, 3)[20:]
    chunks = gapped(
        [(SERVER, rest, 0), (CLIENT, heartbeat(4), 0), (SERVER, beaten(4), 0), (CLIENT, heartbeat(5), 0)], shaken=False
    )
    assert [(message.is_request, message.key) for message in run(Kafka(OPTIONS), chunks)] == [
        (True, 4),
        (False, 4),
        (True, 5),
    ]


def test_an_answer_first_is_a_header_where_its_length_fits() -> None:
    chunks = gapped([(SERVER, acknowledged(7, 3), 0), (CLIENT, heartbeat(4), 0)], shaken=False)
    first, second = run(Kafka(OPTIONS), chunks)
    assert (first.is_request, first.key, second.is_request, second.key) == (False, 3, True, 4)


def test_who_asks_is_found_out() -> None:
    swapped = [(1 - direction, data) for direction, data in TALKS["versions"]]
    assert [(message.is_request, message.direction) for message in messages(swapped, shaken=False)] == [
        (True, SERVER),
        (False, CLIENT),
    ] * 2


def test_a_frame_at_the_end_is_told_as_far_as_it_came() -> None:
    data = produce(7, 1)
    (message,) = messages([(CLIENT, data[:60])])
    problem = message.payload.problem()
    assert problem is not None
    assert problem.msg == "request: the stream ended inside it (closed)"
    assert messages([(CLIENT, data[:12])]) == []


@pytest.mark.parametrize(
    "data", [b"\x7f\xff\xff\xff" + bytes(20), b"GET / HTTP/1.1\r\n\r\n", bytes(40), raw(5000, 1, 1), raw(0, 99, 1)]
)
def test_what_is_no_request_ends_a_stream_that_was_seen_from_its_beginning(data: bytes) -> None:
    dissector = Kafka(OPTIONS)
    chunks = chunks_of([(CLIENT, heartbeat(1)), (CLIENT, data), (CLIENT, heartbeat(2))], stream(True))
    assert [message.key for message in run(dissector, chunks)] == [1]
    assert dissector.lost == "not_kafka"


def test_requests_that_are_never_answered_are_forgotten() -> None:
    dissector = Kafka(OPTIONS)
    run(dissector, chunks_of([(CLIENT, heartbeat(number)) for number in range(100)], stream(True)))
    assert len(dissector._asked) == 2 * OPTIONS.max_pending


def test_an_answer_on_its_way_is_known() -> None:
    dissector = Kafka(OPTIONS)
    ask, answer = chunks_of(TALKS["one"], stream(True))
    assert not dissector.answering
    dissector.feed(ask)
    first, *_ = split_anywhere([answer], 0)
    dissector.feed(first)
    assert dissector.answering


def test_looking_for_a_frame_takes_time_as_the_bytes_are_many() -> None:
    """Heads of requests that are none after all, in ever so many small packets."""
    head = heartbeat(1)[:12] + b"\x7f\xff"
    took = []
    for count in (5_000, 20_000):
        data, dissector = head * count, Kafka(OPTIONS)
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
    whole = [seen(message) for message in run(Kafka(OPTIONS), chunks)]
    assert len(whole) >= 2
    for seed in range(25):
        assert [seen(message) for message in run(Kafka(OPTIONS), split_anywhere(chunks, seed))] == whole


@pytest.mark.parametrize("seed", range(100))
def test_damage_never_raises(seed: int) -> None:
    talk = [said for talk in TALKS.values() for said in talk]
    random.Random(seed).shuffle(talk)
    chunks = damage(chunks_of(talk, stream(bool(seed % 2))), seed)
    for message in run(Kafka(OPTIONS), chunks, "reset"):
        seen(message)


# -- recognition ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (produce(7, 1), Verdict.SURE),
        (produce(9, 1)[:40], Verdict.SURE),
        (raw(0, 3, 1, b"x" * 200)[:60], Verdict.SHORT),
        (produce(7, 1)[:6], Verdict.SHORT),
        (request("Metadata", 1, client=None), Verdict.PLAUSIBLE),
        (raw(18, 3, 1, b""), Verdict.PLAUSIBLE),
        (beaten(1), Verdict.PLAUSIBLE),
        (raw(0, 99, 1), Verdict.PLAUSIBLE),
        (raw(0, 99, 1) + b"x", Verdict.NO),
        (raw(0, 3, 1, b"a\0b") + b"x", Verdict.NO),
        (b"GET / HTTP/1.1\r\n\r\n", Verdict.NO),
        (b"*1\r\n$4\r\nPING\r\n", Verdict.NO),
        (b"AMQP\0\0\x09\1", Verdict.NO),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20), Verdict.NO),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Verdict.NO),
        (b"\0\0\0\x29\0\3\0\0user\0postgres\0database\0postgres\0\0", Verdict.NO),
        (b"\0\0\0\x08\x04\xd2\x16\x2f", Verdict.NO),
        (b"\0\x1d\xab\xcd\1\0\0\1\0\0\0\0\0\0\3www\4shop\4test\0\0\1\0\1", Verdict.NO),
        (b"", Verdict.SHORT),
    ],
)
def test_first_bytes(data: bytes, verdict: Verdict) -> None:
    assert detect(data) is verdict
