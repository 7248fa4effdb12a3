from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from engine.dissect.dns import DnsDatagrams, DnsStream, detect_tcp, detect_udp
from engine.dissect.message import Message
from engine.dissect.options import DissectOptions
from engine.dissect.table import Verdict
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, SERVER, UDP
from tests.support.dissecting import dissection, feed
from tests.support.streams import BYTE_NS, START_NS, Said, a_stream, chunks_of, damage, datagram, split_anywhere

OPTIONS = DissectOptions()
WWW = b"\3www\7example\3com\0"
POINTER = b"\xc0\x0c"


def message(
    flags: int, question: bytes = WWW, kind: int = 1, records: Sequence[Sequence[bytes]] = ((), (), ()), id: int = 7
) -> bytes:
    head = struct.pack(">HHHHHH", id, flags, 1 if question else 0, *map(len, records))
    asked = question + struct.pack(">HH", kind, 1) if question else b""
    return head + asked + b"".join(record for section in records for record in section)


def record(kind: int, data: bytes, name: bytes = POINTER, group: int = 1, ttl: int = 60) -> bytes:
    return name + struct.pack(">HHIH", kind, group, ttl, len(data)) + data


QUERY = message(0x0100)
ANSWER = message(0x8180, records=([record(1, b"\1\2\3\4")], [], []))


KEEPALIVE = struct.pack(">HHII", 1, 8, 15_000, 15_000)
"""Of stateful operations (RFC 8490, 7.1)."""


def section_of(data: bytes) -> dict[str, Any]:
    (found,) = DnsDatagrams().feed(datagram(a_stream(UDP, 53), CLIENT, data))
    assert found.payload.problem() is None
    return found.payload.section()


def problem_of(data: bytes) -> str:
    (found,) = DnsDatagrams().feed(datagram(a_stream(UDP, 53), CLIENT, data))
    problem = found.payload.problem()
    return problem.msg if problem else ""


def test_a_query_is_taken_apart() -> None:
    assert section_of(message(0x0100, kind=28)) == {
        "opCode": "Query",
        "questions": [{"name": "www.example.com", "type": "AAAA", "class": "IN"}],
        "flags": ["rd"],
        "edns": None,
    }


def test_an_answer_has_every_key_of_a_record_and_what_was_asked() -> None:
    assert section_of(ANSWER) == {
        "code": "No Error",
        "questions": [{"name": "www.example.com", "type": "A", "class": "IN"}],
        "answers": [
            {
                "name": "www.example.com", "type": "A", "class": "IN", "ttl": 60, "ip": "1.2.3.4", "ns": "",
                "cname": "", "ptr": "", "txts": "", "soa": "", "srv": "", "mx": "", "opt": "", "uri": "",
            }
        ],
        "authorities": [],
        "additionals": [],
        "flags": ["rd", "ra"],
        "truncated": False,
        "edns": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "data", "key", "value"),
    [
        (1, b"\x0a\0\0\1", "ip", "10.0.0.1"),
        (28, bytes.fromhex("20010db8000000000000000000000001"), "ip", "2001:db8::1"),
        (2, b"\2ns" + POINTER, "ns", "ns.www.example.com"),
        (5, b"\1a\1b\0", "cname", "a.b"),
        (12, b"\4host\0", "ptr", "host"),
        (15, b"\0\x0a\4mail\xc0\x10", "mx", "10 mail.example.com"),
        (16, b"\3v=1\5 more", "txts", "v=1 more"),
        (33, struct.pack(">HHH", 1, 2, 389) + b"\4ldap\0", "srv", "1 2 389 ldap"),
        (6, b"\2ns\0\4root\0" + struct.pack(">IIIII", 1, 2, 3, 4, 5), "soa", "ns root 1 2 3 4 5"),
        (256, struct.pack(">HH", 10, 1) + b"ftp://a/", "uri", "10 1 ftp://a/"),
        (45, b"\x01\x02", "data", "\\# 2 0102"),
        (4711, b"", "data", "\\# 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_record_data_is_text(kind: int, data: bytes, key: str, value: str) -> None:
    (answer,) = section_of(message(0x8180, records=([record(kind, data)], [], [])))["answers"]
    assert answer[key] == value


def test_types_and_classes_without_a_name_are_numbers() -> None:
    (answer,) = section_of(message(0x8180, records=([record(4711, b"\1", group=77)], [], [])))["answers"]
    assert (answer["type"], answer["class"]) == ("TYPE4711", "CLASS77")


def test_sections_are_kept_apart() -> None:
    records = ([record(1, b"\1\1\1\1")], [record(2, POINTER)], [record(1, b"\2\2\2\2"), record(1, b"\3\3\3\3")])
    section = section_of(message(0x8180, records=records))
    assert [len(section[key]) for key in ("answers", "authorities", "additionals")] == [1, 1, 2]


def test_edns_extends_the_code_and_is_shown() -> None:
    opt = record(41, b"\0\x0a\0\2\xab\xcd", name=b"\0", group=1232, ttl=1 << 24 | 0x8000)
    section = section_of(message(0x8180, records=([], [], [opt])))
    assert section["code"] == "Bad OPT Version"
    assert section["additionals"][0]["opt"] == "version 0, udp 1232, do, cookie abcd"


@pytest.mark.parametrize(
    ("flags", "code"),
    [(0x8180, "No Error"), (0x8183, "Non-Existent Domain"), (0x8182, "Server Failure"), (0x818E, "RCODE14")],
)
def test_codes_have_names(flags: int, code: str) -> None:
    assert section_of(message(flags))["code"] == code


def test_labels_are_escaped_as_in_zone_files() -> None:
    section = section_of(message(0x0100, question=b"\4a.\\\x07\1\xe9\0"))
    assert section["questions"][0]["name"] == "a\\.\\\\\\007.\\233"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (message(0x8180, question=b"\xc0\x0c"), "a name that does not end"),
        (message(0x8180, question=b"\xc0\x0e\xc0\x0c"), "a name that does not end"),
        (message(0x8180, question=b"\xff\xff"), "a name ends behind the message"),
        (message(0x8180, question=b"\x80abc\0"), "a label that is none"),
        (message(0x8180, question=(b"\x3f" + b"a" * 63) * 5 + b"\0"), "a label that is none"),
        (ANSWER[:-1], "a record ends behind the message"),
        (ANSWER[:-8], "it ends early"),
        (message(0x8180, records=([record(1, b"\1\2")], [], [])), "an address of a wrong length"),
        (message(0x8180, records=([record(15, b"\1")], [], [])), "it ends early"),
        (message(0x0100)[:6] + b"\0\1" * 3 + message(0x0100)[12:], ""),
    ],
)
def test_what_is_wrong_is_said(data: bytes, problem: str) -> None:
    assert problem in problem_of(data)


