"""Kafka frames as kafka-python writes them, from the published message definitions that it comes with.

It shares nothing with the dissector: its field lists are Apache's own JSON, its writer is generated from them.
"""

from __future__ import annotations

import base64
import gzip
import random
import re
import struct
import uuid
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import cramjam
from backports import zstd

with warnings.catch_warnings():
    warnings.filterwarnings(
        "ignore", "(read|open)_text is deprecated", DeprecationWarning
    )  # it reads its definitions so
    from kafka.protocol import consumer, metadata, producer
    from kafka.protocol.schemas import load_json
    from kafka.record.default_records import DefaultRecordBatchBuilder
    from kafka.record.legacy_records import LegacyRecordBatchBuilder

_ROOMS = (consumer, metadata, producer)
APIS = {
    0: "Produce",
    1: "Fetch",
    2: "ListOffsets",
    3: "Metadata",
    8: "OffsetCommit",
    9: "OffsetFetch",
    10: "FindCoordinator",
    11: "JoinGroup",
    12: "Heartbeat",
    13: "LeaveGroup",
    14: "SyncGroup",
    18: "ApiVersions",
}
"""Those whose bodies are taken apart."""
RENAMED = {
    ("Produce", "request", "transactionalId"): "transactionalID",
    ("Produce", "request", "acks"): "requiredAcks",
    ("Produce", "request", "timeoutMs"): "timeout",
    ("Produce", "request", "name"): "topic",
    ("Produce", "request", "partitionData"): "partitions",
    ("Produce", "request", "index"): "partition",
    ("Produce", "response", "name"): "topic",
    ("Fetch", "request", "clusterId"): "clusterID",
    ("Metadata", "response", "clusterId"): "clusterID",
    ("Metadata", "response", "controllerId"): "controllerID",
}
"""What is not called as it is published: Kubeshark's names, where it has one."""
_NO_OPERATIONS = -(1 << 31)
"""What the library writes for operations that nobody asked about."""

Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]


def message_class(name: str) -> Any:
    """``FetchRequest`` of kafka-python."""
    for room in _ROOMS:
        found = getattr(room, name, None)
        if found is not None:
            return found
    raise LookupError(name)


@cache
def published(name: str) -> dict[str, Any]:
    """The definition of ``FetchRequest`` as Apache publishes it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(read|open)_text is deprecated", DeprecationWarning)
        definition: dict[str, Any] = load_json(name)
    return definition


def versions(text: str) -> tuple[int, int]:
    """``3+`` and ``0-12`` and ``1`` as the first and the last one."""
    first, _, last = text.rstrip("+").partition("-")
    return int(first), 1 << 15 if text.endswith("+") else int(last or first)


def lower(name: str) -> str:
    """``TopicId`` as ``topicId``."""
    return name[0].lower() + name[1:]


def snake(name: str) -> str:
    """``TopicId`` as ``topic_id``, as the library does it."""
    return re.sub("(?<!^)(?=[A-Z])", "_", name).lower()


# -- frames --------------------------------------------------------------------------------------------------------


def request(name: str, version: int, correlation: int = 1, client: str | None = "shop", **values: Any) -> bytes:
    """With its header, behind its length. Structures are dicts with the published names."""
    return _encoded(f"{name}Request", version, values, correlation_id=correlation, client_id=client)


def response(name: str, version: int, correlation: int = 1, **values: Any) -> bytes:
    """As ``request``."""
    return _encoded(f"{name}Response", version, values, correlation_id=correlation)


def _encoded(name: str, version: int, values: dict[str, Any], **header: Any) -> bytes:
    message = _built(message_class(name), published(name)["fields"], version, values)
    message.with_header(**header)
    framed: bytes = bytes(message.encode(header=True, framed=True))
    return framed


def _built(kind: Any, fields: Sequence[dict[str, Any]], version: int, values: dict[str, Any]) -> Any:
    given = {}
    for field in fields:
        if field["name"] in values:
            given[snake(field["name"])] = _value(kind, field, version, values[field["name"]])
    return kind(version=version, **given)


def _value(kind: Any, field: dict[str, Any], version: int, value: Any) -> Any:
    if "fields" not in field or value is None:
        return value
    below = kind._struct.fields[snake(field["name"])].data_class
    if field["type"].startswith("[]"):
        return [_built(below, field["fields"], version, each) for each in value]
    return _built(below, field["fields"], version, value)


# -- records -------------------------------------------------------------------------------------------------------


def batch(
    records: Iterable[Record], first_ms: int = 1_700_000_000_000, base: int = 0, codec: int = 0, **producer: Any
) -> bytes:
    """A batch of magic 2; a record is ``(key, value, headers)``."""
    state = {"is_transactional": False, "producer_id": -1, "producer_epoch": -1, "base_sequence": -1, **producer}
    builder = DefaultRecordBatchBuilder(magic=2, compression_type=0, batch_size=1 << 30, **state)
    for number, (key, value, headers) in enumerate(records):
        builder.append(number, first_ms + number, key, value, headers)
    built = bytearray(builder.build())
    struct.pack_into(">q", built, 0, base)
    return compressed(bytes(built), codec) if codec else bytes(built)


def message_set(records: Iterable[Record], magic: int, first_ms: int = 1_700_000_000_000, base: int = 0) -> bytes:
    """Messages of magic 0 or 1, one after the other."""
    builder = LegacyRecordBatchBuilder(magic=magic, compression_type=0, batch_size=1 << 30)
    for number, (key, value, _) in enumerate(records):
        builder.append(base + number, first_ms + number, key, value)
    return bytes(builder.build())


def wrapped(inner: bytes, magic: int, codec: int, offset: int) -> bytes:
    """A message that holds a set of messages, compressed; its offset is that of the last one."""
    value = PACKERS[codec](inner)
    body = struct.pack(">bb", magic, codec) + (struct.pack(">q", 1_700_000_000_000) if magic else b"")
    body += struct.pack(">ii", -1, len(value)) + value
    return struct.pack(">qiI", offset, 4 + len(body), 0) + body


BATCH_HEAD_BYTES = 61


def compressed(built: bytes, codec: int, data: bytes | None = None) -> bytes:
    """The same batch with its records compressed; ``data``: with these bytes instead."""
    body = PACKERS[codec](built[BATCH_HEAD_BYTES:]) if data is None else data
    head = bytearray(built[:BATCH_HEAD_BYTES])
    struct.pack_into(">i", head, 8, BATCH_HEAD_BYTES - 12 + len(body))
    (attributes,) = struct.unpack_from(">h", head, 21)
    struct.pack_into(">h", head, 21, attributes & ~7 | codec)
    return bytes(head) + body


def xerial(data: bytes, block_bytes: int = 100) -> bytes:
    """Snappy as Java's library writes it, in blocks."""
    parts = [b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)]
    for at in range(0, len(data), block_bytes):
        block = bytes(cramjam.snappy.compress_raw(data[at : at + block_bytes]))
        parts += [struct.pack(">i", len(block)), block]
    return b"".join(parts)


