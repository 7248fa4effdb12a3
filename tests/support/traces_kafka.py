"""Golden traces of Kafka; frames are kafka-python's."""

from __future__ import annotations

from typing import Any

from tests.support.kafka_wire import batch, message_set, request, response
from tests.support.packets import Packet, TcpConversation

CLIENT, SERVER = ("10.0.0.1", 51234), ("10.0.0.2", 9092)
FIRST_MS = 1_699_999_999_000


def talk() -> TcpConversation:
    """Behind its handshake."""
    return TcpConversation(CLIENT, SERVER).handshake()


def kafka_producer() -> list[Packet]:
    """Versions, metadata, two batches answered the other way round, one that wants no answer; cut at odd places."""
    feature = {"Name": "metadata.version", "MinVersion": 1, "MaxVersion": 20}
    keys = [{"ApiKey": 0, "MinVersion": 0, "MaxVersion": 9}, {"ApiKey": 3, "MinVersion": 0, "MaxVersion": 12}]
    conversation = talk().client_says(
        request("ApiVersions", 3, 1, ClientSoftwareName="remora", ClientSoftwareVersion="1.0"), [2]
    )
    conversation.server_says(response("ApiVersions", 3, 1, ApiKeys=keys, SupportedFeatures=[feature]))
    conversation.client_says(request("Metadata", 9, 2, Topics=[{"Name": "orders"}], AllowAutoTopicCreation=True))
    partition = {"PartitionIndex": 0, "LeaderId": 1, "LeaderEpoch": 4, "ReplicaNodes": [1, 2], "IsrNodes": [1]}
    topic = {"Name": "orders", "Partitions": [partition]}
    broker = {"NodeId": 1, "Host": "broker-1.shop.test", "Port": 9092, "Rack": "a"}
    conversation.server_says(
        response("Metadata", 9, 2, Brokers=[broker], ClusterId="c1", ControllerId=1, Topics=[topic])
    )
    first = batch([(b"7", b'{"id": 7}', [("trace", b"abc")]), (None, b"\xff\x00", [])], FIRST_MS)
    second = batch([(b"8", None, [])], FIRST_MS, producer_id=5, producer_epoch=0, base_sequence=2)
    ask = _produce(9, 3, 1, [(0, first), (2, second)]) + _produce(9, 4, -1, [(0, second)])
    conversation.client_says(ask, [3, 40, 100])
    conversation.server_says(_produced(9, 4, 43) + _produced(9, 3, 41), [5])
    return conversation.client_says(_produce(9, 5, 0, [(0, second)])).finish().packets


def kafka_consumer() -> list[Packet]:
    """A group is joined, records fetched in batches and in the oldest format, offsets committed; one has no answer."""
    member = "consumer-1-f00"
    conversation = talk().client_says(request("FindCoordinator", 4, 1, KeyType=0, CoordinatorKeys=["billing"]))
    coordinator = {"Key": "billing", "NodeId": 1, "Host": "broker-1.shop.test", "Port": 9092}
    conversation.server_says(response("FindCoordinator", 4, 1, Coordinators=[coordinator]))
    protocol = {"Name": "range", "Metadata": b"\0\1\0\0\0\1\0\6orders\0\0\0\0"}
    join: dict[str, Any] = {
        "GroupId": "billing",
        "SessionTimeoutMs": 45000,
        "RebalanceTimeoutMs": 300000,
        "ProtocolType": "consumer",
    }
    conversation.client_says(request("JoinGroup", 7, 2, **join, Protocols=[protocol]))
    conversation.server_says(response("JoinGroup", 7, 2, ErrorCode=79, MemberId=member))
    fetch: dict[str, Any] = {"MaxWaitMs": 500, "MinBytes": 1, "MaxBytes": 1 << 20}
    partition = {"Partition": 0, "FetchOffset": 41, "PartitionMaxBytes": 1 << 20}
    conversation.client_says(request("Fetch", 4, 3, **fetch, Topics=[{"Topic": "orders", "Partitions": [partition]}]))
    records = batch([(b"7", b'{"id": 7}', [])], FIRST_MS, 41) + batch([(b"8", b"eight", [])], FIRST_MS, 42)
    conversation.server_says(_fetched(4, 3, records + records[:70]))
    conversation.client_says(request("Fetch", 0, 4, **fetch, Topics=[{"Topic": "orders", "Partitions": [partition]}]))
    conversation.server_says(_fetched(0, 4, message_set([(b"old", b"one", [])], 0, base=43)))
    commit: dict[str, Any] = {"GroupId": "billing", "GenerationIdOrMemberEpoch": 1, "MemberId": member}
    offset = {"PartitionIndex": 0, "CommittedOffset": 43, "CommittedMetadata": ""}
    conversation.client_says(
        request("OffsetCommit", 8, 5, **commit, Topics=[{"Name": "orders", "Partitions": [offset]}])
    )
    done = [{"Name": "orders", "Partitions": [{"PartitionIndex": 0, "ErrorCode": 25}]}]
    conversation.server_says(response("OffsetCommit", 8, 5, Topics=done))
    return conversation.client_says(request("LeaveGroup", 4, 6, GroupId="billing")).finish().packets


def kafka_begun_before() -> list[Packet]:
    """The capture begins inside an answer; a segment of a large one is lost, and the end of another."""
    conversation = TcpConversation(CLIENT, SERVER)
    conversation.server_says(_produced(7, 1, 5)[30:]).client_acks()
    big = _fetched(4, 2, batch([(b"%d" % number, bytes(60), []) for number in range(40)], FIRST_MS))
    conversation.client_says(request("Fetch", 4, 2)).server_says(big[:1400]).client_acks()
    conversation.server_says(big[1400:2800]).lose().server_says(big[2800:]).client_acks()
    conversation.client_says(request("Heartbeat", 0, 3, GroupId="g", MemberId="m"))
    conversation.server_says(response("Heartbeat", 0, 3)[:6]).client_acks()
    conversation.server_says(response("Heartbeat", 0, 3)[6:] + _produced(7, 9, 1)[:20]).lose().client_acks()
    conversation.server_says(_produced(7, 9, 1)[20:]).client_acks()
    conversation.client_says(request("Heartbeat", 0, 4, GroupId="g", MemberId="m"))
    return conversation.server_says(response("Heartbeat", 0, 4, ErrorCode=27)).finish().packets


def _produce(version: int, correlation: int, acks: int, partitions: list[tuple[int, bytes]]) -> bytes:
    data = [{"Index": index, "Records": records} for index, records in partitions]
    topic = {"Name": "orders", "PartitionData": data}
    return request("Produce", version, correlation, "shop-1", Acks=acks, TimeoutMs=30000, TopicData=[topic])


def _produced(version: int, correlation: int, offset: int) -> bytes:
    partition = {"Index": 0, "BaseOffset": offset, "LogAppendTimeMs": -1}
    topic = {"Name": "orders", "PartitionResponses": [partition]}
    return response("Produce", version, correlation, Responses=[topic])


def _fetched(version: int, correlation: int, records: bytes) -> bytes:
    partition = {"PartitionIndex": 0, "HighWatermark": 44, "LastStableOffset": 44, "Records": records}
    return response("Fetch", version, correlation, Responses=[{"Topic": "orders", "Partitions": [partition]}])


TRACES = (kafka_producer, kafka_consumer, kafka_begun_before)
