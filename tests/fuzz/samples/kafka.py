"""Kafka: requests and answers of every API that is taken apart, records in every coding, tokens of SASL."""

from __future__ import annotations

import random

from engine.streams.stream import CLIENT, SERVER
from tests.support import kafka_wire
from tests.support.kafka_wire import Record, batch, message_set, request, response, wrapped
from tests.support.streams import Said

PORT = 9092
RECORDS: list[Record] = [(b"k", b"value", [("h", b"x"), ("n", None)]), (None, b"\xff\xfe", []), (b"", None, [])]


def records() -> list[bytes]:
    """A set of each kind."""
    sets = [batch(RECORDS, codec=codec) for codec in range(5)] + [message_set(RECORDS, magic) for magic in (0, 1)]
    sets += [wrapped(message_set(RECORDS, magic), magic, codec, 2) for magic in (0, 1) for codec in (1, 2, 3)]
    return [*sets, batch(RECORDS) + batch(RECORDS, base=3), batch(RECORDS)[:80]]


def conversations() -> list[list[Said]]:
    """Each begins with a request that is recognised."""
    talks: list[list[Said]] = []
    for number, data in enumerate(records()):
        topic = {"Name": "orders", "PartitionData": [{"Index": 0, "Records": data}]}
        ask = request("Produce", (2, 7, 9)[number % 3], 1, Acks=number % 2, TopicData=[topic])
        talks.append([(CLIENT, ask), (SERVER, response("Produce", (2, 7, 9)[number % 3], 1))])
        partition = {"PartitionIndex": 0, "Records": data}
        answer = response("Fetch", 11, 2, Responses=[{"Topic": "orders", "Partitions": [partition]}])
        talks.append([(CLIENT, request("Fetch", 11, 2)), (SERVER, answer)])
    chance = random.Random(1)
    for key, name in kafka_wire.APIS.items():
        for version in (0, 3, 6, 9, 13):
            asked, told = f"{name}Request", f"{name}Response"
            if version <= kafka_wire.versions(kafka_wire.published(asked)["validVersions"])[1]:
                ask = request(name, version, key, **kafka_wire.at_random(asked, version, chance)[0])
                answer = response(name, version, key, **kafka_wire.at_random(told, version, chance)[0])
                talks.append([(CLIENT, ask), (SERVER, answer)])
    handshake = request("Heartbeat", 0, 7).replace(b"\0\x0c\0\0", b"\0\x11\0\0", 1)
    return [*talks, [(CLIENT, handshake), (CLIENT, b"\0\0\0\x05\0u\0pw"), (SERVER, b"\0\0\0\0")]]
