"""The APIs of Kafka by their key, and the header of every request.

::

    +------------+-------------+-------------+------------------+-----------------+------------+------------
    | length i32 | api key i16 | version i16 | correlation i32  | client id n i16 | n bytes    | tags, body
    +------------+-------------+-------------+------------------+-----------------+------------+------------

A flexible version has tagged fields behind the client id; version 0 of ControlledShutdown has no client id.
"""

from __future__ import annotations

import struct

from engine.dissect.table import Verdict

HEAD = struct.Struct(">ihhih")
"""Length, api key, version, correlation id, length of the client id."""
SHORT_HEAD_BYTES = 12
"""Without a client id."""
MAX_LENGTH = 0x13FFFFFF
"""What is more is a record of TLS, or four letters of a text protocol."""
MAX_CLIENT_ID = 512
_NEWER = 3
"""Versions that brokers may have learnt since this was written."""
_CONTROLS = bytes(range(0x20)) + b"\x7f"

PRODUCE, FETCH, CONTROLLED_SHUTDOWN, SASL_HANDSHAKE, API_VERSIONS = 0, 1, 7, 17, 18

_TABLE = """
0 Produce 13, 1 Fetch 18, 2 ListOffsets 11, 3 Metadata 13, 4 LeaderAndIsr 7, 5 StopReplica 4, 6 UpdateMetadata 8,
7 ControlledShutdown 3, 8 OffsetCommit 10, 9 OffsetFetch 10, 10 FindCoordinator 6, 11 JoinGroup 9, 12 Heartbeat 4,
13 LeaveGroup 5, 14 SyncGroup 5, 15 DescribeGroups 6, 16 ListGroups 5, 17 SaslHandshake 1, 18 ApiVersions 4,
19 CreateTopics 7, 20 DeleteTopics 6, 21 DeleteRecords 2, 22 InitProducerId 6, 23 OffsetForLeaderEpoch 4,
24 AddPartitionsToTxn 5, 25 AddOffsetsToTxn 4, 26 EndTxn 5, 27 WriteTxnMarkers 2, 28 TxnOffsetCommit 5,
29 DescribeAcls 3, 30 CreateAcls 3, 31 DeleteAcls 3, 32 DescribeConfigs 4, 33 AlterConfigs 2,
34 AlterReplicaLogDirs 2, 35 DescribeLogDirs 5, 36 SaslAuthenticate 2, 37 CreatePartitions 3,
38 CreateDelegationToken 3, 39 RenewDelegationToken 2, 40 ExpireDelegationToken 2, 41 DescribeDelegationToken 3,
42 DeleteGroups 2, 43 ElectLeaders 2, 44 IncrementalAlterConfigs 1, 45 AlterPartitionReassignments 1,
46 ListPartitionReassignments 0, 47 OffsetDelete 0, 48 DescribeClientQuotas 1, 49 AlterClientQuotas 1,
50 DescribeUserScramCredentials 0, 51 AlterUserScramCredentials 0, 52 Vote 2, 53 BeginQuorumEpoch 1,
54 EndQuorumEpoch 1, 55 DescribeQuorum 2, 56 AlterPartition 3, 57 UpdateFeatures 2, 58 Envelope 0,
59 FetchSnapshot 1, 60 DescribeCluster 2, 61 DescribeProducers 0, 62 BrokerRegistration 4, 63 BrokerHeartbeat 1,
64 UnregisterBroker 0, 65 DescribeTransactions 0, 66 ListTransactions 2, 67 AllocateProducerIds 0,
68 ConsumerGroupHeartbeat 1, 69 ConsumerGroupDescribe 1, 70 ControllerRegistration 0,
71 GetTelemetrySubscriptions 0, 72 PushTelemetry 0, 73 AssignReplicasToDirs 0, 74 ListConfigResources 1,
75 DescribeTopicPartitions 0, 76 ShareGroupHeartbeat 1, 77 ShareGroupDescribe 1, 78 ShareFetch 2,
79 ShareAcknowledge 2, 80 AddRaftVoter 1, 81 RemoveRaftVoter 0, 82 UpdateRaftVoter 0,
83 InitializeShareGroupState 0, 84 ReadShareGroupState 0, 85 WriteShareGroupState 1, 86 DeleteShareGroupState 0,
87 ReadShareGroupStateSummary 1, 88 StreamsGroupHeartbeat 0, 89 StreamsGroupDescribe 0,
90 DescribeShareGroupOffsets 1, 91 AlterShareGroupOffsets 0, 92 DeleteShareGroupOffsets 0
"""
"""Key, name, latest version."""
_ROWS = [row.split() for row in _TABLE.split(",")]
NAMES = {int(key): name for key, name, _ in _ROWS}
_LAST = {int(key): int(last) + _NEWER for key, _, last in _ROWS}
_NEVER = -1


def is_request(data: bytes) -> bool:
    """Whether ``data``, a frame as far as it is kept, has the header of a known API, or one of an API that is new."""
    if len(data) < HEAD.size:
        return len(data) >= SHORT_HEAD_BYTES and data[4:8] == b"\0\7\0\0"
    length, key, version, _, client = _head_of(data)
    if not 0 <= version <= _LAST.get(key, _NEVER):
        return key not in _LAST and 0 < key < 1024 and 0 <= version < 32 and 0 < client <= length - 10 and _reads(data)
    if key == CONTROLLED_SHUTDOWN and version == 0:
        return True
    return -1 <= client <= length - 10


def judge(data: bytes, at: int = 0) -> Verdict:
    """Whether a request begins at ``at``; as sure as a client id makes it."""
    if len(data) - at < HEAD.size:
        return Verdict.SHORT if _may_become(data[at : at + 8]) else Verdict.NO
    length, key, version, _, client = _head_of(data, at)
    if not 10 <= length <= MAX_LENGTH or not 0 <= version <= _LAST.get(key, _NEVER):
        return Verdict.NO
    if not -1 <= client <= min(length - 10, MAX_CLIENT_ID):
        return Verdict.NO
    if client <= 0:
        return Verdict.PLAUSIBLE
    if not _reads(data, at):
        return Verdict.NO
    return Verdict.SURE if len(data) - at >= HEAD.size + client else Verdict.SHORT


def _head_of(data: bytes, at: int = 0) -> tuple[int, int, int, int, int]:
    head: tuple[int, int, int, int, int] = HEAD.unpack_from(data, at)
    return head


def _reads(data: bytes, at: int = 0) -> bool:
    """Whether what there is of the client id is text."""
    at += HEAD.size
    client = data[at : at + (data[at - 2] << 8 | data[at - 1])]
    return len(client.translate(None, _CONTROLS)) == len(client)


def _may_become(head: bytes) -> bool:
    """Whether a request may begin with these few bytes."""
    if len(head) < 4:
        return head[:1] < b"\x14"
    length = int.from_bytes(head[:4], "big")
    if not 10 <= length <= MAX_LENGTH or (len(head) > 4 and head[4] > 0):
        return False
    return len(head) < 8 or int.from_bytes(head[6:8], "big") <= _LAST.get(head[5], _NEVER)
