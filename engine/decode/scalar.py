"""One packet at a time: the slow lane of odd packets, and the path of small batches.

The rules, which ``engine.decode.columnar`` follows too:

- Link header, VLAN tags, IP header, transport header: each must lie within what was captured. Where one does not, the
  reason is ``CUT_BY_SNAPLEN`` if less was captured than was on the wire, else ``BAD_HEADER``.
- The IP length says where a packet ends, not the frame, which Ethernet pads to 60 bytes (RFC 894). A length of 0 is
  what segmentation offload leaves behind: then the frame says.
- The UDP length may be smaller than IP allows, never larger.
"""

from __future__ import annotations

from struct import Struct

import numpy as np

from engine.capture.batch import RECORD_HEADER_BYTES
from engine.capture.links import LINKS, Link
from engine.counters import Drop
from engine.decode.columns import COLUMN_TYPES, Columns
from engine.decode.layout import FRAGMENT_MASK, IPV4, IPV6, MAPPED, TCP, TCP_FLAGS_MASK, UDP, VLAN_TYPES, Offsets

MAX_VLAN_TAGS = 8
MAX_EXTENSION_HEADERS = 16

_WALKED = (0, 43, 60)  # hop-by-hop options, routing, destination options (RFC 8200, 4)
_FRAGMENT_HEADER = 44
_NOT_WALKED = (51, 135, 139, 140)  # authentication, mobility, host identity, shim6

_RECORD = Struct("<IIII").unpack_from
_TYPE = Struct(">H").unpack_from
_IPV4 = Struct(">BxHxxHxBxxII").unpack_from
_IPV6 = Struct(">BxxxHBxQQQQ").unpack_from
_TCP = Struct(">HHIIBB").unpack_from
_UDP = Struct(">HHH").unpack_from

_ROW_TYPE = np.dtype(list(zip(Columns._fields, COLUMN_TYPES, strict=True)))
_ROW = Struct("<" + "".join(np.dtype(kind).char for kind in COLUMN_TYPES).replace("l", "q").replace("L", "Q"))
_NOTHING = (0,) * (len(COLUMN_TYPES) - 4)

Addresses = tuple[int, int, int, int]
"""Source high and low, target high and low."""
Found = tuple[int, ...]
"""A row from ``protocol`` to ``payload_missing``; ``payload_start`` still counts from the frame."""


def decode_scalar(buffer: memoryview, offsets: Offsets, link_type: int) -> Columns:
    """Total: every record becomes a row with a payload or a row with a ``Drop`` reason."""
    table = bytearray(_ROW.size * len(offsets))
    position = 0
    for offset in offsets.tolist():
        _ROW.pack_into(table, position, *decode_one(buffer, offset, link_type))
        position += _ROW.size
    rows = np.frombuffer(table, _ROW_TYPE)
    return Columns(*(np.ascontiguousarray(rows[name]) for name in Columns._fields))


def decode_one(buffer: memoryview, offset: int, link_type: int) -> tuple[int, ...]:
    """The row of the record at ``offset``, in the order of ``Columns``."""
    seconds, ns, captured, wire = _RECORD(buffer, offset)
    start = offset + RECORD_HEADER_BYTES
    frame = Frame(buffer[start : start + captured], wire)
    link = LINKS.get(link_type)
    found = frame.link(link) if link is not None else Drop.UNKNOWN_LINK_TYPE
    head = (seconds * 1_000_000_000 + ns, captured, wire)
    if isinstance(found, Drop):
        return (*head, *_NOTHING, found)
    *rest, payload_start, payload_length, missing = found
    return (*head, *rest, start + payload_start, payload_length, missing, 0)


