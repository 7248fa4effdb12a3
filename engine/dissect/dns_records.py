"""DNS messages taken apart (RFC 1035, 4): total, in linear time, whatever the bytes are."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

from engine.dissect.message import Problem

_HEADER_BYTES = 12
_MAX_NAME_BYTES = 255
_MAX_JUMPS = 126
_QUESTION = struct.Struct(">HH")
_RECORD = struct.Struct(">HHIH")

OPCODES = {0: "Query", 1: "Inverse Query", 2: "Status", 4: "Notify", 5: "Update"}
CODES = {
    0: "No Error",
    1: "Format Error",
    2: "Server Failure",
    3: "Non-Existent Domain",
    4: "Not Implemented",
    5: "Query Refused",
    6: "Name Exists When It Should Not",
    7: "RR Set Exists When It Should Not",
    8: "RR Set That Should Exist Does Not",
    9: "Server Not Authoritative For Zone",
    10: "Name Not Contained In Zone",
    16: "Bad OPT Version",
    23: "Bad Cookie",
}
CLASSES = {1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}
TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 11: "WKS", 12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX",
    16: "TXT", 17: "RP", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 39: "DNAME", 41: "OPT",
    43: "DS", 44: "SSHFP", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA",
    64: "SVCB", 65: "HTTPS", 99: "SPF", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI",
    257: "CAA",
}  # fmt: skip
_NETBIOS = frozenset("ABCDEFGHIJKLMNOP")
_EMPTY = dict.fromkeys(("ip", "ns", "cname", "ptr", "txts", "soa", "srv", "mx", "opt", "uri"), "")


class _Damaged(Exception):
    """The message ends early or contradicts itself; never leaves this module."""


class DnsPayload:
    """One DNS message; taken apart once, when somebody looks."""

    __slots__ = ("_section", "data", "fault", "is_request")

    def __init__(self, data: bytes, is_request: bool, fault: Problem | None) -> None:
        self.data = data
        self.is_request = is_request
        self.fault = fault
        self._section: dict[str, Any] | None = None

    def problem(self) -> Problem | None:
        """Bytes the capture lacks, or what is wrong with the message."""
        self.section()
        return self.fault

    def section(self) -> dict[str, Any]:
        """``request`` or ``response`` of the item."""
        if self._section is None:
            self._section, wrong = _request(self.data) if self.is_request else _response(self.data)
            if wrong and self.fault is None:
                self.fault = Problem("dissection", f"{'request' if self.is_request else 'response'}: {wrong}")
        return self._section


def question_fits(data: bytes, pos: int) -> bool:
    """Whether a question with a usual name, type and class begins at ``pos``."""
    try:
        name, pos = _Names(data).read(pos)
        kind, group = _QUESTION.unpack_from(data, pos)
    except (_Damaged, struct.error):
        return False
    if len(name) == 32 and set(name) <= _NETBIOS:
        return False  # NetBIOS shares the format and little else (RFC 1002, 4.2)
    return group & 0x7FFF in CLASSES and 0 < kind < 300 and "\\" not in name


def _request(data: bytes) -> tuple[dict[str, Any], str]:
    section: dict[str, Any] = {"opCode": _opcode(data), "questions": []}
    try:
        _questions(_Names(data), data, section["questions"])
    except _Damaged as error:
        return section, str(error)
    except (struct.error, IndexError):
        return section, "it ends early"
    return section, ""


def _response(data: bytes) -> tuple[dict[str, Any], str]:
    section: dict[str, Any] = {"code": "", "questions": [], "answers": [], "authorities": [], "additionals": []}
    code, wrong = data[3] & 15, ""
    names = _Names(data)
    try:
        pos = _questions(names, data, section["questions"])
        for key, at in (("answers", 6), ("authorities", 8), ("additionals", 10)):
            for _ in range(int.from_bytes(data[at : at + 2], "big")):
                pos, high = _record(names, data, pos, section[key])
                code |= high << 4
    except _Damaged as error:
        wrong = str(error)
    except (struct.error, IndexError):
        wrong = "it ends early"
    section["code"] = CODES.get(code, f"RCODE{code}")
    return section, wrong


def _opcode(data: bytes) -> str:
    number = (data[2] >> 3) & 15
    return OPCODES.get(number, f"OPCODE{number}")


def _questions(names: _Names, data: bytes, found: list[dict[str, str]]) -> int:
    pos = _HEADER_BYTES
    for _ in range(data[4] << 8 | data[5]):
        name, pos = names.read(pos)
        kind, group = _QUESTION.unpack_from(data, pos)
        pos += 4
        found.append({"name": name, "type": _type(kind), "class": _class(group)})
    return pos


def _record(names: _Names, data: bytes, pos: int, found: list[dict[str, Any]]) -> tuple[int, int]:
    """Where the record ends, and the upper bits of the response code if it is an OPT (RFC 6891, 6.1.3)."""
    name, pos = names.read(pos)
    kind, group, ttl, length = _RECORD.unpack_from(data, pos)
    pos += 10
    end = pos + length
    if end > len(data):
        raise _Damaged("a record ends behind the message")
    record = {"name": name, "type": _type(kind), "class": _class(group), "ttl": ttl, **_EMPTY}
    found.append(record)
    reader = _READERS.get(kind)
    if kind == 41:
        record["opt"] = _opt(group, ttl, data[pos:end])
    elif reader is None:
        record["data"] = f"\\# {length} {data[pos:end].hex()}".rstrip()  # RFC 3597, 5
    else:
        key, read = reader
        record[key] = read(names, data, pos, end)
    return end, ttl >> 24 if kind == 41 else 0


class _Names:
    """Domain names of one message; each is read once, so that pointers cost nothing twice."""

    __slots__ = ("_data", "_known")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._known: dict[int, str] = {}

    def read(self, pos: int) -> tuple[str, int]:
        """The name at ``pos`` and where it ends; the root is the empty text.

        Raises:
            _Damaged: too long, too many pointers, or outside of the message.
        """
        data, known, end = self._data, self._known, -1
        labels: list[tuple[int, str]] = []
        room, rest, jumps = _MAX_NAME_BYTES, "", 0
        while True:
            if pos in known:
                rest = known[pos]
                end = self._end_of(pos) if end < 0 else end
                break
            if pos >= len(data):
                raise _Damaged("a name ends behind the message")
            length = data[pos]
            if length == 0:
                end = pos + 1 if end < 0 else end
                break
            if length >= 0xC0:
                if pos + 1 >= len(data) or (jumps := jumps + 1) > _MAX_JUMPS:
                    raise _Damaged("a name that does not end")
                end = pos + 2 if end < 0 else end
                pos = (length & 0x3F) << 8 | data[pos + 1]
                continue
            room -= length + 1
            if length >= 0x40 or room < 1 or pos + 1 + length > len(data):
                raise _Damaged("a label that is none")
            labels.append((pos, _label(data[pos + 1 : pos + 1 + length])))
            pos += 1 + length
        return self._remember(labels, rest), end

    def _remember(self, labels: list[tuple[int, str]], rest: str) -> str:
        for pos, label in reversed(labels):
            rest = f"{label}.{rest}" if rest else label
            if len(rest) > 4 * _MAX_NAME_BYTES:
                raise _Damaged("a name longer than 255 bytes")
            self._known[pos] = rest
        return rest

    def _end_of(self, pos: int) -> int:
        data = self._data
        while 0 < data[pos] < 0xC0:
            pos += 1 + data[pos]
        return pos + 1 if data[pos] == 0 else pos + 2


def _label(raw: bytes) -> str:
    """A label in presentation form (RFC 4343, 2.1)."""
    text = raw.decode("latin-1")
    if text.isascii() and text.isprintable() and "." not in text and "\\" not in text:
        return text
    return "".join(
        f"\\{char}" if char in ".\\" else char if " " < char < "\x7f" else f"\\{ord(char):03d}" for char in text
    )


def _type(number: int) -> str:
    return TYPES.get(number) or f"TYPE{number}"


def _class(number: int) -> str:
    return CLASSES.get(number) or f"CLASS{number}"


def _address(names: _Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    raw = data[pos:end]
    if len(raw) == 4:
        return ".".join(map(str, raw))
    if len(raw) != 16:
        raise _Damaged("an address of a wrong length")
    return str(ipaddress.IPv6Address(raw))


def _name(names: _Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    return names.read(pos)[0]


def _texts(names: _Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    """Character strings, joined as SPF and DKIM want them (RFC 7208, 3.3)."""
    found = []
    while pos < end:
        length = data[pos]
        found.append(data[pos + 1 : min(pos + 1 + length, end)].decode("utf-8", "replace"))
        pos += 1 + length
    return "".join(found)


def _mx(names: _Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    return f"{data[pos] << 8 | data[pos + 1]} {names.read(pos + 2)[0]}"


def _srv(names: _Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    priority, weight, port = struct.unpack_from(">HHH", data, pos)
    return f"{priority} {weight} {port} {names.read(pos + 6)[0]}"


def _soa(names: _Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    primary, pos = names.read(pos)
    mailbox, pos = names.read(pos)
    numbers = struct.unpack_from(">IIIII", data, pos)
    return " ".join([primary, mailbox, *map(str, numbers)])


def _uri(names: _Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    priority, weight = struct.unpack_from(">HH", data, pos)
    return f"{priority} {weight} {data[pos + 4 : end].decode('utf-8', 'replace')}"


def _opt(size_bytes: int, ttl: int, options: bytes) -> str:
    """EDNS (RFC 6891, 6.1): ``version 0, udp 1232, do, option 10 a1b2…``."""
    found = [f"version {ttl >> 16 & 255}", f"udp {size_bytes}", *(["do"] if ttl & 0x8000 else [])]
    pos = 0
    while pos + 4 <= len(options):
        code, length = _QUESTION.unpack_from(options, pos)
        found.append(f"option {code} {options[pos + 4 : pos + 4 + length].hex()}".rstrip())
        pos += 4 + length
    return ", ".join(found)


_READERS: dict[int, tuple[str, Any]] = {
    1: ("ip", _address),
    2: ("ns", _name),
    5: ("cname", _name),
    6: ("soa", _soa),
    12: ("ptr", _name),
    15: ("mx", _mx),
    16: ("txts", _texts),
    28: ("ip", _address),
    33: ("srv", _srv),
    256: ("uri", _uri),
}