def test_what_was_read_before_the_damage_is_kept() -> None:
    data = message(0x8180, records=([record(1, b"\1\2\3\4"), record(1, b"\1\2\3\4")], [], []))[:-2]
    (found,) = DnsDatagrams().feed(datagram(a_stream(UDP, 53), SERVER, data))
    assert [answer["ip"] for answer in found.payload.section()["answers"]] == ["1.2.3.4"]
    assert found.payload.problem() is not None


def test_a_datagram_cut_by_the_capture_says_so() -> None:
    (found,) = DnsDatagrams().feed(datagram(a_stream(UDP, 53), SERVER, ANSWER[:-3], missing_bytes=3))
    assert found.payload.problem() == ("dissection", "3 bytes are missing")
    assert found.size_bytes == len(ANSWER)


def test_a_datagram_without_a_header_is_no_message() -> None:
    assert DnsDatagrams().feed(datagram(a_stream(UDP, 53), CLIENT, QUERY[:11])) == []


def test_many_pointers_cost_no_more_than_linear_time() -> None:
    """Each of 10,000 questions points at a chain of 120 labels; names are read once."""
    chain = b"\1a" * 120 + b"\0"
    data = struct.pack(">HHHHHH", 1, 0x0100, 10_001, 0, 0, 0) + chain + b"\0\1\0\1" + (POINTER + b"\0\1\0\1") * 10_000
    assert len(section_of(data)["questions"]) == 10_001


def framed(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">H", len(part)) + part for part in parts)


TALK: list[Said] = [
    (CLIENT, framed(QUERY, message(0x0100, id=8))),
    (SERVER, framed(ANSWER)),
    (SERVER, framed(message(0x8183, id=8))),
    (CLIENT, framed(QUERY)),
]


def messages(chunks: Sequence[Chunk]) -> list[Message]:
    dissector = DnsStream(OPTIONS)
    return [found for chunk in chunks for found in dissector.feed(chunk)] + dissector.close("closed")


def shown(found: Sequence[Message]) -> list[Any]:
    return [
        (m.is_request, m.direction, m.key, m.start_ns, m.end_ns, m.size_bytes, m.after_gap, m.payload.section())
        for m in found
    ]


@pytest.mark.parametrize("seed", range(50))
def test_messages_do_not_depend_on_where_the_data_is_cut(seed: int) -> None:
    whole = shown(messages(chunks_of(TALK)))
    assert len(whole) == 5
    assert shown(messages(split_anywhere(chunks_of(TALK), seed))) == whole


def test_times_and_sizes_over_tcp_are_those_of_the_bytes() -> None:
    now_ns = START_NS
    for found in messages(chunks_of(TALK)):
        assert found.start_ns == now_ns
        now_ns += found.size_bytes * BYTE_NS
        assert found.end_ns == now_ns - BYTE_NS