class Frame:
    """One frame that is taken apart from the outside in; offsets count from its first byte."""

    __slots__ = ("captured", "data", "short", "wire")

    def __init__(self, data: memoryview, wire: int) -> None:
        """``data`` is what was captured of ``wire`` bytes."""
        self.data, self.captured, self.wire = data, len(data), wire
        self.short = Drop.CUT_BY_SNAPLEN if self.captured < wire else Drop.BAD_HEADER

    def link(self, link: Link) -> Found | Drop:
        """The whole frame."""
        at = link.header_bytes
        if self.captured < at + (link.type_offset < 0):
            return self.short
        if link.type_offset < 0:
            kind = {4: IPV4, 6: IPV6}.get(self.data[at] >> 4, 0)
            return self.network(kind, at)
        return self.tagged(_TYPE(self.data, link.type_offset)[0], at)

    def tagged(self, kind: int, at: int) -> Found | Drop:
        """What follows the link header: VLAN tags of two bytes and an EtherType each, then a packet."""
        for _ in range(MAX_VLAN_TAGS):
            if kind not in VLAN_TYPES:
                break
            if self.captured < at + 4:
                return self.short
            kind = _TYPE(self.data, at + 2)[0]
            at += 4
        return self.network(kind, at)

    def network(self, kind: int, at: int) -> Found | Drop:
        """A packet of EtherType ``kind``."""
        if kind == IPV4:
            return self.ipv4(at)
        if kind == IPV6:
            return self.ipv6(at)
        return Drop.NOT_IP

    def ipv4(self, at: int) -> Found | Drop:
        """An IPv4 packet (RFC 791, 3.1)."""
        if self.captured < at + 20:
            return self.short
        first, total, fragment, protocol, source, target = _IPV4(self.data, at)
        length = (first & 15) * 4
        end = at + total if total else self.wire
        if first >> 4 != 4 or length < 20 or end < at + length:
            return Drop.BAD_HEADER
        if self.captured < at + length:
            return self.short
        if fragment & FRAGMENT_MASK:
            return Drop.FRAGMENT
        return self.transport(protocol, at + length, end, (0, MAPPED | source, 0, MAPPED | target))

    def ipv6(self, at: int) -> Found | Drop:
        """An IPv6 packet (RFC 8200, 3)."""
        if self.captured < at + 40:
            return self.short
        first, length, protocol, *addresses = _IPV6(self.data, at)
        end = at + 40 + length if length else self.wire
        if first >> 4 != 6:
            return Drop.BAD_HEADER
        at += 40
        for _ in range(MAX_EXTENSION_HEADERS):
            if protocol not in _WALKED:
                break
            if end < at + 8:
                return Drop.BAD_HEADER
            if self.captured < at + 8:
                return self.short
            protocol, units = self.data[at], self.data[at + 1]
            at += (units + 1) * 8
        if protocol in _WALKED or protocol in _NOT_WALKED:
            return Drop.EXTENSION_HEADER
        if protocol == _FRAGMENT_HEADER:
            return Drop.FRAGMENT
        high, low, target_high, target_low = addresses
        return self.transport(protocol, at, end, (high, low, target_high, target_low))

    def transport(self, protocol: int, at: int, end: int, addresses: Addresses) -> Found | Drop:
        """The transport header at ``at`` of a packet that ends at ``end``."""
        if protocol == TCP:
            return self.tcp(at, end, addresses)
        if protocol == UDP:
            return self.udp(at, end, addresses)
        return Drop.UNSUPPORTED_TRANSPORT

    def tcp(self, at: int, end: int, addresses: Addresses) -> Found | Drop:
        """A TCP segment (RFC 9293, 3.1)."""
        if end < at + 20:
            return Drop.BAD_HEADER
        if self.captured < at + 20:
            return self.short
        source, target, sequence, acknowledgement, offset, flags = _TCP(self.data, at)
        start = at + (offset >> 4) * 4
        if start < at + 20 or end < start:
            return Drop.BAD_HEADER
        if self.captured < start:
            return self.short
        here = (source, target, flags & TCP_FLAGS_MASK, sequence, acknowledgement)
        return (TCP, *addresses, *here, *self.payload(start, end))

    def udp(self, at: int, end: int, addresses: Addresses) -> Found | Drop:
        """A UDP datagram (RFC 768); length 0 is a jumbogram (RFC 2675, 4)."""
        if end < at + 8:
            return Drop.BAD_HEADER
        if self.captured < at + 8:
            return self.short
        source, target, length = _UDP(self.data, at)
        if length:
            if length < 8 or end < at + length:
                return Drop.BAD_HEADER
            end = at + length
        return (UDP, *addresses, source, target, 0, 0, 0, *self.payload(at + 8, end))

    def payload(self, start: int, end: int) -> tuple[int, int, int]:
        """Where it starts, how much of it was captured, how much was not."""
        length = min(end, self.captured) - start
        return start, length, end - start - length
