"""Records as Kafka stores them: batches (magic 2), and sets of messages before them (magic 0 and 1).

::

    +-----------------+------------+------------------+----------+---------------------------------------
    | base offset i64 | length i32 | leader epoch i32 | magic i8 | crc u32, attributes i16, ... , records
    +-----------------+------------+------------------+----------+---------------------------------------
    | offset i64      | length i32 | crc u32          | magic i8 | attributes i8, [time i64], key, value
    +-----------------+------------+------------------+----------+---------------------------------------

All records of a partition are shown as those of its first batch, since each knows its own offset and time; where there
is more than one batch, ``batches`` has the heads of all.
"""

from __future__ import annotations

import struct
from typing import Any

from engine.dissect.kafka_compression import NAMES, unpacked
from engine.dissect.kafka_record import put, read_records

_BATCH = struct.Struct(">qiibIhiqqqhii")
_MESSAGE = struct.Struct(">qiIbb")
_MAGIC_AT = 16
_LENGTH_AT = 8
_HEAD_BYTES = 12
"""Offset and length; the length counts what follows."""
_CONTROLS = {0: "abort", 1: "commit"}


class Room:
    """How much of the records of one Kafka message is taken apart."""

    __slots__ = ("bytes_left", "records_left")

    def __init__(self, limit_bytes: int, limit_records: int) -> None:
        self.bytes_left = limit_bytes
        """That may still be unpacked."""
        self.records_left = limit_records

    def take_apart(self, data: bytes) -> dict[str, Any]:
        """``records`` of the item. Total."""
        heads: list[dict[str, Any]] = []
        records: list[dict[str, Any]] = []
        comments: list[str] = []
        at, size = 0, len(data)
        while size - at > _MAGIC_AT:
            end = at + _HEAD_BYTES + int.from_bytes(data[at + _LENGTH_AT : at + _HEAD_BYTES], "big", signed=True)
            if end > size and heads:
                break
            read = _batch if data[at + _MAGIC_AT] == 2 else _message
            try:
                wrong = read(self, data[at : min(end, size)], heads, records)
            except (struct.error, IndexError):
                wrong = "it ends early"
            if wrong:
                comments.append(wrong)
            if end <= at + _HEAD_BYTES:
                break
            at = end
        if at < size and size - at < size:
            comments.append(f"{size - at} bytes of a batch that is not whole")
        return _shown(heads, records, comments)


def _shown(heads: list[dict[str, Any]], records: list[dict[str, Any]], comments: list[str]) -> dict[str, Any]:
    section: dict[str, Any] = {"recordBatch": {**heads[0], "record": records} if heads else None}
    if len(heads) > 1:
        section["batches"] = heads
    if comments:
        section["comment"] = "; ".join(dict.fromkeys(comments))
    return section


# -- magic 2 -------------------------------------------------------------------------------------------------------


def _batch(room: Room, data: bytes, heads: list[dict[str, Any]], records: list[dict[str, Any]]) -> str:
    """What is wrong with one batch, or not shown of it; else empty."""
    offset, _, epoch, _, _, attributes, last_delta, first_ms, max_ms, *producer, count = _BATCH.unpack_from(data)
    codec = attributes & 7
    heads.append(
        {
            "baseOffset": offset,
            "partitionLeaderEpoch": epoch,
            "magic": 2,
            "compression": _codec_name(codec),
            "timestampType": "LogAppendTime" if attributes & 8 else "CreateTime",
            "isTransactional": bool(attributes & 16),
            "isControl": bool(attributes & 32),
            "lastOffsetDelta": last_delta,
            "firstTimestamp": first_ms,
            "maxTimestamp": max_ms,
            "producerId": producer[0],
            "producerEpoch": producer[1],
            "baseSequence": producer[2],
            "recordCount": count,
        }
    )
    body, wrong = data[_BATCH.size :], ""
    if codec:
        body, wrong = unpacked(codec, body, room.bytes_left)
        room.bytes_left -= len(body)
    wanted = min(max(count, 0), room.records_left)
    before = len(records)
    since_ms = max_ms if attributes & 8 else first_ms
    try:
        read_records(body, wanted, offset, since_ms, bool(attributes & 8), records)
    except IndexError:
        wrong = wrong or "a record ends early"
    shown = len(records) - before
    room.records_left -= shown
    if attributes & 32:
        _name_controls(records[before:])
    return wrong or (f"{shown} of {count} records are shown (dissect.maxRecords)" if shown < count else "")


def _name_controls(records: list[dict[str, Any]]) -> None:
    """Markers of transactions; their key is two numbers of 16 bits, the version and the kind."""
    for record in records:
        key = record["key"]
        if isinstance(key, str) and len(key) == 4 and "keyEncoding" not in record:
            record["control"] = _CONTROLS.get(ord(key[3]), "unknown")


# -- magic 0 and 1 -------------------------------------------------------------------------------------------------


def _message(room: Room, data: bytes, heads: list[dict[str, Any]], records: list[dict[str, Any]]) -> str:
    """One message, or the set of messages that is compressed in it; as ``_batch``."""
    offset, _, _, magic, attributes = _MESSAGE.unpack_from(data)
    if magic not in (0, 1):
        return f"records of magic {magic} are not known"
    codec = attributes & 7
    if not heads or codec:
        heads.append({"baseOffset": offset, "magic": magic, "compression": _codec_name(codec)})
    if not codec:
        return _one(room, data, records)
    _, pos = _sized(data, _MESSAGE.size + 8 * magic)  # a key
    value, _ = _sized(data, pos)
    if value is None:
        return "a compressed message has no value"
    inner, wrong = unpacked(codec, value, room.bytes_left)
    room.bytes_left -= len(inner)
    before, at = len(records), 0
    while not wrong and at + _MESSAGE.size <= len(inner):
        end = at + _HEAD_BYTES + int.from_bytes(inner[at + _LENGTH_AT : at + _HEAD_BYTES], "big", signed=True)
        if end <= at + _HEAD_BYTES or end > len(inner):
            wrong = "a message ends early"
            break
        wrong = _one(room, inner[at:end], records)
        at = end
    if magic == 1 and len(records) > before:  # offsets inside count from 0, and the last one is that of the outer one
        shift = offset - records[-1]["offset"]
        outer_ms = struct.unpack_from(">q", data, _MESSAGE.size)[0] if attributes & 8 else None
        for record in records[before:]:
            record["offset"] += shift
            if outer_ms is not None and "timestamp" in record:
                record["timestamp"] = outer_ms  # of the append
    return wrong


def _one(room: Room, data: bytes, records: list[dict[str, Any]]) -> str:
    if room.records_left <= 0:
        return "not all records are shown (dissect.maxRecords)"
    offset, _, _, magic, attributes = _MESSAGE.unpack_from(data)
    if attributes & 7 or magic not in (0, 1):
        return "a compressed message within a compressed one"
    pos = _MESSAGE.size
    record: dict[str, Any] = {"offset": offset}
    if magic:
        (record["timestamp"],) = struct.unpack_from(">q", data, pos)
        pos += 8
    for name in ("key", "value"):
        (length,) = struct.unpack_from(">i", data, pos)
        pos = put(record, name, data, pos + 4, length)
    record["headers"] = []
    records.append(record)
    room.records_left -= 1
    return ""


def _sized(data: bytes, pos: int) -> tuple[bytes | None, int]:
    (length,) = struct.unpack_from(">i", data, pos)
    pos += 4
    return (None, pos) if length < 0 else (data[pos : pos + length], pos + length)


def _codec_name(codec: int) -> str:
    return NAMES[codec] if codec < len(NAMES) else f"unknown ({codec})"