def raw_snappy(data: bytes) -> bytes:
    """Snappy as C's library writes it."""
    return bytes(cramjam.snappy.compress_raw(data))


def lz4(data: bytes) -> bytes:
    """A frame of LZ4."""
    return bytes(cramjam.lz4.compress(data))


def broken_lz4(data: bytes) -> bytes:
    """As clients before 0.10 wrote it, with the checksum of the frame header taken over too many bytes: a wrong one."""
    frame = bytearray(lz4(data))
    frame[6 + 8 * (frame[4] >> 3 & 1)] ^= 0x5A
    return bytes(frame)


PACKERS: dict[int, Callable[[bytes], bytes]] = {
    1: lambda data: gzip.compress(data, mtime=0),
    2: xerial,
    3: lz4,
    4: zstd.compress,
}


# -- messages at random --------------------------------------------------------------------------------------------


def at_random(name: str, version: int, chance: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values for every field that ``FetchRequest`` has in a version, and what an item should show of them."""
    api, half = (name[:-7], "request") if name.endswith("Request") else (name[:-8], "response")
    return _fields_at_random(published(name)["fields"], version, chance, (api, half))


def _fields_at_random(
    fields: Sequence[dict[str, Any]], version: int, chance: random.Random, where: tuple[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    values, shown = {}, {}
    for field in fields:
        first, last = versions(field["versions"])
        if not first <= version <= last:
            continue
        name = lower(field["name"])
        name = RENAMED.get((*where, name), name)
        if field["name"].endswith("AuthorizedOperations") and field["type"] == "int32":
            shown[name] = _NO_OPERATIONS  # the library has a name of its own for it
            continue
        value, as_shown = _value_at_random(field, version, chance, where)
        if "taggedVersions" in field and (chance.random() < 0.3 or _is_default(field, value)):
            continue  # not written
        values[field["name"]], shown[name] = value, as_shown
    return values, shown


def _is_default(field: dict[str, Any], value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_default(below, value.get(below["name"])) for below in field["fields"])
    return not value or str(value) == field.get("default")


def _value_at_random(field: dict[str, Any], version: int, chance: random.Random, where: tuple[str, str]) -> Any:
    kind = field["type"]
    if "nullableVersions" in field and "taggedVersions" not in field and chance.random() < 0.3:
        first, last = versions(field["nullableVersions"])
        if first <= version <= last:
            return None, None
    if "fields" in field:
        if kind.startswith("[]"):
            pairs = [_fields_at_random(field["fields"], version, chance, where) for _ in range(chance.randrange(4))]
            return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        return _fields_at_random(field["fields"], version, chance, where)
    if kind.startswith("[]"):
        pairs = [_plain(kind[2:], chance) for _ in range(chance.randrange(5))]
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return _plain(kind, chance)


def _plain(kind: str, chance: random.Random) -> Any:
    if kind == "string":
        text = "".join(chance.choices("abc-é∂", k=chance.choice((0, 1, 5, 200))))
        return text, text
    if kind == "bytes":
        data = chance.randbytes(chance.choice((0, 1, 7, 300)))
        return data, base64.b64encode(data).decode()
    if kind == "uuid":
        number = uuid.UUID(bytes=chance.randbytes(16))
        return number, base64.urlsafe_b64encode(number.bytes).decode().rstrip("=")
    if kind == "bool":
        flag = chance.random() < 0.5
        return flag, flag
    if kind == "records":
        return b"", {"recordBatch": None}
    number_of = {"int8": 7, "int16": 15, "int32": 31, "int64": 63}[kind]
    value = chance.choice((0, -1, 1, (1 << number_of) - 1, -(1 << number_of)))
    return value, value
