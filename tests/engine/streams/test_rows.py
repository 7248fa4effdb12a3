"""The stream row of ``docs/formats.md``."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path

import pytest

from engine.streams.rows import format_endpoint, stream_row
from engine.streams.stream import Stream

FORMATS = Path(__file__).parents[3] / "docs/formats.md"


def address(text: str) -> bytes:
    parsed = ipaddress.ip_address(text)
    return parsed.packed if parsed.version == 6 else bytes(10) + b"\xff\xff" + parsed.packed


def test_the_row_is_the_one_in_the_documentation() -> None:
    section = FORMATS.read_text().split("## Stream row")[1]
    found = re.search(r"`({.*?})`", section, re.DOTALL)
    assert found
    documented = json.loads(found[1])
    stream = Stream(
        144, 6, address("10.0.0.1"), 51234, address("10.0.0.2"), 80, 1703018670360984398, 1703018670390984398,
        packets=11, bytes=2310, payload_bytes=1570, state="closed",
    )  # fmt: skip
    assert list(stream_row(stream).items()) == list(documented.items())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10.0.0.1", "10.0.0.1:53"), ("2001:db8::1", "[2001:db8::1]:53"), ("::", "[::]:53")],
)
def test_endpoints(text: str, expected: str) -> None:
    assert format_endpoint(address(text), 53) == expected


@pytest.mark.parametrize(
    ("protocol", "name", "file"),
    [(17, "udp", "000000000007_udp.pcap"), (58, "icmp", "000000000007_icmp.pcap"), (99, "99", "000000000007.pcap")],
)
def test_protocols(protocol: int, name: str, file: str) -> None:
    row = stream_row(Stream(7, protocol, bytes(16), 0, bytes(16), 0, 0, 0))
    assert (row["protocol"], row["stream"]) == (name, file)
