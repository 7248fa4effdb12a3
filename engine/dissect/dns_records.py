"""Resource records of DNS messages (RFC 1035, 4.1.3), as dicts of text."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

from engine.dissect.dns_codes import CLASSES, TYPES
from engine.dissect.dns_edns import Edns, bare_edns
from engine.dissect.dns_names import Damaged, Names
from engine.dissect.dns_rdata import READERS

_RECORD = struct.Struct(">HHIH")
_GROUPS = struct.Struct(">8H")
_FIRST_QUESTION = b"\xc0\x0c"
"""A pointer to the name behind the header: the owner of most answers."""
_A, _OPT = 1, 41
_NO_DATA = frozenset((254, 255))
"""Classes of records of an update that name what is meant, and hold nothing (RFC 2136, 2.4 and 2.5)."""
_EMPTY = dict.fromkeys(
    ("name", "type", "class", "ttl", "ip", "ns", "cname", "ptr", "txts", "soa", "srv", "mx", "opt", "uri"), ""
)


def read_record(
    names: Names, data: bytes, pos: int, asked: str, found: list[dict[str, Any]]
) -> tuple[int, Edns | None]:
    """Add the record at ``pos``; where it ends, and what it says if it is an OPT.

    ``asked`` is the name in the first question, if there is one.

    Raises:
        Damaged, struct.error, IndexError: it is none, or not all of it is there.
    """
    if asked and data.startswith(_FIRST_QUESTION, pos):
        name, pos = asked, pos + 2
    elif data.startswith(b"\0", pos):
        name, pos = "", pos + 1
    else:
        name, pos = names.read(pos)
    kind, group, ttl, length = _RECORD.unpack_from(data, pos)
    pos += 10
    end = pos + length
    if end > len(data):
        raise Damaged("a record ends behind the message")
    record: dict[str, Any] = _EMPTY.copy()  # and four values put in: half the cost of a new dict
    record["name"], record["type"], record["class"], record["ttl"] = name, TYPES[kind], CLASSES[group], ttl
    found.append(record)
    if kind == _A and length == 4:
        record["ip"] = f"{data[pos]}.{data[pos + 1]}.{data[pos + 2]}.{data[pos + 3]}"
        return end, None
    if kind == _OPT:
        edns = Edns(group, ttl, data[pos:end]) if length else bare_edns(group, ttl)
        record["opt"] = edns.text
        return end, edns
    if not length and group in _NO_DATA:
        return end, None
    reader = _READERS.get(kind)
    if reader is not None:
        key, read = reader
        record[key] = read(names, data, pos, end)
    elif length and (read := READERS.get(kind)) is not None:
        record["data"] = read(names, data, pos, end)
    else:
        record["data"] = f"\\# {length} {data[pos:end].hex()}".rstrip()  # RFC 3597, 5
    return end, None


def _address(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    if end - pos == 4:
        return ".".join(map(str, data[pos:end]))
    if end - pos != 16:
        raise Damaged("an address of a wrong length")
    text = "{:x}:{:x}:{:x}:{:x}:{:x}:{:x}:{:x}:{:x}".format(*_GROUPS.unpack_from(data, pos))
    if ":0:0" in text or text.startswith("0:0:"):  # zeros to be left out (RFC 5952, 4.2)
        return str(ipaddress.IPv6Address(data[pos:end]))
    return text  # an eighth of the cost


def _name(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    return names.read(pos)[0]


def _texts(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    """Character strings, joined as SPF and DKIM want them (RFC 7208, 3.3)."""
    found = []
    while pos < end:
        length = data[pos]
        found.append(data[pos + 1 : min(pos + 1 + length, end)].decode("utf-8", "replace"))
        pos += 1 + length
    return "".join(found)


def _mx(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    return f"{data[pos] << 8 | data[pos + 1]} {names.read(pos + 2)[0]}"


def _srv(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    priority, weight, port = struct.unpack_from(">HHH", data, pos)
    return f"{priority} {weight} {port} {names.read(pos + 6)[0]}"


def _soa(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    primary, pos = names.read(pos)
    mailbox, pos = names.read(pos)
    numbers = struct.unpack_from(">IIIII", data, pos)
    return " ".join([primary, mailbox, *map(str, numbers)])


def _uri(names: Names, data: bytes, pos: int, end: int) -> str:  # noqa: ARG001 - one signature for all readers
    priority, weight = struct.unpack_from(">HH", data, pos)
    return f"{priority} {weight} {data[pos + 4 : end].decode('utf-8', 'replace')}"


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
