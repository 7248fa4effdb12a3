"""The kernel's TPACKET_V3 ring (linux/if_packet.h, packet_mmap): blocks of packets, turned into pcap records in place.

::

    block     | … u64 | status u32 | packets u32 | first u32 | …              the first packet's header is at ``first``
    packet    | next u32 | seconds u32 | ns u32 | captured u32 | wire u32 | status u32 | start u16 | …
              | … tci u32 at 32 | tpid u16 at 36 | sockaddr_ll at 48 | padding | frame at ``start``
    address   | … u16 | protocol u16 | interface u32 | ARPHRD u16 | type u8 | length u8 | address 8 bytes
    SLL2      | protocol u16 | 0 u16 | interface u32 | ARPHRD u16 | type u8 | length u8 | address 8 bytes

Between the packet's header and its frame lies the link-layer address: the 16 bytes before the frame become the record
header of a batch, and a VLAN tag that the kernel took out of the frame goes back in. On all interfaces at once the
frame begins with the network header, and the address becomes a LINUX_SLL2 header before it (24 bytes with a VLAN tag):
with the record header they fill what lies behind the packet's header but for eight bytes. SLL2 is in network order, of
the address only the protocol.
"""

from __future__ import annotations

from struct import Struct

import numpy as np
import numpy.typing as npt

from engine.capture.batch import PAD_BYTES, RECORD_HEADER_BYTES
from engine.capture.pcapheader import MAX_CAPTURED_BYTES

BLOCK_BYTES = 1 << 20
BLOCKS = 64
RING_BYTES = BLOCK_BYTES * BLOCKS
RETIRE_MS = 25
"""A block that is not full is handed over after this time: half of the 50 ms that a packet may wait."""

Offsets = npt.NDArray[np.int64]
_BLOCK_HEADER = Struct("<8xIII").unpack_from
_BLOCK_STATUS = Struct("<I").pack_into
_BLOCK_STATUS_AT = 8
_USER, _KERNEL = 1, 0
_NEXT = Struct("<I").unpack_from

_HEADER = np.dtype(
    {
        "names": ["seconds", "ns", "captured", "wire", "status", "start", "tci", "tpid"],
        "formats": ["<u4", "<u4", "<u4", "<u4", "<u4", "<u2", "<u4", "<u2"],
        "offsets": [4, 8, 12, 16, 20, 24, 32, 36],
        "itemsize": 48,
    }
)
_RECORD = np.dtype([("seconds", "<u4"), ("ns", "<u4"), ("captured", "<u4"), ("wire", "<u4")])
_TAG = np.dtype([("tpid", ">u2"), ("tci", ">u2")])
_ADDRESS = np.dtype(
    [
        ("", "V2"),
        ("protocol", ">u2"),
        ("index", "<u4"),
        ("kind", "<u2"),
        ("type", "u1"),
        ("length", "u1"),
        ("mac", "V8"),
    ]
)
_ADDRESS_AT = 48
_SLL2 = np.dtype(
    [
        ("protocol", ">u2"),
        ("zero", ">u2"),
        ("index", ">u4"),
        ("kind", ">u2"),
        ("type", "u1"),
        ("length", "u1"),
        ("mac", "V8"),
    ]
)
_INNER_TAG = np.dtype([("tci", ">u2"), ("protocol", ">u2")])
_VLAN_VALID, _TPID_VALID = 1 << 4, 1 << 6
_DOT1Q = 0x8100
_ADDRESSES_BYTES, _TAG_BYTES = 12, 4


def is_ours(ring: memoryview, block: int) -> bool:
    """Whether the kernel has handed ``block`` over."""
    return bool(_BLOCK_HEADER(ring, block * BLOCK_BYTES)[0] & _USER)


def give_back(ring: memoryview, block: int) -> None:
    """Let the kernel fill ``block`` again."""
    _BLOCK_STATUS(ring, block * BLOCK_BYTES + _BLOCK_STATUS_AT, _KERNEL)


def packets_of(ring: memoryview, block: int) -> list[int]:
    """Offsets in the ring of the packet headers of ``block``."""
    start = block * BLOCK_BYTES
    _, count, first = _BLOCK_HEADER(ring, start)
    offsets: list[int] = []
    position = start + first
    for _ in range(count):
        offsets.append(position)
        position += _NEXT(ring, position)[0]
    return offsets


