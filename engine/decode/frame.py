"""One frame, taken apart from the outside in.

The rules, which ``engine.decode.general`` follows too:

- Link header, VLAN tags, IP header, transport header: each must lie within what was captured. Where one does not, the
  reason is ``CUT_BY_SNAPLEN`` if less was captured than was on the wire, else ``BAD_HEADER``.
- Of a TCP header that the capture cut, its first 20 bytes do: a snap length of 64 cuts the options of most packets.
- The IP length says where a packet ends, not the frame, which Ethernet pads to 60 bytes (RFC 894). A length of 0 is
  what segmentation offload leaves behind: then the frame says.
- The UDP length may be smaller than IP allows, never larger.
- A packet inside a tunnel is the one that counts, whatever carries it; it may say that it is longer than its carrier.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from engine.capture.batch import RECORD_HEADER_BYTES
from engine.capture.links import Link
from engine.counters import Drop
from engine.decode.columns import FRAGMENT, HELD, ICMP_QUERIES, ICMP_REPLIES
from engine.decode.fragments import MAX_DATAGRAM_BYTES, Datagram, Fragments, Row
from engine.decode.layout import (
    ACK,
    FRAGMENT_MASK,
    ICMP,
    ICMPV6,
    IPV4,
    IPV6,
    MAPPED,
    MORE_FRAGMENTS,
    SCTP,
    SYN,
    TCP,
    TCP_FLAGS_MASK,
    UDP,
    VLAN_TYPES,
)
from engine.decode.tunnels import IP_TUNNELS, LINK_TUNNELS, UDP_TUNNELS, Inner, Parser

MAX_EXTENSION_HEADERS = 16
MAX_NESTING = 16
"""Tunnels and reassembled datagrams, one inside the other."""

_FRAGMENT_HEADER, _AUTHENTICATION = 44, 51
_WALKED = {IPV4: (_AUTHENTICATION,), IPV6: (0, 43, 60, 135, 139, 140, _AUTHENTICATION, _FRAGMENT_HEADER)}
"""Headers between IP and the transport: hop-by-hop options, routing, destination options, mobility, host identity,
shim6 (RFC 8200, 4), authentication (RFC 4302), fragment."""

_TYPE = Struct(">H").unpack_from
_IPV4 = Struct(">BxHHHxBxxII").unpack_from
_IPV6 = Struct(">BxxxHBxQQQQ").unpack_from
_FRAGMENT = Struct(">BxHI").unpack_from
_TCP = Struct(">HHIIBB").unpack_from
_UDP = Struct(">HHH").unpack_from
_PORTS = Struct(">HH").unpack_from
_ICMP = Struct(">HxxH").unpack_from

_FLAGS = 7
"""Where a row has its flags."""

Addresses = tuple[int, int, int, int]
"""Source high and low, target high and low."""


class Part(NamedTuple):
    """What an IP header says about a fragment."""

    version: int
    protocol: int
    """Of the datagram; with IPv6 only the first fragment tells it."""
    ident: tuple[int, ...]
    """What tells datagrams between the same addresses apart."""
    start: int
    """Where in the datagram it begins."""
    last: bool


class Frame:
    """Bytes of one frame, or of one reassembled datagram; ``at`` and ``end`` count from the first of them."""

    __slots__ = ("captured", "data", "depth", "fragments", "origin", "records", "short", "wire")

    def __init__(self, data: memoryview, wire: int, origin: int, fragments: Fragments | None = None) -> None:
        """Nothing is taken apart yet.

        Args:
            data: what was captured.
            wire: how much there was.
            origin: where ``data`` begins in the batch's buffer.
            fragments: who keeps fragments; without, they are dropped.
        """
        self.data, self.captured, self.wire = data, len(data), wire
        self.origin, self.fragments = origin, fragments
        self.short = Drop.CUT_BY_SNAPLEN if self.captured < wire else Drop.BAD_HEADER
        self.depth = 0
        self.records: tuple[int, ...] = ()

    def link(self, link: Link) -> Row | Drop:
        """The whole frame."""
        at = link.header_bytes
        if self.captured < at + (link.type_offset < 0):
            return self.short
        if link.type_offset < 0:
            kind = {4: IPV4, 6: IPV6}.get(self.data[at] >> 4, 0)
            return self.network(kind, at)
        return self.network(_TYPE(self.data, link.type_offset)[0], at)

    def network(self, kind: int, at: int) -> Row | Drop:
        """A packet of EtherType ``kind``, behind any number of VLAN tags: two bytes and an EtherType each."""
        while kind in VLAN_TYPES:
            if self.captured < at + 4:
                return self.short
            kind = _TYPE(self.data, at + 2)[0]
            at += 4
        if kind == IPV4:
            return self.ipv4(at)
        if kind == IPV6:
            return self.ipv6(at)
        tunnel = LINK_TUNNELS.get(kind)
        return Drop.NOT_IP if tunnel is None else self.tunnel(tunnel, at, self.wire)

    def ipv4(self, at: int) -> Row | Drop:
        """An IPv4 packet (RFC 791, 3.1)."""
        if self.captured < at + 20:
            return self.short
        first, total, ident, fragment, protocol, source, target = _IPV4(self.data, at)
        length = (first & 15) * 4
        end = at + total if total else self.wire
        if first >> 4 != 4 or length < 20 or end < at + length:
            return Drop.BAD_HEADER
        if self.captured < at + length:
            return self.short
        at += length
        addresses = (0, MAPPED | source, 0, MAPPED | target)
        if fragment & FRAGMENT_MASK:
            last, start = not fragment & MORE_FRAGMENTS, (fragment & FRAGMENT_MASK & ~MORE_FRAGMENTS) * 8
            return self.fragment(Part(IPV4, protocol, (ident, protocol), start, last), at, end, addresses)
        if protocol == _AUTHENTICATION:
            return self.extensions(IPV4, protocol, at, end, addresses)
        return self.transport(protocol, at, end, addresses)

    def ipv6(self, at: int) -> Row | Drop:
        """An IPv6 packet (RFC 8200, 3)."""
        if self.captured < at + 40:
            return self.short
        first, length, protocol, high, low, target_high, target_low = _IPV6(self.data, at)
        end = at + 40 + length if length else self.wire
        if first >> 4 != 6:
            return Drop.BAD_HEADER
        return self.extensions(IPV6, protocol, at + 40, end, (high, low, target_high, target_low))

    def extensions(self, version: int, protocol: int, at: int, end: int, addresses: Addresses) -> Row | Drop:
        """Whatever stands between IP and the transport."""
        walked = _WALKED[version]
        for _ in range(MAX_EXTENSION_HEADERS):
            if protocol not in walked:
                return self.transport(protocol, at, end, addresses)
            if end < at + 8:
                return Drop.BAD_HEADER
            if self.captured < at + 8:
                return self.short
            header, protocol = protocol, self.data[at]
            if header == _FRAGMENT_HEADER:
                _, place, ident = _FRAGMENT(self.data, at)
                at += 8
                if place & ~6:
                    part = Part(IPV6, protocol, (ident,), place & ~7, not place & 1)
                    return self.fragment(part, at, end, addresses)
            else:
                units = self.data[at + 1]
                at += (units + 2) * 4 if header == _AUTHENTICATION else (units + 1) * 8
        return Drop.EXTENSION_HEADER if protocol in walked else self.transport(protocol, at, end, addresses)

    def transport(self, protocol: int, at: int, end: int, addresses: Addresses) -> Row | Drop:
        """The transport header at ``at`` of a packet that ends at ``end``."""
        if protocol == TCP:
            return self.tcp(at, end, addresses)
        if protocol == UDP:
            return self.udp(at, end, addresses)
        if protocol in (ICMP, ICMPV6):
            return self.icmp(protocol, at, end, addresses)
        if protocol == SCTP:
            return self.sctp(at, end, addresses)
        tunnel = IP_TUNNELS.get(protocol)
        return Drop.UNSUPPORTED_TRANSPORT if tunnel is None else self.tunnel(tunnel, at, end)

    def tcp(self, at: int, end: int, addresses: Addresses) -> Row | Drop:
        """A TCP segment (RFC 9293, 3.1)."""
        if end < at + 20:
            return Drop.BAD_HEADER
        if self.captured < at + 20:
            return self.short
        source, target, sequence, acknowledgement, offset, flags = _TCP(self.data, at)
        start = at + (offset >> 4) * 4
        if start < at + 20 or end < start or (self.captured < start and self.short != Drop.CUT_BY_SNAPLEN):
            return Drop.BAD_HEADER
        here = (source, target, flags & TCP_FLAGS_MASK, sequence, acknowledgement)
        return (TCP, *addresses, *here, *self.payload(start, end))

    def udp(self, at: int, end: int, addresses: Addresses) -> Row | Drop:
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
        tunnel = UDP_TUNNELS.get(target) or UDP_TUNNELS.get(source)
        if tunnel is not None:
            kept = min(end, self.captured)
            try:
                inner = tunnel(self.data[:kept], at + 8)
            except (IndexError, StructError):
                if kept < end:
                    return self.short
                inner = None
            if inner is not None:
                return self.inside(inner, end)
        return (UDP, *addresses, source, target, 0, 0, 0, *self.payload(at + 8, end))

    def sctp(self, at: int, end: int, addresses: Addresses) -> Row | Drop:
        """An SCTP packet (RFC 9260, 3.1); its chunks are the payload."""
        if end < at + 12:
            return Drop.BAD_HEADER
        if self.captured < at + 12:
            return self.short
        return (SCTP, *addresses, *_PORTS(self.data, at), 0, 0, 0, *self.payload(at + 12, end))

    def icmp(self, protocol: int, at: int, end: int, addresses: Addresses) -> Row | Drop:
        """An ICMP message (RFC 792, RFC 4443), which is all payload; ``Columns.source_port`` explains its ports."""
        if end < at + 8:
            return Drop.BAD_HEADER
        if self.captured < at + 8:
            return self.short
        kind, ident = _ICMP(self.data, at)
        if kind >> 8 in ICMP_QUERIES[protocol]:
            ports = (ident, kind >> 8)
        elif request := ICMP_REPLIES[protocol].get(kind >> 8):
            ports = (request, ident)
        else:
            ports = (kind, 0)
        return (protocol, *addresses, *ports, 0, 0, 0, *self.payload(at, end))

    def payload(self, start: int, end: int) -> tuple[int, int, int]:
        """Where it starts in the buffer, how much of it was captured, how much was not."""
        length = max(min(end, self.captured) - start, 0)
        return self.origin + min(start, self.captured), length, end - start - length

    # ---- packets in packets ---------------------------------------------------------------------------------------

    def tunnel(self, parse: Parser, at: int, end: int) -> Row | Drop:
        """What the tunnel whose header is at ``at`` carries."""
        self.narrow(end)
        try:
            inner = parse(self.data, at)
        except (IndexError, StructError):
            return self.short
        return inner if isinstance(inner, Drop) else self.inside(inner, end)

    def inside(self, inner: Inner, end: int) -> Row | Drop:
        """The packet ``inner``, one tunnel further in."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            return Drop.NESTED_TOO_DEEP
        self.narrow(end)
        return self.network(*inner)

    def narrow(self, end: int) -> None:
        """Nothing behind ``end`` belongs to what is inside."""
        if end <= self.captured:
            self.data, self.captured, self.short = self.data[:end], end, Drop.BAD_HEADER
        self.wire = end

    # ---- fragments ------------------------------------------------------------------------------------------------

    def fragment(self, part: Part, at: int, end: int, addresses: Addresses) -> Row | Drop:
        """The bytes from ``at`` to ``end`` are a part of a datagram."""
        fragments = self.fragments
        if fragments is None:
            return Drop.FRAGMENT
        stop = part.start + end - at
        if stop <= part.start or stop > MAX_DATAGRAM_BYTES:
            return Drop.BAD_HEADER
        records = self.records or (self.origin - RECORD_HEADER_BYTES,)
        key = (*addresses, part.version, *part.ident)
        datagram = fragments.add(key, (part.start, stop), bytes(self.data[at:end]), part.last, records)
        if datagram is None:
            return Drop.BAD_HEADER
        if not part.start and datagram.protocol < 0:
            datagram.protocol = part.protocol
        finish = self.whole if datagram.complete else self.held
        return finish(part.version, datagram, fragments, addresses)

    def held(self, version: int, datagram: Datagram, fragments: Fragments, addresses: Addresses) -> Row | Drop:
        """A fragment that does not complete its datagram: a row of the same stream, without payload."""
        first = datagram.pieces[0]
        if datagram.row is None and not first.start:
            frame = Frame(memoryview(first.data), MAX_DATAGRAM_BYTES, 0)
            frame.depth = self.depth
            found = frame.extensions(version, datagram.protocol, 0, MAX_DATAGRAM_BYTES, addresses)
            if not isinstance(found, Drop):
                datagram.row = _without_payload(found)
        if datagram.row is None:
            return Drop.FRAGMENT
        datagram.waiting.pop()
        fragments.tell(datagram, datagram.row)
        return datagram.row

    def whole(self, version: int, datagram: Datagram, fragments: Fragments, addresses: Addresses) -> Row | Drop:
        """The fragment that completes its datagram: the row of that datagram."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            return Drop.NESTED_TOO_DEEP
        data = datagram.joined()
        frame = Frame(memoryview(data), datagram.end, fragments.place(data), fragments)
        frame.depth, frame.records = self.depth, tuple(datagram.waiting)
        found = frame.extensions(version, datagram.protocol, 0, datagram.end, addresses)
        if isinstance(found, Drop):
            return found
        datagram.waiting.pop()
        fragments.tell(datagram, _without_payload(found))
        return (*found[:_FLAGS], found[_FLAGS] | FRAGMENT, *found[_FLAGS + 1 :])


def _without_payload(row: Row) -> Row:
    """Of the same stream, with nothing in it that moves the stream on; the sequence number is its first byte's."""
    *address, flags, sequence, acknowledgement, _, _, _ = row
    first = sequence + bool(flags & SYN) & 0xFFFFFFFF
    return (*address, flags & ACK | FRAGMENT | HELD, first, acknowledgement, 0, 0, 0)
