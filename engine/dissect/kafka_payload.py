"""``request`` and ``response`` of Kafka items, from a frame as far as it is kept."""

from __future__ import annotations

import struct
from functools import cache

from engine.clock import rfc3339
from engine.dissect import kafka_tables_cluster, kafka_tables_data, kafka_tables_groups
from engine.dissect.framed import Frame
from engine.dissect.kafka_apis import API_VERSIONS, CONTROLLED_SHUTDOWN, HEAD, NAMES, PRODUCE, SHORT_HEAD_BYTES
from engine.dissect.kafka_layouts import Layout, layouts_of
from engine.dissect.kafka_lengths import Damaged, compact_length, short_length, skip_tags
from engine.dissect.kafka_reader import Records, Section, Step, compiled
from engine.dissect.kafka_records import Room
from engine.dissect.message import Problem
from engine.dissect.options import DissectOptions

_TABLES = (
    kafka_tables_data.PRODUCE,
    kafka_tables_data.FETCH,
    kafka_tables_data.LIST_OFFSETS,
    kafka_tables_cluster.METADATA,
    kafka_tables_cluster.API_VERSIONS,
    kafka_tables_cluster.FIND_COORDINATOR,
    kafka_tables_groups.JOIN_GROUP,
    kafka_tables_groups.SYNC_GROUP,
    kafka_tables_groups.HEARTBEAT,
    kafka_tables_groups.LEAVE_GROUP,
    kafka_tables_groups.OFFSET_COMMIT,
    kafka_tables_groups.OFFSET_FETCH,
)
_CORRELATION_ENDS = 8
_UNSUPPORTED_VERSION = 35


REQUEST, RESPONSE, TOKEN, TOKEN_ANSWER = range(4)
"""What a frame holds."""
TRANSACTIONAL_PRODUCE, FLEXIBLE_PRODUCE = 3, 9
"""The versions from which on Produce begins with a transactional id, and has compact lengths."""


class KafkaPayload:
    """One frame; taken apart once, when somebody looks."""

    __slots__ = ("_section", "api", "fault", "frame", "kind", "options", "version")

    def __init__(self, kind: int, frame: Frame, api: int, version: int, options: DissectOptions) -> None:
        self.kind = kind
        self.frame = frame
        self.api = api
        """-1: of a response whose request was not seen."""
        self.version = version
        self.options = options
        half = "response" if kind in (RESPONSE, TOKEN_ANSWER) else "request"
        self.fault = Problem("dissection", f"{half}: {frame.fault}") if frame.fault else None
        self._section: Section | None = None

    def problem(self) -> Problem | None:
        """Bytes the capture lacks, or what is wrong with the message."""
        self.section()
        return self.fault

    def section(self) -> Section:
        """``request`` or ``response`` of the item."""
        if self._section is None:
            self._section = self._request() if self.kind in (REQUEST, TOKEN) else self._response()
        return self._section

    def _request(self) -> Section:
        data, is_token = self.frame.data, self.kind == TOKEN
        client, pos = (None, 0) if is_token else _client(data)
        return {
            "size": self.frame.size_bytes - 4,
            "apiKeyName": "" if is_token else NAMES.get(self.api, ""),
            "apiKey": None if is_token else self.api,
            "apiVersion": None if is_token else self.version,
            "correlationID": None if is_token else int.from_bytes(data[8:12], "big", signed=True),
            "clientID": client,
            "payload": {"comment": "a token of SASL"} if is_token else self._body(pos, True),
            "captureTime": rfc3339(self.frame.start_ns),
        }

    def _response(self) -> Section:
        data, is_token = self.frame.data, self.kind == TOKEN_ANSWER
        return {
            "size": self.frame.size_bytes - 4,
            "correlationID": None if is_token else int.from_bytes(data[4:8], "big", signed=True),
            "payload": {"comment": "a token of SASL"} if is_token else self._body(_CORRELATION_ENDS, False),
            "captureTime": rfc3339(self.frame.start_ns),
        }

    def _body(self, pos: int, is_request: bool) -> Section:
        """What stands behind the header; all of it that can be read, and in words what cannot."""
        data, version = self.frame.data, self.version
        if self.api < 0:
            return {"comment": "which API it answers is not known"}
        layout = _layouts().get((self.api, is_request))
        if layout is None:
            return {"comment": f"the body of {NAMES.get(self.api, f'API {self.api}')} is not taken apart"}
        if self.api == API_VERSIONS and not is_request and _falls_back(data):
            version = 0  # who does not know the version answers as the first one did
        if not layout.first <= version <= layout.last:
            return {"comment": f"version {version} of {NAMES[self.api]} is not known"}
        body: Section = {}
        room = Room(self.options.max_body_bytes, self.options.max_records)
        wrong = _read(layout, self.api, is_request, version, data, pos, body, room.take_apart)
        if self.api == PRODUCE and is_request:
            body = _one_entry_per_partition(body)
        kept, size = len(data), self.frame.size_bytes
        if kept < size and not self.frame.fault:
            body["comment"] = f"{kept} of {size} bytes kept (dissect.maxBody)"
        elif wrong and not self.frame.fault:
            self.fault = Problem("dissection", f"{'request' if is_request else 'response'}: {wrong}")
        return body