def write_records(ring: memoryview, packets: Offsets) -> tuple[Offsets, int]:
    """Make pcap records of the packets whose headers are at ``packets``: their offsets, and where the last one ends."""
    headers = _window(ring, 48)[packets].view(_HEADER)
    frames = packets + headers["start"]
    captured = np.minimum(headers["captured"], MAX_CAPTURED_BYTES - _TAG_BYTES)
    tagged = np.flatnonzero(((headers["status"] & _VLAN_VALID) != 0) & (captured >= _ADDRESSES_BYTES))
    added = np.zeros(len(packets), np.int64)
    if tagged.size:
        added[tagged] = _TAG_BYTES
        frames[tagged] -= _TAG_BYTES
        _insert_tags(ring, frames[tagged], headers[tagged])
    return _write_headers(ring, headers, frames, captured, added)


def write_cooked_records(ring: memoryview, packets: Offsets) -> tuple[Offsets, int]:
    """The same of a socket on all interfaces: each frame begins with a LINUX_SLL2 header."""
    headers = _window(ring, 48)[packets].view(_HEADER)
    cooked = _cooked(_window(ring, _ADDRESS.itemsize)[packets + _ADDRESS_AT].view(_ADDRESS))
    frames = packets + headers["start"] - _SLL2.itemsize
    captured = np.minimum(headers["captured"], MAX_CAPTURED_BYTES - _SLL2.itemsize - _TAG_BYTES)
    added = np.full(len(packets), _SLL2.itemsize)
    tagged = np.flatnonzero((headers["status"] & _VLAN_VALID) != 0)
    if tagged.size:
        added[tagged] += _TAG_BYTES
        frames[tagged] -= _TAG_BYTES
        inner = np.empty(len(tagged), _INNER_TAG)
        inner["tci"], inner["protocol"] = headers["tci"][tagged], cooked["protocol"][tagged]
        _window(ring, _TAG_BYTES)[frames[tagged] + _SLL2.itemsize] = inner.view("V4")
        cooked["protocol"][tagged] = _tag_types(headers[tagged])
    _window(ring, _SLL2.itemsize)[frames] = cooked.view(f"V{_SLL2.itemsize}")
    return _write_headers(ring, headers, frames, captured, added)


def _cooked(addresses: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    cooked = np.zeros(len(addresses), _SLL2)
    for name in ("protocol", "index", "kind", "type", "length", "mac"):
        cooked[name] = addresses[name]
    return cooked


def _write_headers(
    ring: memoryview, headers: npt.NDArray[np.void], frames: Offsets, captured: npt.NDArray[np.uint32], added: Offsets
) -> tuple[Offsets, int]:
    """Record headers before ``frames``, which became longer by ``added`` bytes."""
    records = np.empty(len(frames), _RECORD)
    records["seconds"], records["ns"] = headers["seconds"], headers["ns"]
    records["captured"], records["wire"] = captured + added, headers["wire"] + added
    offsets = frames - RECORD_HEADER_BYTES
    _window(ring, RECORD_HEADER_BYTES)[offsets] = records.view("V16")
    return offsets, int(frames[-1]) + int(captured[-1] + added[-1])


def padded(ring: memoryview, offsets: Offsets, end: int) -> tuple[memoryview, Offsets, int]:
    """Records in a buffer that goes on behind them: the ring itself, or at the very end of the ring a copy of them."""
    if end + PAD_BYTES <= len(ring):
        return ring, offsets, end
    start = int(offsets[0])
    return memoryview(bytearray(ring[start:end]) + bytes(PAD_BYTES)), offsets - start, end - start


def _insert_tags(ring: memoryview, frames: Offsets, headers: npt.NDArray[np.void]) -> None:
    """Move both addresses four bytes to the front and write the tag behind them (IEEE 802.1Q, 9.3)."""
    addresses = _window(ring, _ADDRESSES_BYTES)
    addresses[frames] = addresses[frames + _TAG_BYTES]
    tags = np.empty(len(frames), _TAG)
    tags["tpid"] = _tag_types(headers)
    tags["tci"] = headers["tci"]
    _window(ring, _TAG_BYTES)[frames + _ADDRESSES_BYTES] = tags.view("V4")


def _tag_types(headers: npt.NDArray[np.void]) -> npt.NDArray[np.uint16]:
    return np.where(headers["status"] & _TPID_VALID, headers["tpid"], _DOT1Q)


def _window(ring: memoryview, width: int) -> npt.NDArray[np.void]:
    """The ring as overlapping pieces of ``width`` bytes, one at every offset."""
    return np.ndarray((len(ring) - width + 1,), f"V{width}", ring, strides=(1,))
