"""The file header of a classic pcap, in both byte orders and both resolutions.

::

    +-----------+-----------------+-------------+-------------+-------------+---------------+
    | magic u32 | version u16 u16 | thiszone i32| sigfigs u32 | snaplen u32 | link type u32 |
    +-----------+-----------------+-------------+-------------+-------------+---------------+
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from engine.capture.links import check_link_type
from engine.errors import CaptureError

FILE_HEADER_BYTES = 24
MAX_CAPTURED_BYTES = 262_144
"""The longest frame that tcpdump and Wireshark write; a length above it is damage."""
_TRUSTED_SNAPLEN = 65_535
_MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_OTHERS = {
    b"\x34\xcd\xb2\xa1": ("a modified pcap", "convert it with: editcap -F nsecpcap in.pcap out.pcap"),
}


class PcapHeader(NamedTuple):
    """How the records of a file are written."""

    order: str
    """``<`` or ``>``, as ``struct`` has it."""
    tick_ns: int
    """Nanoseconds in one unit of a record's fraction: 1000 or 1."""
    limit_bytes: int
    """A captured length above this is damage."""
    link_type: int


def parse_header(name: str, header: bytes) -> PcapHeader:
    """What the first 24 bytes of a file say.

    Raises:
        CaptureError: this is no classic pcap, or one of a link type that is not decoded.
    """
    if not header:
        raise CaptureError(name, "a pcap file", "an empty file")
    if header[:4] in _OTHERS:
        raise CaptureError(name, "a pcap or pcapng file", *_OTHERS[header[:4]])
    if header[:4] not in _MAGICS:
        raise CaptureError(name, "a pcap or pcapng file", f"a file that begins with {header[:4].hex(' ')}")
    if len(header) < FILE_HEADER_BYTES:
        raise CaptureError(name, f"a pcap header of {FILE_HEADER_BYTES} bytes", f"a file of {len(header)} bytes")
    order, tick_ns = _MAGICS[header[:4]]
    major, minor, _, _, snaplen, network = struct.unpack(order + "HHiIII", header[4:])
    if (major, minor) != (2, 4):
        raise CaptureError(name, "pcap version 2.4", f"version {major}.{minor}")
    return PcapHeader(order, tick_ns, plausible_limit(snaplen), check_link_type(name, network & 0xFFFF))


def plausible_limit(snaplen: int) -> int:
    """The longest frame to believe in. Writers understate small snap lengths, so those are not held against a file."""
    return max(min(snaplen or MAX_CAPTURED_BYTES, MAX_CAPTURED_BYTES), _TRUSTED_SNAPLEN)
