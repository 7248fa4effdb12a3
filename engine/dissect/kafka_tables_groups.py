"""Tables of the APIs of consumer groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit, OffsetFetch."""

from __future__ import annotations

JOIN_GROUP = """
JoinGroup 11, flexible from 6
request 0-9
  groupId            string
  sessionTimeoutMs   int32
  rebalanceTimeoutMs  int32  1+
  memberId           string
  groupInstanceId    string  5+
  protocolType       string
  protocols          []
    name             string
    metadata         bytes
  reason             string  8+
response 0-9
  throttleTimeMs     int32   2+
  errorCode          int16
  generationId       int32
  protocolType       string  7+
  protocolName       string
  leader             string
  skipAssignment     bool    9+
  memberId           string
  members            []
    memberId         string
    groupInstanceId  string  5+
    metadata         bytes
"""

SYNC_GROUP = """
SyncGroup 14, flexible from 4
request 0-5
  groupId            string
  generationId       int32
  memberId           string
  groupInstanceId    string  3+
  protocolType       string  5+
  protocolName       string  5+
  assignments        []
    memberId         string
    assignment       bytes
response 0-5
  throttleTimeMs     int32   1+
  errorCode          int16
  protocolType       string  5+
  protocolName       string  5+
  assignment         bytes
"""

HEARTBEAT = """
Heartbeat 12, flexible from 4
request 0-4
  groupId            string
  generationId       int32
  memberId           string
  groupInstanceId    string  3+
response 0-4
  throttleTimeMs     int32   1+
  errorCode          int16
"""

LEAVE_GROUP = """
LeaveGroup 13, flexible from 4
request 0-5
  groupId            string
  memberId           string  0-2
  members            []      3+
    memberId         string
    groupInstanceId  string
    reason           string  5+
response 0-5
  throttleTimeMs     int32   1+
  errorCode          int16
  members            []      3+
    memberId         string
    groupInstanceId  string
    errorCode        int16
"""

OFFSET_COMMIT = """
OffsetCommit 8, flexible from 8
request 0-10
  groupId            string
  generationIdOrMemberEpoch  int32  1+
  memberId           string  1+
  groupInstanceId    string  7+
  retentionTimeMs    int64   2-4
  topics             []
    name             string  0-9
    topicId          uuid    10+
    partitions       []
      partitionIndex  int32
      committedOffset  int64
      committedLeaderEpoch  int32  6+
      commitTimestamp  int64  1
      committedMetadata  string
response 0-10
  throttleTimeMs     int32   3+
  topics             []
    name             string  0-9
    topicId          uuid    10+
    partitions       []
      partitionIndex  int32
      errorCode      int16
"""

OFFSET_FETCH = """
OffsetFetch 9, flexible from 6
request 0-10
  groupId            string  0-7
  topics             []      0-7
    name             string
    partitionIndexes  int32[]
  groups             []      8+
    groupId          string
    memberId         string  9+
    memberEpoch      int32   9+
    topics           []
      name           string  8-9
      topicId        uuid    10+
      partitionIndexes  int32[]
  requireStable      bool    7+
response 0-10
  throttleTimeMs     int32   3+
  topics             []      0-7
    name             string
    partitions       []
      partitionIndex  int32
      committedOffset  int64
      committedLeaderEpoch  int32  5+
      metadata       string
      errorCode      int16
  errorCode          int16   2-7
  groups             []      8+
    groupId          string
    topics           []
      name           string  8-9
      topicId        uuid    10+
      partitions     []
        partitionIndex  int32
        committedOffset  int64
        committedLeaderEpoch  int32
        metadata     string
        errorCode    int16
    errorCode        int16
"""
