"""What lies between one packet and another inside it: each parser skips one header and names what follows.

The name is an EtherType, which GRE and Geneve use too. A parser reads ``data`` from ``at`` on and lets ``IndexError``
or ``struct.error`` out where the header is not all there. On UDP, where anybody may use the port of a tunnel, the
header is checked field by field; what fails is ordinary UDP.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

import numpy as np
import numpy.typing as npt

from engine.counters import Drop
from engine.decode.layout import IPV4, IPV6

BRIDGED, PPP, MPLS, MPLS_MULTICAST, PPPOE = 0x6558, 0x880B, 0x8847, 0x8848, 0x8864
ERSPAN, ERSPAN_3 = 0x88BE, 0x22EB

Inner = tuple[int, int]
"""EtherType of what follows, and where it begins."""
Parser = Callable[[memoryview, int], Inner | Drop]
UdpParser = Callable[[memoryview, int], Inner | None]

_U16 = Struct(">H").unpack_from
_U16_PAIR = Struct(">HH").unpack_from
_BYTES = Struct(">BBBB").unpack_from
_TYPED = Struct(">BBH").unpack_from


def ethernet(data: memoryview, at: int) -> Inner:
    """An Ethernet frame."""
    return _U16(data, at + 12)[0], at + 14


def mpls(data: memoryview, at: int) -> Inner | Drop:
    """Labels up to the one with the bottom-of-stack bit (RFC 3032, 2.1); nothing names what follows them.

    IP is known by its version; a pseudowire begins with 0000 (control word, RFC 4385, 3) or is an Ethernet frame.
    """
    while not data[at + 2] & 1:
        at += 4
    at += 4
    version = data[at] >> 4
    if version in (4, 6):
        return (IPV4 if version == 4 else IPV6), at
    if version == 1:
        return Drop.NOT_IP
    return ethernet(data, at + 4 if _U16(data, at)[0] == 0 else at)


def pppoe(data: memoryview, at: int) -> Inner | Drop:
    """A PPPoE session packet (RFC 2516, 4)."""
    if data[at] != 0x11 or data[at + 1]:
        return Drop.BAD_HEADER
    return ppp(data, at + 6)


def ppp(data: memoryview, at: int) -> Inner | Drop:
    """A PPP frame (RFC 1661, 2), with or without the address and control fields of HDLC (RFC 1662, 3.1)."""
    if _U16(data, at)[0] == 0xFF03:
        at += 2
    compressed = data[at] & 1
    protocol = data[at] if compressed else _U16(data, at)[0]
    kind = {0x21: IPV4, 0x57: IPV6, 0x281: MPLS}.get(protocol)
    return Drop.NOT_IP if kind is None else (kind, at + (1 if compressed else 2))


def gre(data: memoryview, at: int) -> Inner | Drop:
    """GRE (RFC 2784, 2890; version 1 is that of PPTP, RFC 2637, 4.1)::

    +-+-+-+-+-+-------+-+-----+--------------+  then, if their bits are set: checksum and offset (C or R),
    |C|R|K|S|s|       |A| ver | protocol type|  key (K), sequence (S), acknowledgement (A, version 1)
    +-+-+-+-+-+-------+-+-----+--------------+
    """
    flags, kind = _U16_PAIR(data, at)
    if flags & 7 > 1:
        return Drop.BAD_HEADER
    at += 4 + 4 * (bool(flags & 0xC000) + bool(flags & 0x2000) + bool(flags & 0x1000))
    if flags & 7 == 1:
        at += 4 * bool(flags & 0x80)
    if flags & 0x4000:
        at = _behind_routes(data, at)
    if kind == ERSPAN and flags & 0x1000:
        return _erspan_2(data, at)
    return kind, at


def _behind_routes(data: memoryview, at: int) -> int:
    """The source routes of RFC 1701: address family, offset and length each; an empty one is the last."""
    while length := data[at + 3]:
        at += 4 + length
    return at + 4


def erspan_1(_: memoryview, at: int) -> Inner:
    """ERSPAN type I: no header of its own, and no GRE sequence number."""
    return BRIDGED, at


def _erspan_2(data: memoryview, at: int) -> Inner | Drop:
    """ERSPAN type II: 8 bytes (draft-foschiano-erspan, 4.2)."""
    return (BRIDGED, at + 8) if data[at] >> 4 == 1 else Drop.BAD_HEADER


def erspan_3(data: memoryview, at: int) -> Inner | Drop:
    """ERSPAN type III: 12 bytes, and 8 more if the last bit is set; its frame type is Ethernet (0) or IP (2)."""
    last = _U16(data, at + 10)[0]
    frame_type, at = last >> 10 & 31, at + (20 if last & 1 else 12)
    if frame_type == 2:
        return (IPV4 if data[at] >> 4 == 4 else IPV6), at
    return (BRIDGED, at) if frame_type == 0 else Drop.NOT_IP


def vxlan(data: memoryview, at: int) -> Inner | None:
    """VXLAN (RFC 7348, 5), with a protocol in its fourth byte (GPE, bit 0x04) or not.

    Some senders fill in the group policy that lies in the reserved bytes without setting its bit (0x80).
    """
    flags, second, third, fourth = _BYTES(data, at)
    if flags & ~0x8C or not flags & 0x08 or second & ~0x48 or data[at + 7]:
        return None
    if not flags & 0x04:
        return BRIDGED, at + 8
    kind = {1: IPV4, 2: IPV6, 3: BRIDGED}.get(fourth)
    return None if kind is None or second or third else (kind, at + 8)


def geneve(data: memoryview, at: int) -> Inner | None:
    """Geneve (RFC 8926, 3.4)."""
    first, second, kind = _TYPED(data, at)
    known = kind in (IPV4, IPV6, BRIDGED, MPLS)
    if first >> 6 or second & 0x3F or data[at + 7] or not known:
        return None
    return kind, at + 8 + (first & 0x3F) * 4


def gtp(data: memoryview, at: int) -> Inner | None:
    """A G-PDU of GTP-U (3GPP TS 29.281, 5); any other message is a talk between the two ends of the tunnel."""
    flags, message, length = _TYPED(data, at)
    if flags & 0xF8 != 0x30 or message != 255:
        return None
    end, at = at + 8 + length, at + 8
    if flags & 7:
        at, following = at + 4, data[at + 3] if flags & 4 else 0
        while following:
            units = data[at]
            if not units:
                return None
            at += units * 4
            following = data[at - 1]
    version = data[at] >> 4
    if end <= at or version not in (4, 6):
        return None
    return (IPV4 if version == 4 else IPV6), at


LINK_TUNNELS: dict[int, Parser] = {
    BRIDGED: ethernet,
    MPLS: mpls,
    MPLS_MULTICAST: mpls,
    PPPOE: pppoe,
    PPP: ppp,
    ERSPAN: erspan_1,
    ERSPAN_3: erspan_3,
}
"""By EtherType."""
IP_TUNNELS: dict[int, Parser] = {4: lambda _, at: (IPV4, at), 41: lambda _, at: (IPV6, at), 47: gre, 137: mpls}
"""By IP protocol: IP in IP (RFC 2003), IPv6 in IP (RFC 4213), GRE, MPLS in IP (RFC 4023)."""
UDP_TUNNELS: dict[int, UdpParser] = {2152: gtp, 4789: vxlan, 4790: vxlan, 6081: geneve, 8472: vxlan}
"""By UDP port; 8472 is what Linux took for VXLAN before it had a number."""

_IS_TUNNEL_PORT = np.zeros(65536, np.bool_)
_IS_TUNNEL_PORT[list(UDP_TUNNELS)] = True
_FIRST_PORT, _PORT_RANGE = min(UDP_TUNNELS), max(UDP_TUNNELS) - min(UDP_TUNNELS)

Ports = npt.NDArray[np.uint16]


def perhaps_tunnels(source: Ports, target: Ports) -> npt.NDArray[np.bool_]:
    """Which packets have a port that UDP tunnels use.

    The table is asked only for ports in its range, which ephemeral and well-known ports are not: 0.5 ns, not 6.
    """
    first, width = np.uint16(_FIRST_PORT), np.uint16(_PORT_RANGE)
    found = (source - first <= width) | (target - first <= width)
    near = np.flatnonzero(found)
    if near.size:
        found[near] = _IS_TUNNEL_PORT[source[near]] | _IS_TUNNEL_PORT[target[near]]
    return found
