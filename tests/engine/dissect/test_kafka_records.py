from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import pytest

from engine.dissect.kafka_records import Room
from tests.support import kafka_wire
from tests.support.kafka_wire import Record, batch, message_set, wrapped

FIRST_MS = 1_700_000_000_000
RECORDS: list[Record] = [
    (b"k1", "größe".encode(), [("trace", b"abc"), ("empty", None)]),
    (None, b"\xff\x00binary", []),
    (b"", None, [("bin", b"\xfe")]),
]
SHOWN: list[dict[str, Any]] = [
    {
        "offset": 100,
        "timestamp": FIRST_MS,
        "key": "k1",
        "value": "größe",
        "headers": [{"key": "trace", "value": "abc"}, {"key": "empty", "value": None}],
    },
    {
        "offset": 101,
        "timestamp": FIRST_MS + 1,
        "key": None,
        "value": "/wBiaW5hcnk=",
        "valueEncoding": "base64",
        "headers": [],
    },
    {
        "offset": 102,
        "timestamp": FIRST_MS + 2,
        "key": "",
        "value": None,
        "headers": [{"key": "bin", "value": "/g==", "valueEncoding": "base64"}],
    },
]


def taken_apart(data: bytes, limit_bytes: int = 1 << 20, limit_records: int = 1000) -> dict[str, Any]:
    return Room(limit_bytes, limit_records).take_apart(data)


def test_a_batch() -> None:
    state = {"is_transactional": True, "producer_id": 9, "producer_epoch": 2, "base_sequence": 70}
    head = taken_apart(batch(RECORDS, FIRST_MS, 100, **state))["recordBatch"]
    assert head.pop("record") == SHOWN
    assert head == {
        "baseOffset": 100,
        "partitionLeaderEpoch": 0,
        "magic": 2,
        "compression": "none",
        "timestampType": "CreateTime",
        "isTransactional": True,
        "isControl": False,
        "lastOffsetDelta": 2,
        "firstTimestamp": FIRST_MS,
        "maxTimestamp": FIRST_MS + 2,
        "producerId": 9,
        "producerEpoch": 2,
        "baseSequence": 70,
        "recordCount": 3,
    }


PACKED: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "gzip": (1, kafka_wire.PACKERS[1]),
    "snappy in blocks": (2, kafka_wire.xerial),
    "snappy": (2, kafka_wire.raw_snappy),
    "lz4": (3, kafka_wire.lz4),
    "lz4, old checksum": (3, kafka_wire.broken_lz4),
    "zstd": (4, kafka_wire.PACKERS[4]),
}


@pytest.mark.parametrize("name", PACKED)
def test_compressed_batches(name: str) -> None:
    codec, pack = PACKED[name]
    plain = batch(RECORDS, FIRST_MS, 100)
    packed = kafka_wire.compressed(plain, codec, pack(plain[kafka_wire.BATCH_HEAD_BYTES :]))
    section = taken_apart(packed)
    assert section["recordBatch"]["record"] == SHOWN
    assert section["recordBatch"]["compression"] == name.split(",")[0].split(" ")[0]
    assert "comment" not in section


@pytest.mark.parametrize("name", PACKED)
def test_a_bomb_is_not_unpacked(name: str) -> None:
    codec, pack = PACKED[name]
    plain = batch([(b"k", bytes(100), []), (b"bomb", bytes(3_000_000), [])])
    packed = kafka_wire.compressed(plain, codec, pack(plain[kafka_wire.BATCH_HEAD_BYTES :]))
    section = taken_apart(packed, 100_000)
    assert "more than is kept (dissect.maxBody)" in section["comment"]
    assert len(section["recordBatch"]["record"]) <= 1
    assert section["recordBatch"]["recordCount"] == 2


def test_all_batches_share_the_room() -> None:
    bomb = batch([(b"k", bytes(60_000), [])], codec=1)
    section = taken_apart(bomb * 5, 100_000)
    assert [record["key"] for record in section["recordBatch"]["record"]] == ["k"]
    assert len(section["batches"]) == 5
    assert "gzip: more than is kept" in section["comment"]


@pytest.mark.parametrize("name", PACKED)
def test_compressed_data_that_is_cut_gives_a_beginning_or_nothing(name: str) -> None:
    codec, pack = PACKED[name]
    records: list[Record] = [(b"%d" % number, random.Random(number).randbytes(50), []) for number in range(40)]
    plain = batch(records)
    whole = taken_apart(plain)["recordBatch"]["record"]
    data = pack(plain[kafka_wire.BATCH_HEAD_BYTES :])
    for end in range(0, len(data) - 1, 37):
        section = taken_apart(kafka_wire.compressed(plain, codec, data[:end]))
        shown = section["recordBatch"]["record"]
        assert shown == whole[: len(shown)]
        assert len(shown) < len(whole) or end > len(data) - 16, "cut within the trailer"
        assert section["comment"]