def _read(
    layout: Layout,
    api: int,
    is_request: bool,
    version: int,
    data: bytes,
    pos: int,
    into: Section,
    records: Records,
) -> str:
    """Fill ``into``; what is wrong, else empty."""
    try:
        if layout.is_flexible(version) and (is_request or api != API_VERSIONS):
            pos = skip_tags(data, pos)  # of the header; that of ApiVersions' response is the oldest, for whom it tells
        pos = _reader(api, is_request, version)(data, pos, into, records)
    except Damaged as error:
        return str(error)
    except (struct.error, IndexError):
        return "it ends early"
    return f"{len(data) - pos} bytes more than version {version} has" if pos < len(data) else ""


@cache
def _layouts() -> dict[tuple[int, bool], Layout]:
    found: dict[tuple[int, bool], Layout] = {}
    for table in _TABLES:
        found.update(layouts_of(table))
    return found


@cache
def _reader(api: int, is_request: bool, version: int) -> Step:
    layout = _layouts()[api, is_request]
    return compiled(layout.fields, version, layout.is_flexible(version))


def is_known(api: int, version: int) -> bool:
    """Whether the body of such a request is taken apart."""
    layout = _layouts().get((api, True))
    return layout is not None and layout.first <= version <= layout.last


def _client(data: bytes) -> tuple[str | None, int]:
    """The client id, and where it ends."""
    if data[4:8] == bytes((0, CONTROLLED_SHUTDOWN, 0, 0)):
        return None, SHORT_HEAD_BYTES
    length = int.from_bytes(data[12:14], "big", signed=True)
    if length < 0:
        return None, HEAD.size
    end = HEAD.size + length
    return data[HEAD.size : end].decode("utf-8", "replace"), end


def _falls_back(data: bytes) -> bool:
    return int.from_bytes(data[8:10], "big") == _UNSUPPORTED_VERSION


def _one_entry_per_partition(body: Section) -> Section:
    """As Kubeshark shows Produce: ``topicData[].partitions.partitionData``, one entry for each partition."""
    entries: list[Section] = []
    for topic in body.get("topicData") or ():
        partitions = topic.pop("partitions", None) or ()
        for partition in partitions:
            entries.append({**topic, "partitions": {"length": len(partitions), "partitionData": partition}})
        if not partitions:
            entries.append({**topic, "partitions": {"length": 0, "partitionData": None}})
    if body.get("topicData") is not None:
        body["topicData"] = entries
    return body


def expects_answer(frame: Frame, version: int) -> bool:
    """Whether a Produce request will be answered: not where it asks for no acknowledgement."""
    data = frame.data
    try:
        pos = _client(data)[1]
        if version >= FLEXIBLE_PRODUCE:
            pos = skip_tags(data, pos)
        if version >= TRANSACTIONAL_PRODUCE:
            length, pos = (compact_length if version >= FLEXIBLE_PRODUCE else short_length)(data, pos)
            pos += max(length, 0)
    except (Damaged, IndexError):
        return True
    return data[pos : pos + 2] != b"\0\0"
