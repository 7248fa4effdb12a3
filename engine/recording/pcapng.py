"""Blocks of a pcapng file, little-endian, times in nanoseconds (draft-ietf-opsawg-pcapng, sections 4.1 to 4.7).

::

    every block | type u32 | length u32 | body … | padding to 4 | length u32 |
    option      | code u16 | length u16 | value | padding to 4 |

A file is its section, one interface per link type, names, keys, then packets.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping, Sequence

from engine.recording.packets import RECORD_HEADER_BYTES, Buffer, Packets
from engine.segments.records import SNAPLEN

SECTION, INTERFACE, NAMES, PACKET, SECRETS = 0x0A0D0D0A, 1, 4, 6, 10
MAGIC = 0x1A2B3C4D
TLS_KEY_LOG = 0x544C534B
MAX_TEXT_BYTES = 8_000
"""Of a comment: filters may be long, an option's length is 16 bits."""
_COMMENT, _APPLICATION, _TIME_RESOLUTION = 1, 4, 9
_IPV4_RECORD, _IPV6_RECORD = 1, 2
_NANOSECONDS = bytes([9])
_HEAD = struct.Struct("<IIIIIII")
_HEADER = struct.Struct("<II")
_FRAME_BYTES = 12


def section(application: str, comment: str) -> bytes:
    """The first block: who wrote the file, and what it holds."""
    options = _option(_COMMENT, _text(comment)) + _option(_APPLICATION, _text(application))
    return _block(SECTION, struct.pack("<IHHq", MAGIC, 1, 0, -1) + options + bytes(4))


def interface(link_type: int) -> bytes:
    """Packets name their interface by its place in the file."""
    options = _option(_TIME_RESOLUTION, _NANOSECONDS)
    return _block(INTERFACE, struct.pack("<HHI", link_type, 0, SNAPLEN) + options + bytes(4))


def names(known: Mapping[str, Sequence[str]]) -> bytes:
    """Address -> its names; nothing where there are none."""
    records = b"".join(_name_record(address, called) for address, called in known.items() if called)
    return _block(NAMES, records + bytes(4)) if records else b""


def secrets(key_log: bytes) -> bytes:
    """An NSS key log, in front of the packets that it decrypts; nothing where it is empty."""
    return _block(SECRETS, struct.pack("<II", TLS_KEY_LOG, len(key_log)) + key_log) if key_log else b""


def packets(records: Buffer, index: Packets, interfaces: Mapping[int, int], comments: Mapping[int, str]) -> bytes:
    """Enhanced packet blocks.

    Args:
        records: pcap records.
        index: where each lies in ``records``, and when it was captured.
        interfaces: link type -> the place of its interface.
        comments: place in ``index`` -> what to say of that packet.
    """
    blocks: list[Buffer] = []
    columns = (index[name].tolist() for name in ("timestamp_ns", "offset", "length", "link_type"))
    for at, (time_ns, offset, length, link_type) in enumerate(zip(*columns, strict=True)):
        captured, wire = _HEADER.unpack_from(records, offset + 8)
        options = _option(_COMMENT, _text(comments[at])) + bytes(4) if at in comments else b""
        padding = -captured % 4
        size = _HEAD.size + captured + padding + len(options) + 4
        high, low = time_ns >> 32, time_ns & 0xFFFFFFFF
        blocks += (
            _HEAD.pack(PACKET, size, interfaces[link_type], high, low, captured, wire),
            records[offset + RECORD_HEADER_BYTES : offset + length],
            bytes(padding) + options + size.to_bytes(4, "little"),
        )
    return b"".join(blocks)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = len(body) + _FRAME_BYTES
    return _HEADER.pack(kind, size) + body + size.to_bytes(4, "little")


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _text(text: str) -> bytes:
    """UTF-8, cut between characters."""
    return text.encode(errors="replace")[:MAX_TEXT_BYTES].decode(errors="ignore").encode()


def _name_record(address: str, called: Sequence[str]) -> bytes:
    packed = ipaddress.ip_address(address).packed
    value = packed + b"".join(_text(name.replace("\0", "")) + b"\0" for name in called)
    return _option(_IPV4_RECORD if len(packed) == 4 else _IPV6_RECORD, value)