def test_compression_that_is_not_known_and_damaged_data() -> None:
    plain = batch(RECORDS)
    assert taken_apart(kafka_wire.compressed(plain, 6, b"x"))["comment"] == "compression 6 is not known"
    for codec in (1, 2, 3, 4):
        section = taken_apart(kafka_wire.compressed(plain, codec, b"\x85nonsense" * 9))
        assert section["recordBatch"]["record"] == []
        assert section["comment"].startswith(section["recordBatch"]["compression"])


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", [0, 1, 2, 3])
def test_sets_of_messages(magic: int, codec: int) -> None:
    inner_base = 0 if codec and magic else 100  # offsets inside of magic 1 count from 0
    data = message_set(RECORDS, magic, FIRST_MS, inner_base)
    section = taken_apart(wrapped(data, magic, codec, 102) if codec else data)
    expected = []
    for record in SHOWN:
        kept = {key: value for key, value in record.items() if magic or key != "timestamp"}
        expected.append({**kept, "headers": []})
    assert section["recordBatch"].pop("record") == expected
    assert section["recordBatch"]["magic"] == magic
    assert section["recordBatch"]["compression"] == ("none", "gzip", "snappy", "lz4")[codec]
    assert "comment" not in section


def test_sets_within_sets_within_sets_are_not_unpacked() -> None:
    deep = wrapped(wrapped(message_set(RECORDS, 1), 1, 1, 5), 1, 1, 9)
    assert taken_apart(deep)["comment"] == "a compressed message within a compressed one"


def test_several_batches_are_shown_as_one_and_the_last_may_be_cut() -> None:
    first, second = batch(RECORDS, FIRST_MS, 100), batch(RECORDS, FIRST_MS, 200)
    section = taken_apart(first + second + first[:70])
    assert [record["offset"] for record in section["recordBatch"]["record"]] == [100, 101, 102, 200, 201, 202]
    assert [head["baseOffset"] for head in section["batches"]] == [100, 200]
    assert section["recordBatch"]["baseOffset"] == 100
    assert section["comment"] == "70 bytes of a batch that is not whole"


def test_more_records_than_are_shown() -> None:
    section = taken_apart(batch([(None, b"%d" % number, []) for number in range(50)]), limit_records=7)
    assert [record["value"] for record in section["recordBatch"]["record"]] == [str(number) for number in range(7)]
    assert section["comment"] == "7 of 50 records are shown (dissect.maxRecords)"
    messages = message_set([(None, b"x", [])] * 9, 1)
    section = taken_apart(messages, limit_records=7)
    assert len(section["recordBatch"]["record"]) == 7
    assert section["comment"] == "not all records are shown (dissect.maxRecords)"


def test_more_headers_than_are_shown() -> None:
    many: list[tuple[str, bytes | None]] = [(f"h{number}", b"x") for number in range(150)]
    first, second = taken_apart(batch([(b"k", b"v", many), (b"next", b"v", many[:2])]))["recordBatch"]["record"]
    assert [header["key"] for header in first["headers"]] == [name for name, _ in many[:100]]
    assert first["headerCount"] == 150
    assert (second["key"], len(second["headers"]), second.get("headerCount")) == ("next", 2, None)


def test_control_records_are_named() -> None:
    built = bytearray(batch([(struct.pack(">hh", 0, 1), b"\0" * 6, [])]))
    built[22] |= 0b110000
    (record,) = taken_apart(bytes(built))["recordBatch"]["record"]
    assert record["control"] == "commit"


def test_the_time_of_the_append_stands_for_all() -> None:
    built = bytearray(batch(RECORDS, FIRST_MS))
    built[22] |= 8
    struct.pack_into(">q", built, 35, FIRST_MS + 77)
    section = taken_apart(bytes(built))["recordBatch"]
    assert section["timestampType"] == "LogAppendTime"
    assert {record["timestamp"] for record in section["record"]} == {FIRST_MS + 77}


def test_a_batch_that_was_emptied_by_compaction() -> None:
    built = bytearray(batch([(b"k", b"v", [])])[: kafka_wire.BATCH_HEAD_BYTES])
    struct.pack_into(">i", built, 8, kafka_wire.BATCH_HEAD_BYTES - 12)
    struct.pack_into(">i", built, 57, 0)
    section = taken_apart(bytes(built))
    assert section["recordBatch"]["record"] == []
    assert "comment" not in section


@pytest.mark.parametrize("seed", range(40))
def test_damaged_records_never_raise(seed: int) -> None:
    chance = random.Random(seed)
    samples = [batch(RECORDS, codec=codec) for codec in range(5)]
    samples += [wrapped(message_set(RECORDS, 1), 1, 2, 3), message_set(RECORDS, 0)]
    for _ in range(60):
        data = bytearray(chance.choice(samples) + chance.choice(samples))
        for _ in range(chance.randrange(1, 8)):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        section = taken_apart(bytes(data[: chance.randrange(len(data))]), 10_000, 50)
        assert section["recordBatch"] is None or len(section["recordBatch"]["record"]) <= 50
