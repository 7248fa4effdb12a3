"""Tables of the APIs that tell what a cluster is: Metadata, ApiVersions, FindCoordinator."""

from __future__ import annotations

METADATA = """
Metadata 3, flexible from 9
request 0-13
  topics             []
    topicId          uuid    10+
    name             string
  allowAutoTopicCreation  bool  4+
  includeClusterAuthorizedOperations  bool  8-10
  includeTopicAuthorizedOperations  bool  8+
response 0-13
  throttleTimeMs     int32   3+
  brokers            []
    nodeId           int32
    host             string
    port             int32
    rack             string  1+
  clusterID          string  2+
  controllerID       int32   1+
  topics             []
    errorCode        int16
    name             string
    topicId          uuid    10+
    isInternal       bool    1+
    partitions       []
      errorCode      int16
      partitionIndex  int32
      leaderId       int32
      leaderEpoch    int32   7+
      replicaNodes   int32[]
      isrNodes       int32[]
      offlineReplicas  int32[]  5+
    topicAuthorizedOperations  int32  8+
  clusterAuthorizedOperations  int32  8-10
  errorCode          int16   13+
"""

API_VERSIONS = """
ApiVersions 18, flexible from 3
request 0-4
  clientSoftwareName  string  3+
  clientSoftwareVersion  string  3+
response 0-4
  errorCode          int16
  apiKeys            []
    apiKey           int16
    minVersion       int16
    maxVersion       int16
  throttleTimeMs     int32   1+
  supportedFeatures  []      3+  tag 0
    name             string
    minVersion       int16
    maxVersion       int16
  finalizedFeaturesEpoch  int64  3+  tag 1
  finalizedFeatures  []      3+  tag 2
    name             string
    maxVersionLevel  int16
    minVersionLevel  int16
  zkMigrationReady   bool    3+  tag 3
"""

FIND_COORDINATOR = """
FindCoordinator 10, flexible from 3
request 0-6
  key                string  0-3
  keyType            int8    1+
  coordinatorKeys    string[]  4+
response 0-6
  throttleTimeMs     int32   1+
  errorCode          int16   0-3
  errorMessage       string  1-3
  nodeId             int32   0-3
  host               string  0-3
  port               int32   0-3
  coordinators       []      4+
    key              string
    nodeId           int32
    host             string
    port             int32
    errorCode        int16
    errorMessage     string
"""