def test_over_tcp_messages_go_on_behind_a_gap() -> None:
    chunks = chunks_of([(CLIENT, framed(QUERY)[:9]), (CLIENT, framed(QUERY, QUERY))])
    chunks[1] = chunks[1]._replace(missing_bytes=5)
    first, second = messages(chunks)
    assert (first.after_gap, second.after_gap) == (True, False)
    assert first.payload.problem() is None


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (QUERY, Verdict.SURE),
        (ANSWER, Verdict.SURE),
        (QUERY[:-1], Verdict.PLAUSIBLE),
        (ANSWER[:-1], Verdict.SURE),
        (message(0x0100, kind=65399), Verdict.PLAUSIBLE),
        (message(0x0100, question=b"\4\xff\0\x01z\4test\0", kind=10), Verdict.PLAUSIBLE),
        (message(0x0100, question=b"\xc0\x0c"), Verdict.PLAUSIBLE),
        (message(0x8180, question=b"\xc0\x0c"), Verdict.NO),
        (message(0x0240, question=b"\xc0\x0c"), Verdict.NO),
        (message(0x0100, question=b"\xc0\x0c", records=([], [record(1, b"")], [])), Verdict.NO),
        (QUERY[:11], Verdict.NO),
        (bytes(12), Verdict.PLAUSIBLE),
        (b"\0" * 4 + b"\0\1" + bytes(20), Verdict.NO),
        (message(0x0100, question=b"\x20" + b"CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" + b"\0", kind=33), Verdict.NO),
        (message(0x7800), Verdict.NO),
        (message(0x3000), Verdict.NO),
        (message(0x3000, question=b"") + KEEPALIVE, Verdict.PLAUSIBLE),
        (message(0x8180, records=([record(1, b"\1\2\3\4")] * 3, [], []))[:40], Verdict.PLAUSIBLE),
        (b"\x16\xfe\xfd" + bytes(50), Verdict.NO),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Verdict.NO),
    ],
)
def test_the_first_datagram_tells_dns(data: bytes, verdict: Verdict) -> None:
    assert detect_udp(data) is verdict


@pytest.mark.parametrize("port", [53, 853])
def test_a_session_of_stateful_operations_has_headers_and_hides_no_lookup(port: int) -> None:
    ask, told = (framed(message(flags, question=b"", id=9) + KEEPALIVE) for flags in (0x3000, 0xB000))
    said = [(CLIENT, ask), (SERVER, told), (CLIENT, framed(QUERY)), (SERVER, framed(ANSWER))]
    items = feed(dissection(), chunks_of(said, a_stream(port=port)))
    assert [(item["request"]["opCode"], item["error"]) for item in items] == [("Stateful", None), ("Query", None)]


def test_who_begins_with_damage_hides_nothing_behind_it() -> None:
    stream = a_stream(UDP, 53)
    said = [(CLIENT, message(0x0100, question=b"\1a\xc0\x0c")), (CLIENT, QUERY), (SERVER, ANSWER)]
    into = dissection()
    items = feed(into, [datagram(stream, way, data) for way, data in said]) + into.finish()
    assert [(item["response"] is None, item["error"] and item["error"]["type"]) for item in items] == [
        (False, None),
        (True, "pair-not-found"),
    ]
    assert "does not end" in items[1]["error"]["msg"]


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (framed(QUERY), Verdict.SURE),
        (framed(QUERY)[:1], Verdict.SHORT),
        (framed(QUERY)[:20], Verdict.SHORT),
        (framed(QUERY) + b"more", Verdict.SURE),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60), Verdict.NO),
        (b"GET / HTTP/1.1\r\n\r\n", Verdict.NO),
        (b"*1\r\n$4\r\nPING\r\n", Verdict.NO),
    ],
)
def test_the_first_bytes_of_a_stream_tell_dns(data: bytes, verdict: Verdict) -> None:
    assert detect_tcp(data) is verdict


@pytest.mark.parametrize("seed", range(300))
def test_damage_raises_nothing_and_every_section_can_be_built(seed: int) -> None:
    chance = random.Random(seed)
    kinds = [(kind, bytes(chance.randbytes(chance.randrange(30)))) for kind in (1, 2, 6, 15, 16, 28, 33, 41, 256)]
    rich = message(0x8180, records=([record(*kind) for kind in kinds], [record(2, POINTER)], []))
    for chunk in damage(chunks_of([(SERVER, rich)] * 3), seed):
        for found in DnsDatagrams().feed(chunk):
            found.payload.problem()
            found.payload.section()
    talk: list[Said] = [(CLIENT, framed(QUERY, QUERY)), (SERVER, framed(rich, ANSWER))] * 3
    for found in messages(damage(split_anywhere(chunks_of(talk), seed + 1), seed)):
        found.payload.problem()
        found.payload.section()
