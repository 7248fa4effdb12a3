from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest

from engine.dissect.icmp import IcmpMessages
from engine.dissect.icmp_names import CODES, TYPES
from engine.dissect.icmp_payload import IcmpPayload
from engine.dissect.icmp_quoted import Quoted, quoted_in
from engine.items.item import LazyItem
from engine.streams.chunk import Chunk
from engine.streams.stream import CLIENT, ICMP, ICMPV6, SCTP, TCP, UDP
from tests.support.packets import Packet, extension, ipv4, ipv6, write_pcap
from tests.support.packets import udp as udp_datagram
from tests.support.streams import a_stream
from tests.support.traces import TRACES, items_of
from tests.support.traces_icmp import icmp, packets, quote

MAPPED = bytes(10) + b"\xff\xff"


def dissected(tmp_path: Path, captured: list[Packet]) -> list[LazyItem]:
    return items_of(write_pcap(tmp_path / "capture.pcap", captured))


def by_type(items: list[LazyItem]) -> dict[str, Any]:
    return {item["request"]["type"]: item for item in items if item["protocol"]["name"] == "icmp"}


def test_echoes_pair_by_sequence_and_say_how_long_they_took(tmp_path: Path) -> None:
    found = dissected(tmp_path, TRACES["icmp_echoes"]())
    told = [(item["request"]["sequence"], (item["response"] or {}).get("rttNs"), item["error"]) for item in found]
    assert [(number, rtt_ns) for number, rtt_ns, _ in told] == [
        (1, 1_500_000),
        (3, 1_500_000),
        (1, 1_500_000),
        (2, None),
    ]
    assert [error and error["type"] for *_, error in told] == [None, None, None, "pair-not-found"]
    first = found[0]
    assert first["request"] == {
        "ipVersion": 4,
        "type": "Echo Request",
        "typeNumber": 8,
        "code": "",
        "codeNumber": 0,
        "identifier": 4711,
        "sequence": 1,
        "payloadSize": 48,
    }
    assert (first["src"]["ip"], first["src"]["port"], first["dst"]["ip"]) == ("10.0.0.1", "", "10.0.0.2")
    assert (first["requestSize"], first["elapsedTime"], first["protocol"]["layer4"]) == (56, 1, "icmp")
    assert found[2]["protocol"]["version"] == "6"


def test_errors_name_the_stream_that_they_are_about(tmp_path: Path) -> None:
    found = dissected(tmp_path, TRACES["icmp_errors"]())
    errors = [item for item in found if item["protocol"]["name"] == "icmp"]
    assert all(item["error"] is None and item["response"] is None for item in errors)
    told = [(item["request"]["code"] or item["request"]["type"], item["request"]["stream"]) for item in errors]
    assert sorted(told) == [
        ("For Host", "000000000001.pcap"),
        ("Fragmentation Needed", "000000000001.pcap"),
        ("In Transit", "000000000004_udp.pcap"),
        ("Packet Too Big", "000000000008_udp.pcap"),
        ("Port Unreachable", "000000000002_udp.pcap"),
    ]
    of = {item["request"]["code"]: item["request"] for item in errors}
    assert of["Fragmentation Needed"]["mtu"] == 1300
    assert of["For Host"]["gateway"] == "10.0.0.253"
    assert of[""]["mtu"] == 1280
    assert of["Port Unreachable"]["quoted"] == {
        "protocol": "udp",
        "src": {"ip": "10.0.0.1", "port": "51234"},
        "dst": {"ip": "10.0.0.2", "port": "53"},
        "length": 59,
    }


def test_a_request_to_a_closed_port_says_that_it_is_closed(tmp_path: Path) -> None:
    (lookup,) = [item for item in dissected(tmp_path, TRACES["icmp_errors"]()) if item["protocol"]["name"] == "dns"]
    assert lookup["error"] == {
        "type": "connection",
        "msg": "ICMP says 'Destination Unreachable: Port Unreachable'",
    }


def test_an_error_about_a_stream_that_nobody_saw_names_none(tmp_path: Path) -> None:
    frame = ipv4("10.9.9.9", "10.8.8.8", 17, udp_datagram(("10.9.9.9", 1), ("10.8.8.8", 2), b"x"))
    (item,) = dissected(tmp_path, packets(icmp("10.0.0.2", "10.0.0.1", 3, 1, bytes(4), frame[:28])))
    assert item["request"]["stream"] == ""
    assert item["request"]["quoted"]["dst"] == {"ip": "10.8.8.8", "port": "2"}


def test_an_error_that_quotes_too_little_is_told_all_the_same(tmp_path: Path) -> None:
    (item,) = dissected(tmp_path, packets(icmp("10.0.0.2", "10.0.0.1", 3, 1, bytes(4), b"\x45\0")))
    assert (item["request"]["quoted"], item["request"]["stream"], item["error"]) == (None, "", None)


def test_a_reply_without_its_request_says_so(tmp_path: Path) -> None:
    (item,) = dissected(tmp_path, packets(icmp("10.0.0.2", "10.0.0.1", 0, 0, b"\0\1\0\1")))
    assert (item["request"], item["error"]["type"]) == (None, "pair-not-found")
    assert "rttNs" not in item["response"]
    assert item["src"]["ip"] == "10.0.0.1"  # who must have asked


