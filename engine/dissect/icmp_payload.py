"""One ICMP message (RFC 792, RFC 4443, RFC 4861): total, whatever the bytes are."""

from __future__ import annotations

from typing import Any

from engine.dissect.icmp_names import code_name, type_name
from engine.dissect.icmp_quoted import Quoted, quoted_in
from engine.dissect.message import Problem
from engine.streams.stream import PROTOCOL_NAMES, format_address

ERRORS = {4: frozenset((3, 4, 5, 11, 12)), 6: frozenset((1, 2, 3, 4))}
"""Types that quote a packet, by IP version."""
QUERIES = {4: frozenset((8, 13, 15, 17)), 6: frozenset((128,))}
REPLIES = {4: frozenset((0, 14, 16, 18)), 6: frozenset((129,))}
UNREACHABLE = {4: 3, 6: 1}
_HEADER_BYTES = 8
_TOO_BIG, _FRAGMENTATION_NEEDED = 2, 4
_REDIRECT, _PARAMETER_PROBLEM = 5, {4: 12, 6: 4}
_NEIGHBOURS = frozenset((135, 136, 137))
_MAX_OPTIONS = 32


class IcmpPayload:
    """One message; taken apart when somebody looks."""

    __slots__ = ("data", "fault", "quoted", "rtt_ns", "stream", "version")

    def __init__(self, data: bytes, version: int, fault: Problem | None) -> None:
        self.data = data
        """At least 8 bytes."""
        self.version = version
        """Of IP."""
        self.fault = fault
        self.rtt_ns = -1
        """Of a reply: since its request; -1: that was not seen."""
        quotes = data[0] in ERRORS[version]
        self.quoted: Quoted | None = quoted_in(data[_HEADER_BYTES:]) if quotes else None
        self.stream = ""
        """Name of the stream that the quoted packet belongs to; empty: not known."""

    def problem(self) -> Problem | None:
        """Bytes that the capture lacks."""
        return self.fault

    @property
    def refuses(self) -> bool:
        """Nothing of the quoted packet's stream arrives; too large a packet is only sent again in parts."""
        kind, code = self.data[0], self.data[1]
        return kind == UNREACHABLE[self.version] and (self.version == 6 or code != _FRAGMENTATION_NEEDED)

    def name(self) -> str:
        """``Destination Unreachable: Port Unreachable``."""
        kind, code = self.data[0], self.data[1]
        return ": ".join(filter(None, [type_name(self.version, kind), code_name(self.version, kind, code)]))

    def section(self) -> dict[str, Any]:
        """``request`` or ``response`` of the item."""
        data, version, kind = self.data, self.version, self.data[0]
        section: dict[str, Any] = {
            "ipVersion": version,
            "type": type_name(version, kind),
            "typeNumber": kind,
            "code": code_name(version, kind, data[1]),
            "codeNumber": data[1],
        }
        if kind in QUERIES[version] or kind in REPLIES[version]:
            section["identifier"], section["sequence"] = data[4] << 8 | data[5], data[6] << 8 | data[7]
            section["payloadSize"] = len(data) - _HEADER_BYTES
            if self.rtt_ns >= 0:
                section["rttNs"] = self.rtt_ns
        elif kind in ERRORS[version]:
            self._add_error(section)
        elif version == 6 and kind in (133, 134, *_NEIGHBOURS):
            _add_neighbour(section, kind, data)
        return section

    def _add_error(self, section: dict[str, Any]) -> None:
        data, version, kind, quoted = self.data, self.version, self.data[0], self.quoted
        word = int.from_bytes(data[4:8], "big")
        if version == 6 and kind == _TOO_BIG:
            section["mtu"] = word
        elif version == 4 and kind == UNREACHABLE[4] and data[1] == _FRAGMENTATION_NEEDED:
            section["mtu"] = word & 0xFFFF  # RFC 1191, 4
        elif version == 4 and kind == _REDIRECT:
            section["gateway"] = format_address(bytes(10) + b"\xff\xff" + data[4:8])
        elif kind == _PARAMETER_PROBLEM[version]:
            section["pointer"] = word if version == 6 else data[4]
        section["stream"] = self.stream
        section["quoted"] = None if quoted is None else _told(quoted)


def _told(quoted: Quoted) -> dict[str, Any]:
    ports = quoted.has_ports and PROTOCOL_NAMES.get(quoted.protocol) != "icmp"
    return {
        "protocol": PROTOCOL_NAMES.get(quoted.protocol, str(quoted.protocol)),
        **{
            name: {"ip": format_address(address), "port": str(port) if ports else ""}
            for name, (address, port) in (("src", quoted.source), ("dst", quoted.target))
        },
        "length": quoted.length,
    }


def _add_neighbour(section: dict[str, Any], kind: int, data: bytes) -> None:
    """Neighbour discovery (RFC 4861, 4): target, link-layer address, prefixes."""
    at = {133: 8, 134: 16, 137: 40}.get(kind, 24)
    if kind in _NEIGHBOURS and len(data) >= 24:
        section["target"] = format_address(data[8:24])
    if kind == 134 and len(data) >= 16:
        section["hopLimit"], section["lifetime"] = data[4], data[6] << 8 | data[7]
        section["prefixes"] = []
    for _ in range(_MAX_OPTIONS):
        if at + 8 > len(data) or not data[at + 1]:
            return
        option, end = data[at], at + data[at + 1] * 8
        if option in (1, 2) and end == at + 8:
            section["linkAddress"] = data[at + 2 : at + 8].hex(":")
        elif option == 3 and kind == 134 and at + 32 == end <= len(data):
            section["prefixes"].append(f"{format_address(data[at + 16 : at + 32])}/{data[at + 2]}")
        at = end
