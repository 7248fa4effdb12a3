"""Header layouts, and gathers: the same header of many packets, copied out of a buffer by one NumPy call.

A gather reads as many bytes as its layout has, whether the packet has them or not; a batch is padded for that, and
every result is masked by the captured length before it is believed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]

IPV4, IPV6 = 0x0800, 0x86DD
VLAN_TYPES = (0x8100, 0x88A8, 0x9100)
"""EtherTypes of a VLAN tag: 802.1Q, 802.1ad, and what was used before 802.1ad."""
ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
SYN, ACK = 2, 16
TCP_FLAGS_MASK = 0x3F
"""Without the two bits of ECN (RFC 3168), so that a SYN looks like a SYN."""
MAPPED = 0xFFFF_0000_0000
"""The lower half of ``::ffff:0.0.0.0`` (RFC 4291, 2.5.5.2)."""
FRAGMENT_MASK, MORE_FRAGMENTS = 0x3FFF, 0x2000
"""More fragments, and the offset (RFC 791, 3.1)."""

RECORD = np.dtype([("seconds", "<u4"), ("ns", "<u4"), ("captured", "<u4"), ("wire", "<u4")])

IPV4_HEADER = np.dtype(
    {
        "names": ["first", "total", "fragment", "protocol", "source", "target"],
        "formats": ["u1", ">u2", ">u2", "u1", ">u4", ">u4"],
        "offsets": [0, 2, 6, 9, 12, 16],
        "itemsize": 20,
    }
)
IPV6_HEADER = np.dtype(
    {
        "names": ["first", "length", "next", "source_high", "source_low", "target_high", "target_low"],
        "formats": ["u1", ">u2", "u1", ">u8", ">u8", ">u8", ">u8"],
        "offsets": [0, 4, 6, 8, 16, 24, 32],
        "itemsize": 40,
    }
)
TRANSPORT_HEADER = np.dtype(
    {
        "names": ["source_port", "target_port", "sequence", "udp_length", "acknowledgement", "offset", "flags"],
        "formats": [">u2", ">u2", ">u4", ">u2", ">u4", "u1", "u1"],
        "offsets": [0, 2, 4, 4, 8, 12, 13],
        "itemsize": 16,
    }
)
"""TCP (RFC 9293, 3.1) and UDP (RFC 768) laid over each other: the ports are in the same place."""


def _placed(layout: np.dtype[np.void], at: int) -> list[tuple[str, np.dtype[np.generic], int]]:
    fields = layout.fields
    assert fields is not None
    return [(name, field[0], at + field[1]) for name, field in fields.items()]


_WIDE = [
    *_placed(RECORD, 0),
    ("kind", np.dtype(">u4"), 28),  # EtherType, version and header length, type of service
    *_placed(IPV4_HEADER, 30),
    *_placed(TRANSPORT_HEADER, 50),
]
WIDE = np.dtype(
    {
        "names": [name for name, _, _ in _WIDE],
        "formats": [kind for _, kind, _ in _WIDE],
        "offsets": [offset for _, _, offset in _WIDE],
        "itemsize": 72,
    }
)
"""Record header, Ethernet, IPv4 without options and the first 16 bytes of the transport: 66 bytes, padded to 72."""


def gather(buffer: memoryview, offsets: Offsets, layout: np.dtype[np.void]) -> Records:
    """The bytes at each offset, as records of ``layout``."""
    width = layout.itemsize
    window: Records = np.ndarray((len(buffer) - width + 1,), f"V{width}", buffer, strides=(1,))
    return window[offsets].view(layout)


def gather_u16(buffer: memoryview, offsets: Offsets) -> npt.NDArray[np.int64]:
    """The big-endian 16-bit number at each offset."""
    window: npt.NDArray[np.void] = np.ndarray((len(buffer) - 1,), "V2", buffer, strides=(1,))
    return window[offsets].view(">u2").astype(np.int64)
