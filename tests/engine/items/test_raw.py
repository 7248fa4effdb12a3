from __future__ import annotations

import base64
import itertools
import struct
from pathlib import Path
from typing import Any

import pytest

from engine import kfl
from engine.dissect.options import DissectOptions
from engine.dissect.raw import as_text, sctp_chunks
from hooks import Item
from tests.engine.items.test_connections import items_of, pipeline
from tests.support.packets import EPOCH_NS, Packet, ethernet, ip, pcap_bytes, udp_frame
from tests.support.traces import items_of as items_of_file
from tests.support.traces_http import answer, get, talk

TALK = talk().client_says(get("/1")).server_says(answer("200 OK", b"1")).finish().packets


def raw(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in items if "data" in item]


def test_payload_is_told_beside_what_is_dissected() -> None:
    found = items_of(pipeline(["http", "tcp"]), TALK)
    assert [(item["index"], item["protocol"]["abbr"]) for item in found] == [(0, "TCP"), (1, "HTTP"), (2, "TCP")]
    asked, told = raw(found)
    assert asked["data"] == {
        "payload": get("/1").decode(),
        "encoding": "",
        "size": len(get("/1")),
        "truncated": False,
        "missingBytes": 0,
        "direction": "client",
    }
    assert (asked["src"]["port"], asked["dst"]["port"], asked["requestSize"]) == ("51234", "80", len(get("/1")))
    assert (told["src"]["port"], told["data"]["direction"]) == ("80", "server")
    assert (told["request"], told["response"], told["error"]) == (None, None, None)


def test_payload_of_no_protocol_is_told_too() -> None:
    packets = talk().client_says(b"\xff\0").server_says(b"plain text\n").client_says(b"\1").finish().packets
    for enabled in (["tcp"], ["http", "tcp"]):
        found = items_of(pipeline(enabled), packets)
        assert [(item["data"]["payload"], item["data"]["encoding"]) for item in found] == [
            (base64.b64encode(b"\xff\0").decode(), "base64"),
            ("plain text\n", ""),
            ("AQ==", "base64"),
        ]


def test_an_unknown_stream_is_told_to_its_end_packet_by_packet() -> None:
    """After dissection has given it up, and its object was let go."""
    stream = talk()
    for number in range(20):
        stream.client_says(b"\1%d" % number).server_acks()
    line = pipeline(["http", "tcp"])
    found = items_of(line, *([packet] for packet in stream.packets))
    assert [item["index"] for item in found] == list(range(20))


def test_datagrams_are_items_each() -> None:
    frames = [udp_frame(("10.0.0.1", 5000), ("10.0.0.2", 9999), data) for data in (b"one", b"two", b"")]
    found = items_of(pipeline(["udp"]), [Packet(EPOCH_NS + number, frame) for number, frame in enumerate(frames)])
    assert [item["data"]["payload"] for item in found] == ["one", "two"]
    assert {item["protocol"]["name"] for item in found} == {"udp"}


def test_a_gap_is_told(tmp_path: Path) -> None:
    stream = talk().client_says(b"begin").client_says(b"lost!").lose().client_says(b"end").server_acks()
    found = items_of(pipeline(["tcp"]), stream.finish().packets)
    assert [(item["data"]["payload"], item["data"]["missingBytes"]) for item in found] == [("begin", 0), ("end", 5)]
    assert found[1]["error"] == {"type": "dissection", "msg": "5 bytes are missing"}
    path = tmp_path / "cut.pcap"
    path.write_bytes(
        pcap_bytes([Packet(EPOCH_NS, udp_frame(("10.0.0.1", 1), ("10.0.0.2", 2), b"x" * 100))], snaplen=92)
    )
    (item,) = items_of_file(path, DissectOptions(dissectors=["udp"]))
    assert (item["data"]["size"], item["data"]["missingBytes"], len(item["data"]["payload"])) == (100, 50, 50)


def test_no_more_is_kept_than_the_limit() -> None:
    (item,) = items_of(pipeline(["tcp"], max_raw_bytes=4), talk().client_says(b"abcdefgh").finish().packets)
    assert (item["data"]["payload"], item["data"]["size"], item["data"]["truncated"]) == ("abcd", 8, True)


def test_sctp_tells_its_chunks() -> None:
    data = struct.pack(">BBHIHHI", 0, 3, 20, 1, 0, 0, 0) + b"text"
    packet = struct.pack(">HHII", 7000, 8000, 1, 0) + struct.pack(">BBH", 3, 0, 4) + data
    frame = ethernet(0x0800, ip("10.0.0.1", "10.0.0.2", 132, packet))
    (item,) = items_of(pipeline(["sctp"]), [Packet(EPOCH_NS, frame)])
    assert item["data"]["chunks"] == [
        {"type": 3, "name": "SACK", "flags": 0, "length": 4},
        {"type": 0, "name": "DATA", "flags": 3, "length": 20},
    ]
    for text in ("sctp && sctp_chunk_type == 3 && sctp_length == 24", 'sctp and data.chunks[0].name == "SACK"'):
        assert kfl.compile(text).matches(item), text


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\0\0" * 200, b"\0\0\0\4" * 200, b"\xff" * 9])
def test_chunks_of_anything_end(data: bytes) -> None:
    assert len(sctp_chunks(data)) <= 64


@pytest.mark.parametrize(
    ("data", "text", "encoding"),
    [
        (b"a\r\n\tb", "a\r\n\tb", ""),
        ("\u00e9".encode(), "\u00e9", ""),
        (b"a\0", "YQA=", "base64"),
        (b"\xff", "/w==", "base64"),
        (b"", "", ""),
    ],
)
def test_what_may_be_shown_is_text(data: bytes, text: str, encoding: str) -> None:
    assert as_text(data) == (text, encoding)


@pytest.mark.parametrize("dissectors", [["http"], ["http", "udp"]])
def test_payload_is_told_only_where_it_is_enabled(dissectors: list[str]) -> None:
    assert raw(items_of(pipeline(dissectors), TALK)) == []


def test_scripts_and_filters_see_the_payload() -> None:
    line = pipeline(["tcp"])
    batch_items = list(itertools.chain(items_of(line, TALK)))
    first = batch_items[0]
    assert kfl.compile('tcp && tcp_payload.startsWith("GET")').matches(first)
    assert kfl.compile('data.payload.startsWith("GET")').matches(first)


def test_an_item_of_payload_is_a_mapping_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "talk.pcap"
    path.write_bytes(pcap_bytes(TALK))
    item = items_of_file(path, DissectOptions(dissectors=["tcp"]))[0]
    item.recording = "incident"
    assert (item["stream"], item.get("nothing", 7), "data" in item) == ("000000000001.pcap", 7, True)
    assert list(item) == list(item.as_dict())
    assert len(item) == len(item.as_dict())
    there = Item.decode(item.encode())
    assert (there.data.payload, there.request, there.record) == (get("/1").decode(), None, "incident")
