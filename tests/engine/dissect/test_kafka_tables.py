"""The tables of Kafka's bodies against what Apache publishes, and against a writer that is generated from that."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from engine.dissect.framed import Frame
from engine.dissect.kafka_apis import NAMES
from engine.dissect.kafka_layouts import Field
from engine.dissect.kafka_payload import REQUEST, RESPONSE, KafkaPayload, _layouts
from engine.dissect.options import DissectOptions
from tests.support import kafka_wire

HALVES = [(key, name, half) for key, name in kafka_wire.APIS.items() for half in ("Request", "Response")]
VERSIONS = [
    (key, f"{name}{half}", version)
    for key, name, half in HALVES
    for version in range(_layouts()[key, half == "Request"].last + 1)
]


def ours(fields: Sequence[Field], version: int) -> list[Any]:
    return [
        (field.name, field.kind.strip("[]{}") or field.kind, field.tag, ours(field.fields, version))
        for field in fields
        if field.first <= version <= field.last
    ]


def theirs(fields: Sequence[dict[str, Any]], version: int, where: tuple[str, str]) -> list[Any]:
    found = []
    for field in fields:
        first, last = kafka_wire.versions(field["versions"])
        if first <= version <= last:
            name = kafka_wire.lower(field["name"])
            kind, below = field["type"], field.get("fields", ())
            kind = ("[]" if kind.startswith("[]") else "{}") if below else kind.strip("[]")
            tag = field.get("tag", -1)
            found.append((kafka_wire.RENAMED.get((*where, name), name), kind, tag, theirs(below, version, where)))
    return found


@pytest.mark.parametrize(("key", "message", "version"), VERSIONS, ids=str)
def test_a_table_has_the_published_fields(key: int, message: str, version: int) -> None:
    is_request = message.endswith("Request")
    where = (NAMES[key], "request" if is_request else "response")
    published = theirs(kafka_wire.published(message)["fields"], version, where)
    assert ours(_layouts()[key, is_request].fields, version) == published


@pytest.mark.parametrize(("key", "name", "half"), HALVES)
def test_a_table_knows_the_published_versions(key: int, name: str, half: str) -> None:
    definition, layout = kafka_wire.published(name + half), _layouts()[key, half == "Request"]
    assert NAMES[key] == name
    assert definition["apiKey"] == key
    assert kafka_wire.versions(definition["validVersions"])[1] == layout.last
    assert layout.first == 0  # brokers dropped the oldest ones, captures have them
    assert kafka_wire.versions(definition["flexibleVersions"])[0] == layout.flexible


@pytest.mark.parametrize(("key", "message", "version"), VERSIONS, ids=str)
def test_a_body_is_read_as_it_was_written(key: int, message: str, version: int) -> None:
    is_request = message.endswith("Request")
    for seed in range(5):
        values, shown = kafka_wire.at_random(message, version, random.Random(f"{message} {version} {seed}"))
        write = kafka_wire.request if is_request else kafka_wire.response
        data = write(NAMES[key], version, correlation=-7, **values)
        payload = payload_of(data, key, version, is_request)
        assert payload.problem() is None
        assert payload.section()["payload"] == (by_partition(shown) if message == "ProduceRequest" else shown)
        assert payload.section()["correlationID"] == -7


def payload_of(data: bytes, key: int, version: int, is_request: bool, **options: int) -> KafkaPayload:
    frame = Frame(data, len(data), 1_700_000_000_000_000_000, 1_700_000_000_000_000_001, "", False)
    return KafkaPayload(REQUEST if is_request else RESPONSE, frame, key, version, DissectOptions(**options))  # type: ignore[arg-type] # caps only


def by_partition(shown: dict[str, Any]) -> dict[str, Any]:
    """Kubeshark's shape: one entry for each partition."""
    entries = []
    for topic in shown["topicData"]:
        partitions = topic.pop("partitions")
        entries += [{**topic, "partitions": {"length": len(partitions), "partitionData": each}} for each in partitions]
        if not partitions:
            entries.append({**topic, "partitions": {"length": 0, "partitionData": None}})
    return {**shown, "topicData": entries}


@pytest.mark.parametrize(("key", "message", "version"), VERSIONS[::7], ids=str)
def test_what_is_cut_is_shown_as_far_as_it_goes(key: int, message: str, version: int) -> None:
    is_request = message.endswith("Request")
    values, _ = kafka_wire.at_random(message, version, random.Random(1))
    data = (kafka_wire.request if is_request else kafka_wire.response)(NAMES[key], version, **values)
    first = 18 if is_request else 8
    for end in range(first, len(data)):
        payload = payload_of(data[:end], key, version, is_request)
        assert payload.problem() is not None, end
        assert payload.section()["correlationID"] == 1
    assert payload_of(data + b"\0", key, version, is_request).problem() is not None


def test_tags_that_are_not_known_are_told_by_their_number() -> None:
    data = kafka_wire.response("Heartbeat", 4, ThrottleTimeMs=1, ErrorCode=25)
    data = data[:-1] + b"\x02\x05\x01x\x87\x01\x00"  # two tags instead of none
    section = payload_of(data, 12, 4, False).section()
    assert section["payload"] == {"throttleTimeMs": 1, "errorCode": 25, "unknownTags": [5, 135]}


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"\x7f\xff\xff\xff", "it ends early"),
        (b"\xff\xff\xff\xfe", "a length of -2"),
        (b"\x00\x00\x00\x01\x80\x00", "a length of -32768"),
        (b"\x00\x00\x00\x01\x7f\xff", "it ends early"),
    ],
)
def test_lengths_that_are_lies(data: bytes, wrong: str) -> None:
    frame = kafka_wire.request("Metadata", 1)[:18] + data
    problem = payload_of(frame, 3, 1, True).problem()
    assert problem is not None
    assert problem.msg == f"request: {wrong}"
