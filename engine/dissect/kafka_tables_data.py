"""Tables of the APIs that move records: Produce, Fetch, ListOffsets."""

from __future__ import annotations

PRODUCE = """
Produce 0, flexible from 9
request 0-13
  transactionalID    string  3+
  requiredAcks       int16
  timeout            int32
  topicData          []
    topic            string  0-12
    topicId          uuid    13+
    partitions       []
      partition      int32
      records        records
response 0-13
  responses          []
    topic            string  0-12
    topicId          uuid    13+
    partitionResponses  []
      index          int32
      errorCode      int16
      baseOffset     int64
      logAppendTimeMs  int64  2+
      logStartOffset  int64  5+
      recordErrors   []      8+
        batchIndex   int32
        batchIndexErrorMessage  string
      errorMessage   string  8+
      currentLeader  {}      10+  tag 0
        leaderId     int32
        leaderEpoch  int32
  throttleTimeMs     int32   1+
  nodeEndpoints      []      10+  tag 0
    nodeId           int32
    host             string
    port             int32
    rack             string
"""

FETCH = """
Fetch 1, flexible from 12
request 0-18
  clusterID          string  12+  tag 0
  replicaId          int32   0-14
  replicaState       {}      15+  tag 1
    replicaId        int32
    replicaEpoch     int64
  maxWaitMs          int32
  minBytes           int32
  maxBytes           int32   3+
  isolationLevel     int8    4+
  sessionId          int32   7+
  sessionEpoch       int32   7+
  topics             []
    topic            string  0-12
    topicId          uuid    13+
    partitions       []
      partition      int32
      currentLeaderEpoch  int32  9+
      fetchOffset    int64
      lastFetchedEpoch  int32  12+
      logStartOffset  int64  5+
      partitionMaxBytes  int32
      replicaDirectoryId  uuid  17+  tag 0
      highWatermark  int64   18+  tag 1
  forgottenTopicsData  []    7+
    topic            string  7-12
    topicId          uuid    13+
    partitions       int32[]
  rackId             string  11+
response 0-18
  throttleTimeMs     int32   1+
  errorCode          int16   7+
  sessionId          int32   7+
  responses          []
    topic            string  0-12
    topicId          uuid    13+
    partitions       []
      partitionIndex  int32
      errorCode      int16
      highWatermark  int64
      lastStableOffset  int64  4+
      logStartOffset  int64  5+
      divergingEpoch  {}     12+  tag 0
        epoch        int32
        endOffset    int64
      currentLeader  {}      12+  tag 1
        leaderId     int32
        leaderEpoch  int32
      snapshotId     {}      12+  tag 2
        endOffset    int64
        epoch        int32
      abortedTransactions  []  4+
        producerId   int64
        firstOffset  int64
      preferredReadReplica  int32  11+
      records        records
  nodeEndpoints      []      16+  tag 0
    nodeId           int32
    host             string
    port             int32
    rack             string
"""

LIST_OFFSETS = """
ListOffsets 2, flexible from 6
request 0-11
  replicaId          int32
  isolationLevel     int8    2+
  topics             []
    name             string
    partitions       []
      partitionIndex  int32
      currentLeaderEpoch  int32  4+
      timestamp      int64
      maxNumOffsets  int32   0
  timeoutMs          int32   10+
response 0-11
  throttleTimeMs     int32   2+
  topics             []
    name             string
    partitions       []
      partitionIndex  int32
      errorCode      int16
      oldStyleOffsets  int64[]  0
      timestamp      int64   1+
      offset         int64   1+
      leaderEpoch    int32   4+
"""
