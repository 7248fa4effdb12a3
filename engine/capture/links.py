"""Link types that are read: how long the header is and where it names the protocol above."""

from __future__ import annotations

from typing import NamedTuple

from engine.errors import CaptureError


class Link(NamedTuple):
    """One row of the table."""

    name: str
    header_bytes: int
    """Of the link header, without VLAN tags; in a type without ``type_offset`` IP begins behind it."""
    type_offset: int
    """Where the header holds the EtherType, or -1: the version in the first byte of the IP header decides."""


ETHERNET, RAW, LINUX_SLL2 = 1, 101, 276

LINKS = {
    0: Link(
        "NULL", 4, -1
    ),  # its address family differs between systems (IPv6 is 10, 24, 28 or 30): the IP version decides
    ETHERNET: Link("ETHERNET", 14, 12),
    12: Link("RAW", 0, -1),  # DLT_RAW, which some tools write where 101 belongs
    RAW: Link("RAW", 0, -1),
    108: Link("LOOP", 4, -1),
    113: Link("LINUX_SLL", 16, 14),
    228: Link("IPV4", 0, -1),
    229: Link("IPV6", 0, -1),
    LINUX_SLL2: Link("LINUX_SLL2", 20, 0),
}
"""By LINKTYPE_ number (https://www.tcpdump.org/linktypes.html)."""


def check_link_type(where: str, number: int) -> int:
    """``number``, if frames of that type can be decoded.

    Raises:
        CaptureError: they cannot.
    """
    if number in LINKS:
        return number
    known = ", ".join(f"{key} {link.name}" for key, link in LINKS.items())
    raise CaptureError(where, f"a link type that Remora decodes ({known})", f"link type {number}")