def test_neighbours_and_routers_are_items_of_their_own(tmp_path: Path) -> None:
    found = by_type(dissected(tmp_path, TRACES["icmp_neighbours"]()))
    assert all(item["error"] is None for item in found.values())
    assert (found["Neighbor Solicitation"]["request"]["target"]) == "fe80::2"
    assert found["Neighbor Advertisement"]["request"]["linkAddress"] == "02:00:00:00:00:01"
    router = found["Router Advertisement"]
    assert set(found) == {
        "Neighbor Solicitation", "Neighbor Advertisement", "Router Solicitation", "Router Advertisement",
        "Multicast Listener Report v2",
    }  # fmt: skip
    assert router["protocol"]["version"] == "4"  # the last one of that name


def test_a_router_tells_its_prefix(tmp_path: Path) -> None:
    found = dissected(tmp_path, TRACES["icmp_neighbours"]())
    (router,) = [item["request"] for item in found if item["request"]["typeNumber"] == 134]
    assert (router["hopLimit"], router["lifetime"], router["prefixes"]) == (64, 1800, ["fd00::/64"])


UDP_PART = struct.pack(">HHHH", 40000, 53, 9, 0)
QUOTES: dict[str, tuple[bytes, tuple[int, int, int] | None]] = {
    "udp": (ipv4("10.0.0.1", "10.0.0.2", 17, UDP_PART), (UDP, 40000, 53)),
    "ip options": (ipv4("10.0.0.1", "10.0.0.2", 17, UDP_PART, options=bytes(8)), (UDP, 40000, 53)),
    "tcp, cut to four bytes": (ipv4("10.0.0.1", "10.0.0.2", 6, UDP_PART)[:24], (TCP, 40000, 53)),
    "sctp": (ipv4("10.0.0.1", "10.0.0.2", 132, UDP_PART), (SCTP, 40000, 53)),
    "echo": (ipv4("10.0.0.1", "10.0.0.2", 1, b"\x08\0\0\0\0\7\0\1"), (ICMP, 7, 8)),
    "echo reply": (ipv4("10.0.0.1", "10.0.0.2", 1, b"\0\0\0\0\0\7\0\1"), (ICMP, 8, 7)),
    "a later fragment": (ipv4("10.0.0.1", "10.0.0.2", 17, UDP_PART, fragment=0x0010), None),
    "gre": (ipv4("10.0.0.1", "10.0.0.2", 47, UDP_PART), None),
    "ipv6": (ipv6("fd00::1", "fd00::2", 17, UDP_PART), (UDP, 40000, 53)),
    "ipv6 with extensions": (
        ipv6("fd00::1", "fd00::2", 0, extension(60) + extension(17, 14) + UDP_PART),
        (UDP, 40000, 53),
    ),
    "ipv6, first fragment": (ipv6("fd00::1", "fd00::2", 44, b"\x11\0\0\1\0\0\0\1" + UDP_PART), (UDP, 40000, 53)),
    "ipv6, later fragment": (ipv6("fd00::1", "fd00::2", 44, b"\x11\0\0\x09\0\0\0\1" + UDP_PART), None),
    "ipv6 echo": (ipv6("fd00::1", "fd00::2", 58, b"\x80\0\0\0\0\7\0\1"), (ICMPV6, 7, 128)),
}


@pytest.mark.parametrize(("data", "ports"), QUOTES.values(), ids=QUOTES)
def test_a_quoted_packet_tells_its_stream(data: bytes, ports: tuple[int, int, int] | None) -> None:
    quoted = quoted_in(data)
    assert quoted is not None
    assert (quoted.source[0][-1], quoted.target[0][-1], quoted.length) == (1, 2, max(len(data), quoted.length))
    assert quoted.has_ports is (ports is not None)
    if ports is not None:
        assert (quoted.protocol, quoted.source[1], quoted.target[1]) == ports


@pytest.mark.parametrize("data", [b"", b"\x45", b"\x41" + bytes(30), b"\x60" + bytes(30), b"\x00" * 60])
def test_what_is_no_packet_is_none(data: bytes) -> None:
    assert quoted_in(data) is None


def test_damage_raises_nothing() -> None:
    chance = random.Random(3)
    pings = [bytes([kind, 0]) + bytes(6) + quote(bytes(14) + QUOTES["udp"][0]) for kind in (0, 3, 5, 8, 11, 12)]
    six = [
        bytes([kind, 0]) + bytes(6) + QUOTES["ipv6 with extensions"][0] for kind in (1, 2, 4, 128, 133, 134, 135, 137)
    ]
    for _ in range(20_000):
        protocol = chance.choice((ICMP, ICMPV6))
        data = bytearray(chance.choice(pings if protocol == ICMP else six))
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        raw = bytes(data[: chance.randrange(len(data) + 1)])
        for message in IcmpMessages().feed(Chunk(a_stream(protocol), CLIENT, raw, [0], [1], chance.choice((0, 5)))):
            payload = message.payload
            assert isinstance(payload, IcmpPayload)
            assert payload.name()
            assert payload.section()["type"]
            assert payload.quoted is None or isinstance(payload.quoted, Quoted)


def test_every_code_has_a_type() -> None:
    assert all(kind in TYPES[version] for version, kind in CODES)
